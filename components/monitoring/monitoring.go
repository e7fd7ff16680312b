package monitoring

import (
	"fmt"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:monitoring:Monitoring"

// user is whom every program here runs as: the images' own.
const (
	user = 65532
)

// Monitoring watches a platform.
type Monitoring struct {
	pulumi.ResourceState

	// Namespace is where it runs; targets admit scrapes from there.
	Namespace pulumi.StringOutput `pulumi:"namespace"`
}

// New declares the monitoring of a platform.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Monitoring, error) {
	p, faults := resolve(args)
	if err := joined(faults); err != nil {
		return nil, fmt.Errorf("monitoring %q: %w", name, err)
	}
	made := &Monitoring{}
	if err := ctx.RegisterComponentResource(TypeToken, name, made, opts...); err != nil {
		return nil, fmt.Errorf("registering monitoring %q: %w", name, err)
	}
	b := &builder{ctx: ctx, monitoring: made, plan: p, name: name}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("building monitoring %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(made, pulumi.Map{"namespace": made.Namespace}); err != nil {
		return nil, fmt.Errorf("publishing monitoring %q: %w", name, err)
	}
	return made, nil
}

// builder holds what the steps of one build share.
type builder struct {
	ctx        *pulumi.Context
	monitoring *Monitoring
	plan       plan
	name       string
	namespace  pulumi.StringPtrOutput
}

// Products that run, which are also the names of their objects.
const (
	prometheus   = "prometheus"
	alertmanager = "alertmanager"
	nodeExporter = "node-exporter"
	stateMetrics = "kube-state-metrics"
)

func (b *builder) build() error {
	stance := component.Guard(b.plan.Unprotected)
	namespace, err := component.Namespace(b.ctx, b.monitoring, b.name, b.plan.Namespace, component.Restricted, stance)
	if err != nil {
		return err
	}
	b.namespace = namespace
	for _, step := range []func() error{b.bound, b.allowFlows, b.exportNodes, b.exportState, b.notify, b.watch, b.show} {
		if err := step(); err != nil {
			return err
		}
	}
	b.monitoring.Namespace = b.namespace.Elem()
	return nil
}

// under is component.Under for the component.
func (b *builder) under(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Under(b.monitoring, extra...)
}

func (b *builder) labels(product string) map[string]string {
	return component.Labels(product, b.name, "server")
}

func (b *builder) selector(product string) map[string]string {
	return component.Selector(product, b.name, "server")
}

// meta is the metadata of an object that is called as its product.
func (b *builder) meta(product string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(product), Namespace: b.namespace, Labels: component.StringMap(b.labels(product)),
	}
}

func (b *builder) match(product string) metav1.LabelSelectorArgs {
	return metav1.LabelSelectorArgs{MatchLabels: component.StringMap(b.selector(product))}
}
