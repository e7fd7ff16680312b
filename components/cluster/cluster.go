package cluster

import (
	"fmt"
	"time"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:cluster:Cluster"

// soon is how long before their end credentials are warned about.
const soon = 7 * 24 * time.Hour

// Cluster is a Kubernetes cluster that a stack may declare objects in.
type Cluster struct {
	pulumi.ResourceState

	Access
}

// New makes the cluster behind a kubeconfig usable. The kubeconfig is judged
// in full before anything is registered; see ErrMissing and ErrExpired for the
// faults a caller can mend.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	plan, err := resolve(args, time.Now())
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	cluster := &Cluster{}
	if err := ctx.RegisterComponentResource(TypeToken, name, cluster, opts...); err != nil {
		return nil, fmt.Errorf("registering cluster %q: %w", name, err)
	}
	if err := cluster.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building cluster %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(cluster, pulumi.Map{
		"name": cluster.Name, "kubeconfig": cluster.Kubeconfig,
	}); err != nil {
		return nil, fmt.Errorf("publishing cluster %q: %w", name, err)
	}
	return cluster, nil
}

func (c *Cluster) build(ctx *pulumi.Context, name string, plan plan) error {
	if !plan.expires.IsZero() && time.Until(plan.expires) < soon {
		warning := fmt.Sprintf("the credentials in the kubeconfig expire on %s; renew them before then",
			plan.expires.UTC().Format(time.RFC3339))
		if err := ctx.Log.Warn(warning, &pulumi.LogArgs{Resource: c}); err != nil {
			return fmt.Errorf("warning about credentials that expire: %w", err)
		}
	}
	c.Name = pulumi.String(plan.name).ToStringOutput()
	c.Kubeconfig = pulumi.ToSecret(pulumi.String(plan.content)).(pulumi.StringOutput)
	var err error
	c.Provider, err = kubernetes.NewProvider(ctx, name+"-provider", &kubernetes.ProviderArgs{
		Kubeconfig:            c.Kubeconfig,
		ClusterIdentifier:     pulumi.String(plan.identifier),
		EnableServerSideApply: pulumi.Bool(true),
		// Else a change of content deletes what running pods have mounted, and makes it anew.
		EnableConfigMapMutable: pulumi.Bool(true),
		EnableSecretMutable:    pulumi.Bool(true),
		KubeClientSettings:     component.KubeClient(),
	}, component.Under(c)...)
	if err != nil {
		return fmt.Errorf("creating the Kubernetes provider: %w", err)
	}
	return nil
}
