package dns

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
const TypeToken = "slipway:dns:Zones"

// Zones is the set of zones of an environment, being served.
type Zones struct {
	pulumi.ResourceState

	// Namespace is where the servers run.
	Namespace pulumi.StringOutput `pulumi:"namespace"`
	// ClusterIP is where pods and the cluster's DNS reach them, on port 53.
	ClusterIP pulumi.StringOutput `pulumi:"clusterIP"`
}

// New declares zones and the servers that answer for them. When an update with
// it has finished, its records are being served.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Zones, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("dns %q: %w", name, err)
	}
	zones := &Zones{}
	if err := ctx.RegisterComponentResource(TypeToken, name, zones, opts...); err != nil {
		return nil, fmt.Errorf("registering dns %q: %w", name, err)
	}
	if err := zones.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building dns %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(zones, pulumi.Map{
		"namespace": zones.Namespace, "clusterIP": zones.ClusterIP,
	}); err != nil {
		return nil, fmt.Errorf("publishing dns %q: %w", name, err)
	}
	return zones, nil
}

// parts are what the pieces of one set of servers share.
type parts struct {
	plan
	name      string
	namespace pulumi.StringPtrOutput
	selector  map[string]string
}

// metadata of an object of the servers that has a fixed name.
func (p parts) metadata(name string) metav1.ObjectMetaArgs {
	return metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: p.namespace, Labels: component.StringMap(p.labels()),
	}
}

func (p parts) labels() map[string]string { return component.Labels("coredns", p.name, "server") }

func (z *Zones) build(ctx *pulumi.Context, name string, plan plan) error {
	level := component.Restricted
	if plan.hostPort > 0 {
		level = component.Privileged
	}
	namespace, err := component.Namespace(ctx, z, name, plan.namespace, level, component.Disposable)
	if err != nil {
		return err
	}
	p := parts{
		plan: plan, name: name, namespace: namespace,
		selector: component.Selector("coredns", name, "server"),
	}
	config, err := z.config(ctx, p)
	if err != nil {
		return err
	}
	if err := z.policies(ctx, p); err != nil {
		return err
	}
	bounds, err := component.Bound(ctx, z, name, p.namespace, p.load())
	if err != nil {
		return err
	}
	if err := z.servers(ctx, p, config, bounds); err != nil {
		return err
	}
	service, err := z.service(ctx, p)
	if err != nil {
		return err
	}
	z.Namespace = p.namespace.Elem()
	z.ClusterIP = service.Spec.ClusterIP().Elem()
	return nil
}

// config declares the ConfigMap. It has no fixed name and is immutable: other
// content is another ConfigMap, and what mounts it is rolled.
func (z *Zones) config(ctx *pulumi.Context, p parts) (*corev1.ConfigMap, error) {
	data := pulumi.StringMap{"Corefile": pulumi.String(corefile(p.plan))}
	for _, zone := range p.zones {
		data[zoneFile(zone.name)] = p.zoneText(zone)
	}
	made, err := corev1.NewConfigMap(ctx, p.name+"-zones", &corev1.ConfigMapArgs{
		Metadata:  metav1.ObjectMetaArgs{Namespace: p.namespace, Labels: component.StringMap(p.labels())},
		Immutable: pulumi.Bool(true),
		Data:      data,
	}, component.Under(z)...)
	if err != nil {
		return nil, fmt.Errorf("creating the zone files: %w", err)
	}
	return made, nil
}

// zoneText is a zone's file as soon as all its values are known.
func (p parts) zoneText(z zone) pulumi.StringOutput {
	servers := p.addresses
	if z.private {
		servers = p.inside()
	}
	inputs := make([]any, 0, len(z.records))
	for _, rec := range z.records {
		inputs = append(inputs, rec.values)
	}
	rules := p.policy()
	return pulumi.All(inputs...).ApplyT(func(known []any) (string, error) {
		values := make([][]string, 0, len(known))
		for _, value := range known {
			texts, ok := value.([]string)
			if !ok {
				return "", fmt.Errorf("zone %s: values are a %T, want texts", z.name, value)
			}
			values = append(values, texts)
		}
		return z.file(values, servers, rules)
	}).(pulumi.StringOutput)
}

func (z *Zones) service(ctx *pulumi.Context, p parts) (*corev1.Service, error) {
	spec := corev1.ServiceSpecArgs{
		Selector: component.StringMap(p.selector),
		Ports:    corev1.ServicePortArray{servicePort("dns", "UDP"), servicePort("dns-tcp", "TCP")},
	}
	if p.clusterIP != "" {
		spec.ClusterIP = pulumi.String(p.clusterIP)
	}
	made, err := corev1.NewService(ctx, p.name+"-service", &corev1.ServiceArgs{
		Metadata: p.metadata(p.name), Spec: spec,
	}, component.Under(z)...)
	if err != nil {
		return nil, fmt.Errorf("creating the service: %w", err)
	}
	return made, nil
}

func servicePort(name, protocol string) corev1.ServicePortArgs {
	return corev1.ServicePortArgs{
		Name: pulumi.String(name), Protocol: pulumi.String(protocol),
		Port: pulumi.Int(53), TargetPort: pulumi.String(name),
	}
}

func (z *Zones) policies(ctx *pulumi.Context, p parts) error {
	// Public zones are for everyone; who may ask for private ones is decided
	// per query, by the servers.
	flows := workload.Flows{}
	flows.Ingress = append(flows.Ingress,
		workload.FromAnywhere(workload.Port{Number: dnsPort, Protocol: "UDP"}, workload.Port{Number: dnsPort, Protocol: "TCP"}))
	if p.monitoringNamespace != "" {
		flows.Ingress = append(flows.Ingress,
			workload.FromNamespace(p.monitoringNamespace, workload.Port{Number: metricsPort, Protocol: "TCP"}))
	}
	return workload.Allow(ctx, z, p.name+"-allow-queries", p.namespace, p.selector, flows)
}
