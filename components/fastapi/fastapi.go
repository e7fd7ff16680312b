package fastapi

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack that runs the service.
// Change it only together with an alias carrying the old type.
const TypeToken = "slipway:fastapi:API"

// API is the running service.
type API struct {
	pulumi.ResourceState

	// Host is the public name it answers to.
	Host pulumi.StringOutput `pulumi:"host"`
	// Namespace is where its pods run.
	Namespace pulumi.StringOutput `pulumi:"namespace"`
}

// New declares the service.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*API, error) {
	p, faults := resolve(name, args)
	if err := joined(faults); err != nil {
		return nil, fmt.Errorf("service %q: %w", name, err)
	}
	api := &API{}
	if err := ctx.RegisterComponentResource(TypeToken, name, api, opts...); err != nil {
		return nil, fmt.Errorf("registering service %q: %w", name, err)
	}
	if err := api.build(ctx, name, p); err != nil {
		return nil, fmt.Errorf("building service %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(api, pulumi.Map{
		"host": api.Host, "namespace": api.Namespace,
	}); err != nil {
		return nil, fmt.Errorf("publishing service %q: %w", name, err)
	}
	return api, nil
}

// builder holds what the steps of one build share.
type builder struct {
	ctx       *pulumi.Context
	api       *API
	name      string
	plan      plan
	namespace pulumi.StringPtrOutput
	identity  *corev1.ServiceAccount
	settings  *corev1.ConfigMap
	password  *corev1.Secret
}

// build goes from what pods need, through the pods, to who may call them.
func (a *API) build(ctx *pulumi.Context, name string, p plan) error {
	namespace, err := component.Namespace(ctx, a, name, p.Namespace, component.Restricted, component.Disposable)
	if err != nil {
		return err
	}
	b := &builder{ctx: ctx, api: a, name: name, plan: p, namespace: namespace}
	if err := b.configure(); err != nil {
		return err
	}
	flows, err := b.allowFlows()
	if err != nil {
		return err
	}
	bounds, err := b.bound()
	if err != nil {
		return err
	}
	migrations, err := b.migrate(append(flows, bounds...))
	if err != nil {
		return err
	}
	var ready []pulumi.Resource
	for _, r := range p.releases {
		up, err := b.run(r, migrations)
		if err != nil {
			return fmt.Errorf("release %s: %w", r.name, err)
		}
		ready = append(ready, up...)
	}
	if err := b.route(ready); err != nil {
		return err
	}
	a.Host = pulumi.String(p.Host).ToStringOutput()
	a.Namespace = namespace.Elem()
	return nil
}

// under is component.Under for the service.
func (b *builder) under(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Under(b.api, extra...)
}

// meta is the metadata of an object with a name that others rely on.
func (b *builder) meta(name, instance, part string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: b.namespace,
		Labels: component.StringMap(component.Labels(b.name, instance, part)),
	}
}

// anonymous is the metadata of an object that only its reader refers to. The
// engine names it, so that new content is a new object which new pods read,
// while old pods keep theirs until they are gone.
func (b *builder) anonymous(part string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Namespace: b.namespace,
		Labels:    component.StringMap(component.Labels(b.name, b.name, part)),
	}
}
