package benchmark

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// TypeToken is stored in the state of every stack that has a benchmark. Change
// it only together with an alias carrying the old type.
const TypeToken = "slipway:benchmark:Benchmark"

// product is what the CronJob and its pods are called. internal/platform knows
// them by it.
const product = "benchmark"

// Benchmark is the routine that measures a platform.
type Benchmark struct {
	pulumi.ResourceState

	// Namespace is where it runs.
	Namespace pulumi.StringOutput `pulumi:"namespace"`
}

// New declares the routine. It runs nothing by itself.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Benchmark, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("benchmark %q: %w", name, err)
	}
	benchmark := &Benchmark{}
	if err := ctx.RegisterComponentResource(TypeToken, name, benchmark, opts...); err != nil {
		return nil, fmt.Errorf("registering benchmark %q: %w", name, err)
	}
	if err := benchmark.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building benchmark %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(benchmark, pulumi.Map{"namespace": benchmark.Namespace}); err != nil {
		return nil, fmt.Errorf("publishing benchmark %q: %w", name, err)
	}
	return benchmark, nil
}

// builder holds what the pieces share.
type builder struct {
	plan
	ctx       *pulumi.Context
	benchmark *Benchmark
	name      string
	namespace pulumi.StringPtrOutput
	// authority is the ConfigMap with the certificate to trust; nil: there is none.
	authority *corev1.ConfigMap
}

func (b *builder) labels() pulumi.StringMap {
	return component.StringMap(component.Labels(product, b.name, "run"))
}

func (b *Benchmark) build(ctx *pulumi.Context, name string, plan plan) error {
	namespace, err := component.Namespace(ctx, b, name, plan.Namespace, component.Restricted, component.Disposable)
	if err != nil {
		return err
	}
	made := &builder{plan: plan, ctx: ctx, benchmark: b, name: name, namespace: namespace}
	if err := made.trust(); err != nil {
		return err
	}
	flows := workload.Flows{Egress: []networkingv1.NetworkPolicyEgressRuleArgs{
		workload.ToNamespace(plan.Ingress.Namespace, workload.Port{Number: plan.Ingress.PodPort, Protocol: "TCP"}),
	}}
	if err := workload.Allow(ctx, b, name+"-allow-ingress", namespace, component.Selector(product, name, "run"), flows); err != nil {
		return err
	}
	if _, err := component.Bound(ctx, b, name, namespace, running); err != nil {
		return err
	}
	if err := made.schedule(); err != nil {
		return err
	}
	b.Namespace = namespace.Elem()
	return nil
}

// trust declares the certificate that runs trust. It has no fixed name and is
// immutable: another certificate is another ConfigMap, which the next run mounts.
func (b *builder) trust() error {
	if b.Authority == nil {
		return nil
	}
	made, err := corev1.NewConfigMap(b.ctx, b.name+"-authority", &corev1.ConfigMapArgs{
		Metadata:  metav1.ObjectMetaArgs{Namespace: b.namespace, Labels: b.labels()},
		Immutable: pulumi.Bool(true),
		Data:      pulumi.StringMap{authorityFile: b.Authority},
	}, component.Under(b.benchmark)...)
	if err != nil {
		return fmt.Errorf("creating the certificate to trust: %w", err)
	}
	b.authority = made
	return nil
}
