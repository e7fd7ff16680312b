package postgres

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack that has a database, and in
// the URN of everything below it, volumes' owner included. Change it only
// together with an alias carrying the old type.
const TypeToken = "slipway:postgres:Cluster"

// Cluster is a running database.
type Cluster struct {
	pulumi.ResourceState

	// PrimaryHost is the pooler that writes, ReplicaHost the one that reads
	// what may be a moment old; with one member it is the same.
	PrimaryHost pulumi.StringOutput `pulumi:"primaryHost"`
	ReplicaHost pulumi.StringOutput `pulumi:"replicaHost"`
	// PrimaryAddress is the cluster address behind PrimaryHost, for a zone that
	// is served to more than pods: a cluster's own names end at the cluster.
	PrimaryAddress pulumi.StringOutput `pulumi:"primaryAddress"`
	// DirectHost is the primary itself, for sessions. See DirectLabel.
	DirectHost pulumi.StringOutput `pulumi:"directHost"`
	// Port is the same on all three.
	Port pulumi.IntOutput `pulumi:"port"`
	// Database and Owner are what to open and as whom.
	Database pulumi.StringOutput `pulumi:"database"`
	Owner    pulumi.StringOutput `pulumi:"owner"`
	// Password is the owner's. Secret.
	Password pulumi.StringOutput `pulumi:"password"`
	// Ready is what must be up before the first connection. Depend on it rather
	// than on the cluster: the SDK expands a component into the children it has
	// at that moment, and registers them in the background.
	Ready []pulumi.Resource
}

// New declares the cluster. It needs a Kubernetes provider and one of
// pulumi-random.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	p, faults := resolve(name, args)
	if err := joined(faults); err != nil {
		return nil, fmt.Errorf("database %q: %w", name, err)
	}
	cluster := &Cluster{}
	if err := ctx.RegisterComponentResource(TypeToken, name, cluster, opts...); err != nil {
		return nil, fmt.Errorf("registering database %q: %w", name, err)
	}
	if err := cluster.build(ctx, p); err != nil {
		return nil, fmt.Errorf("building database %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(cluster, pulumi.Map{
		"primaryHost": cluster.PrimaryHost, "replicaHost": cluster.ReplicaHost, "directHost": cluster.DirectHost,
		"primaryAddress": cluster.PrimaryAddress,
		"port":           cluster.Port, "database": cluster.Database, "owner": cluster.Owner, "password": cluster.Password,
	}); err != nil {
		return nil, fmt.Errorf("publishing database %q: %w", name, err)
	}
	return cluster, nil
}

// builder holds what the steps of one build share.
type builder struct {
	ctx       *pulumi.Context
	cluster   *Cluster
	plan      plan
	namespace pulumi.StringPtrOutput

	passwords   passwords
	credentials *corev1.Secret
	settings    *corev1.ConfigMap
	// prepared is what a pod needs that it does not refer to: flows that are
	// open and a certificate that has been issued.
	prepared []pulumi.Resource
}

// build goes from what pods need, through the members, to who pools their
// connections.
func (c *Cluster) build(ctx *pulumi.Context, p plan) error {
	b := &builder{ctx: ctx, cluster: c, plan: p}
	namespace, err := component.Namespace(ctx, c, p.name, p.Namespace, component.Restricted, b.stance())
	if err != nil {
		return err
	}
	b.namespace = namespace
	for _, step := range []func() error{
		b.bound, b.makePasswords, b.configure, b.certify, b.allowFlows, b.serve, b.poolConnections, b.keepBackups,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	members, err := b.runMembers()
	if err != nil {
		return err
	}
	if err := b.reconcile(members); err != nil {
		return err
	}
	c.Ready = []pulumi.Resource{members}
	b.publish()
	return nil
}

func (b *builder) publish() {
	p, c := b.plan, b.cluster
	poolers := p.poolers()
	c.PrimaryHost = pulumi.String(p.host(poolers[0].name)).ToStringOutput()
	c.ReplicaHost = pulumi.String(p.host(poolers[len(poolers)-1].name)).ToStringOutput()
	c.DirectHost = pulumi.String(p.host(p.name + "-" + primary)).ToStringOutput()
	c.Port = pulumi.Int(Port).ToIntOutput()
	c.Database = pulumi.String(p.Database).ToStringOutput()
	c.Owner = pulumi.String(p.Owner).ToStringOutput()
	c.Password = b.passwords.owner
}

// stance is that of everything that holds data or the only copy of a key.
func (b *builder) stance() component.Stance {
	if b.plan.Unprotected {
		return component.Disposable
	}
	return component.Guarded
}

// under is component.Under for the cluster.
func (b *builder) under(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Under(b.cluster, extra...)
}

// meta is the metadata of an object of the cluster. Names are contracts: with
// clients, with Patroni, or with volumes.
func (b *builder) meta(name, part string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: b.namespace,
		Labels: component.StringMap(component.Labels("postgres", b.plan.name, part)),
	}
}
