package cluster

import (
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Access is what any cluster offers to a stack, whoever made it.
type Access struct {
	// Provider declares objects in the cluster. Hand it to components with
	// pulumi.Providers.
	Provider *kubernetes.Provider
	// Name is what the cluster is called.
	Name pulumi.StringOutput `pulumi:"name"`
	// Kubeconfig holds one context and everything it needs. Secret.
	Kubeconfig pulumi.StringOutput `pulumi:"kubeconfig"`
}
