package traefik

import (
	"fmt"
	"slices"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/crd"
	"slipway.dev/slipway/components/workload"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:traefik:Traefik"

// product is what Traefik's objects are called.
const product = "traefik"

// foreignBalancer is a class of load balancers that no controller serves: the
// one there is belongs to the program. The Service is of that type all the same,
// because only then do nodes say whether they have a proxy.
const foreignBalancer = "slipway.dev/declared"

// Traefik is the way into the platform.
type Traefik struct {
	pulumi.ResourceState

	// Namespace is where it runs; backends admit requests from there.
	Namespace pulumi.StringOutput `pulumi:"namespace"`
	// ServiceName and ClusterIP are where pods of the cluster reach it, on the
	// public ports.
	ServiceName pulumi.StringOutput `pulumi:"serviceName"`
	ClusterIP   pulumi.StringOutput `pulumi:"clusterIP"`
	// Ready is what must be up before objects of its kinds can be declared.
	// Depend on it rather than on the component: the SDK expands a component
	// into the children it has at that moment, and registers them in the
	// background.
	Ready []pulumi.Resource
}

// New declares Traefik. When an update with it has finished, its pods have the
// routes that exist. An object of its kinds in another component must depend
// on it.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Traefik, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("traefik %q: %w", name, err)
	}
	traefik := &Traefik{}
	if err := ctx.RegisterComponentResource(TypeToken, name, traefik, opts...); err != nil {
		return nil, fmt.Errorf("registering traefik %q: %w", name, err)
	}
	if err := traefik.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building traefik %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(traefik, pulumi.Map{
		"namespace": traefik.Namespace, "serviceName": traefik.ServiceName, "clusterIP": traefik.ClusterIP,
	}); err != nil {
		return nil, fmt.Errorf("publishing traefik %q: %w", name, err)
	}
	return traefik, nil
}

// parts are what the pieces share.
type parts struct {
	plan
	name      string
	namespace pulumi.StringPtrOutput
	selector  map[string]string
}

func (p parts) labels() map[string]string { return component.Labels(product, p.name, "proxy") }

// metadata of an object in Traefik's namespace.
func (p parts) metadata(named string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(named), Namespace: p.namespace, Labels: component.StringMap(p.labels()),
	}
}

func (t *Traefik) build(ctx *pulumi.Context, name string, plan plan) error {
	level := component.Restricted
	if plan.HostPorts {
		level = component.Privileged
	}
	namespace, err := component.Namespace(ctx, t, name, plan.Namespace, level, component.Disposable)
	if err != nil {
		return err
	}
	p := parts{
		plan: plan, name: name, namespace: namespace,
		selector: component.Selector(product, name, "proxy"),
	}
	definitions, err := crd.Declare(ctx, t, name, component.Labels(product, name, "definition"), plan.definitions)
	if err != nil {
		return err
	}
	objects, err := t.objects(ctx, p, definitions)
	if err != nil {
		return err
	}
	rights, err := t.account(ctx, p)
	if err != nil {
		return err
	}
	if err := workload.Allow(ctx, t, name+"-flows", p.namespace, p.selector, p.flows()); err != nil {
		return err
	}
	bounds, err := component.Bound(ctx, t, name, p.namespace, p.load())
	if err != nil {
		return err
	}
	// The pods come last: from their first moment they find everything they
	// read, and readiness is a route among it.
	if err := t.proxies(ctx, p, slices.Concat(rights, objects, definitions, bounds)); err != nil {
		return err
	}
	service, err := t.service(ctx, p)
	if err != nil {
		return err
	}
	t.Ready = append(append([]pulumi.Resource(nil), definitions...), service)
	t.Namespace = p.namespace.Elem()
	t.ServiceName = service.Metadata.Name().Elem()
	t.ClusterIP = service.Spec.ClusterIP().Elem()
	return nil
}

// flows lets everyone in, and Traefik out to its backends and the API.
func (p parts) flows() workload.Flows {
	var flows workload.Flows
	flows.Ingress = append(flows.Ingress, workload.FromAnywhere(
		workload.Port{Number: webPort, Protocol: "TCP"}, workload.Port{Number: SecurePort, Protocol: "TCP"}))
	if p.MonitoringNamespace != "" {
		flows.Ingress = append(flows.Ingress,
			workload.FromNamespace(p.MonitoringNamespace, workload.Port{Number: internalPort, Protocol: "TCP"}))
	}
	flows.Egress = append(flows.Egress, workload.ToAPI(p.APIServer))
	for _, backend := range p.Backends {
		flows.Egress = append(flows.Egress,
			workload.ToNamespace(backend.Namespace, workload.Port{Number: backend.Port, Protocol: "TCP"}))
	}
	if p.Traces != nil {
		flows.Egress = append(flows.Egress, p.Traces.Egress())
	}
	if len(p.Guests.Labels) > 0 {
		flows.Egress = append(flows.Egress,
			workload.ToNamespaces(p.Guests.Labels, workload.Port{Number: p.Guests.Port, Protocol: "TCP"}))
	}
	return flows
}

// service makes the pods reachable: by a load balancer, or, with host ports,
// for pods of the cluster only.
func (t *Traefik) service(ctx *pulumi.Context, p parts) (*corev1.Service, error) {
	port := func(named string, number int) corev1.ServicePortArgs {
		return corev1.ServicePortArgs{
			Name: pulumi.String(named), Port: pulumi.Int(number), Protocol: pulumi.String("TCP"),
			TargetPort: pulumi.String(named),
		}
	}
	http, https := port(web, p.HTTPPort), port(secure, p.HTTPSPort)
	metadata := p.metadata(product)
	spec := corev1.ServiceSpecArgs{
		Type:     pulumi.String("ClusterIP"),
		Selector: component.StringMap(p.selector),
	}
	if !p.HostPorts {
		spec.Type = pulumi.String("LoadBalancer")
		// Only nodes with a pod take part, and the client's address is kept.
		spec.ExternalTrafficPolicy = pulumi.String("Local")
		metadata.Annotations = component.StringMap(p.LoadBalancer)
	}
	if ports := p.NodePorts; ports != nil {
		http.NodePort, https.NodePort = pulumi.Int(ports.HTTP), pulumi.Int(ports.HTTPS)
		spec.HealthCheckNodePort = pulumi.Int(ports.Health)
		spec.LoadBalancerClass = pulumi.String(foreignBalancer)
		// No address is ever entered in the Service, so there is none to wait for.
		metadata.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
	}
	spec.Ports = corev1.ServicePortArray{http, https}
	made, err := corev1.NewService(ctx, p.name+"-service", &corev1.ServiceArgs{
		Metadata: metadata, Spec: spec,
	}, component.Under(t)...)
	if err != nil {
		return nil, fmt.Errorf("creating the service: %w", err)
	}
	return made, nil
}
