package logging

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:logging:Logging"

// product is what the collectors are called.
const product = "collector"

// Logging is the collection of an environment's logs.
type Logging struct {
	pulumi.ResourceState

	// Namespace is where the collectors run.
	Namespace pulumi.StringOutput `pulumi:"namespace"`
}

// New declares the collectors. When an update with it has finished, every node
// has one that reads.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Logging, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("logging %q: %w", name, err)
	}
	logging := &Logging{}
	if err := ctx.RegisterComponentResource(TypeToken, name, logging, opts...); err != nil {
		return nil, fmt.Errorf("registering logging %q: %w", name, err)
	}
	if err := logging.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building logging %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(logging, pulumi.Map{"namespace": logging.Namespace}); err != nil {
		return nil, fmt.Errorf("publishing logging %q: %w", name, err)
	}
	return logging, nil
}

// parts are what the pieces share.
type parts struct {
	plan
	name      string
	namespace pulumi.StringPtrOutput
	selector  map[string]string
}

func (p parts) labels() map[string]string { return component.Labels(product, p.name, "agent") }

func (l *Logging) build(ctx *pulumi.Context, name string, plan plan) error {
	namespace, err := component.Namespace(ctx, l, name, plan.Namespace, component.Privileged, component.Disposable)
	if err != nil {
		return err
	}
	p := parts{
		plan: plan, name: name, namespace: namespace,
		selector: component.Selector(product, name, "agent"),
	}
	config, err := l.config(ctx, p)
	if err != nil {
		return err
	}
	if err := l.policies(ctx, p); err != nil {
		return err
	}
	if _, err := component.Bound(ctx, l, name, p.namespace, load); err != nil {
		return err
	}
	account, err := l.account(ctx, p)
	if err != nil {
		return err
	}
	if err := l.agents(ctx, p, config, account); err != nil {
		return err
	}
	if p.Traces != nil {
		if err := l.service(ctx, p); err != nil {
			return err
		}
	}
	l.Namespace = p.namespace.Elem()
	return nil
}

// config declares the ConfigMap. It has no fixed name and is immutable: another
// configuration is another ConfigMap, and the pods are rolled to it.
func (l *Logging) config(ctx *pulumi.Context, p parts) (*corev1.ConfigMap, error) {
	text, err := p.configuration(inPod())
	if err != nil {
		return nil, err
	}
	made, err := corev1.NewConfigMap(ctx, p.name+"-configuration", &corev1.ConfigMapArgs{
		Metadata:  metav1.ObjectMetaArgs{Namespace: p.namespace, Labels: component.StringMap(p.labels())},
		Immutable: pulumi.Bool(true),
		Data:      pulumi.StringMap{configFile: pulumi.String(text)},
	}, component.Under(l)...)
	if err != nil {
		return nil, fmt.Errorf("creating the collector's configuration: %w", err)
	}
	return made, nil
}

// policies lets in Prometheus and whoever sends spans, and out only what goes to a
// bucket: the collectors ask nobody else. The kubelet's probes pass every policy.
func (l *Logging) policies(ctx *pulumi.Context, p parts) error {
	if p.S3 != nil {
		if err := workload.Allow(ctx, l, p.name+"-allow-archive", p.namespace, p.selector, p.S3.sending()); err != nil {
			return err
		}
	}
	if p.Traces != nil {
		if err := workload.Allow(ctx, l, p.name+"-allow-spans", p.namespace, p.selector, p.Traces.receiving()); err != nil {
			return err
		}
	}
	if p.MonitoringNamespace == "" {
		return nil
	}
	var flows workload.Flows
	flows.Ingress = append(flows.Ingress,
		workload.FromNamespace(p.MonitoringNamespace, workload.Port{Number: metricsPort, Protocol: "TCP"}))
	return workload.Allow(ctx, l, p.name+"-allow-scrapes", p.namespace, p.selector, flows)
}
