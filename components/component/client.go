package component

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Requests of a provider to the API server, a second and at once. The provider
// holds itself to 50 and 120 by default, which a look for drift, asking for every
// object of a stack at once, waits for. The API server protects itself from more
// than it can take (https://kubernetes.io/docs/concepts/cluster-administration/flow-control/).
const (
	requestsPerSecond = 300
	requestsAtOnce    = 600
)

// KubeClient is how a Kubernetes provider of ours speaks to the API server.
func KubeClient() kubernetes.KubeClientSettingsArgs {
	return kubernetes.KubeClientSettingsArgs{
		Qps: pulumi.Float64(requestsPerSecond), Burst: pulumi.Int(requestsAtOnce),
	}
}
