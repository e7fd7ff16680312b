package postgres

import (
	"errors"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// allowFlows opens what the closed namespace needs and nothing else.
func (b *builder) allowFlows() error {
	p := b.plan
	members := podPeer(p.selector())
	job := podPeer(component.Selector("postgres", p.name, reconcilePart))
	var poolers, clients, direct networkingv1.NetworkPolicyPeerArray
	for _, one := range p.poolers() {
		poolers = append(poolers, podPeer(p.poolerSelector(one)))
	}
	for _, namespace := range p.ClientNamespaces {
		clients = append(clients, clientPeer(namespace, nil))
		direct = append(direct, clientPeer(namespace, map[string]string{DirectLabel: "true"}))
	}
	sql, rest := ports(Port), ports(restPort)
	watchers := networkingv1.NetworkPolicyPeerArray{members, job}
	if p.watched() {
		// Reading is free at this port, changing takes a password.
		watchers = append(watchers, clientPeer(p.MonitoringNamespace, nil))
	}
	type rule struct {
		role     string
		selector map[string]string
		flows    workload.Flows
	}
	rules := []rule{
		{"members", p.selector(), workload.Flows{
			Ingress: []networkingv1.NetworkPolicyIngressRuleArgs{
				{From: append(append(networkingv1.NetworkPolicyPeerArray{members}, poolers...), direct...), Ports: sql},
				{From: watchers, Ports: rest},
			},
			Egress: []networkingv1.NetworkPolicyEgressRuleArgs{
				{To: networkingv1.NetworkPolicyPeerArray{members}, Ports: append(ports(Port), rest...)},
				workload.ToAPI(p.APINetworks),
			},
		}},
		{"reconcile", component.Selector("postgres", p.name, reconcilePart), workload.Flows{
			Egress: []networkingv1.NetworkPolicyEgressRuleArgs{
				{To: networkingv1.NetworkPolicyPeerArray{members}, Ports: rest},
			},
		}},
	}
	rules[0].flows.Ingress = append(rules[0].flows.Ingress, p.read(memberMetricsPort)...)
	if p.Backups != nil {
		repository, copies := podPeer(p.repositorySelector()), ports(copyPort)
		to := networkingv1.NetworkPolicyEgressRuleArgs{To: networkingv1.NetworkPolicyPeerArray{repository}, Ports: copies}
		from := networkingv1.NetworkPolicyIngressRuleArgs{From: networkingv1.NetworkPolicyPeerArray{repository}, Ports: copies}
		rules[0].flows.Egress = append(rules[0].flows.Egress, to)
		rules[0].flows.Ingress = append(rules[0].flows.Ingress, from)
		rules = append(rules, rule{repositoryPart, p.repositorySelector(), p.repositoryFlows(members)})
	}
	for _, one := range p.poolers() {
		flows := workload.Flows{Egress: []networkingv1.NetworkPolicyEgressRuleArgs{
			{To: networkingv1.NetworkPolicyPeerArray{members}, Ports: sql},
		}}
		// A rule without peers would admit everyone.
		if len(clients) > 0 {
			flows.Ingress = []networkingv1.NetworkPolicyIngressRuleArgs{{From: clients, Ports: sql}}
		}
		flows.Ingress = append(flows.Ingress, p.read(poolerMetricsPort)...)
		rules = append(rules, rule{one.part, p.poolerSelector(one), flows})
	}
	for _, one := range rules {
		if err := workload.Allow(b.ctx, b.cluster, p.name+"-allow-"+one.role, b.namespace, one.selector, one.flows); err != nil {
			return err
		}
	}
	return nil
}

// repositoryFlows are those of the pod that keeps backups: with members both ways,
// and with the bucket, whose addresses are public unless they are Inside.
func (p *plan) repositoryFlows(members networkingv1.NetworkPolicyPeerArgs) workload.Flows {
	peers := networkingv1.NetworkPolicyPeerArray{members}
	flows := workload.Flows{
		Ingress: []networkingv1.NetworkPolicyIngressRuleArgs{{From: peers, Ports: ports(copyPort)}},
		Egress:  []networkingv1.NetworkPolicyEgressRuleArgs{{To: peers, Ports: ports(copyPort)}},
	}
	flows.Ingress = append(flows.Ingress, p.read(metricsPort)...)
	if s3 := p.Backups.S3; s3 != nil {
		flows.Egress = append(flows.Egress, workload.ToCloud(s3.Inside)...)
	}
	return flows
}

// read lets those in who watch, at a port where there is nothing but figures.
func (p *plan) read(port int) []networkingv1.NetworkPolicyIngressRuleArgs {
	if !p.watched() {
		return nil
	}
	return []networkingv1.NetworkPolicyIngressRuleArgs{{
		From: networkingv1.NetworkPolicyPeerArray{clientPeer(p.MonitoringNamespace, nil)}, Ports: ports(port),
	}}
}

// podPeer is the pods of this namespace that selector finds.
func podPeer(selector map[string]string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{
		PodSelector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
	}
}

// clientPeer is the pods of another namespace, all of them or those that carry
// labels.
func clientPeer(namespace string, labels map[string]string) networkingv1.NetworkPolicyPeerArgs {
	peer := networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: metav1.LabelSelectorArgs{
		MatchLabels: pulumi.StringMap{component.NamespaceLabel: pulumi.String(namespace)},
	}}
	if len(labels) > 0 {
		peer.PodSelector = metav1.LabelSelectorArgs{MatchLabels: component.StringMap(labels)}
	}
	return peer
}

func ports(number int) networkingv1.NetworkPolicyPortArray {
	return networkingv1.NetworkPolicyPortArray{networkingv1.NetworkPolicyPortArgs{
		Protocol: pulumi.String("TCP"), Port: pulumi.Int(number),
	}}
}

// service describes one Service.
type service struct {
	name, part string
	selector   map[string]string
	ports      map[string]int
	// headless gives each pod a name of its own instead of one shared address.
	headless bool
	// unready keeps pods in it that fail their readiness probe.
	unready bool
}

// serve declares the names under which members, poolers and the repository are found.
func (b *builder) serve() error {
	p := b.plan
	sql, both := map[string]int{"postgres": Port}, map[string]int{"postgres": Port, "patroni": restPort}
	services := []service{
		{p.name + "-members", memberPart, p.selector(), both, true, true},
		// The label says who leads, and only Patroni's lock gives it. A probe
		// could add nothing but delay: a member that has just been promoted
		// was a replica without a primary a second ago, hence not ready.
		{p.name + "-" + primary, memberPart, with(p.selector(), roleLabel, primary), sql, false, true},
		{p.name + "-" + replica, memberPart, with(p.selector(), roleLabel, replica), sql, false, false},
	}
	for _, one := range p.poolers() {
		services = append(services, service{one.name, one.part, p.poolerSelector(one), sql, false, false})
	}
	if p.Backups != nil {
		copies := map[string]int{"pgbackrest": copyPort}
		services = append(services, service{p.repositoryName(), repositoryPart, p.repositorySelector(), copies, true, false})
	}
	for _, one := range services {
		declared, err := b.declare(one)
		if err != nil {
			return err
		}
		if one.name == p.poolers()[0].name {
			b.cluster.PrimaryAddress = clusterAddress(b.ctx, declared)
		}
	}
	return nil
}

func (b *builder) declare(one service) (*corev1.Service, error) {
	metadata := b.meta(one.name, one.part)
	// A service without pods is no fault: a single member has no replica, and
	// the members themselves are waited for.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
	spec := corev1.ServiceSpecArgs{
		Selector:                 component.StringMap(one.selector),
		PublishNotReadyAddresses: pulumi.Bool(one.unready),
	}
	if one.headless {
		spec.ClusterIP = pulumi.String("None")
	}
	var list corev1.ServicePortArray
	for _, name := range []string{"postgres", "patroni", "pgbackrest"} {
		if number, found := one.ports[name]; found {
			list = append(list, corev1.ServicePortArgs{
				Name: pulumi.String(name), Port: pulumi.Int(number), TargetPort: pulumi.String(name),
			})
		}
	}
	spec.Ports = list
	declared, err := corev1.NewService(b.ctx, one.name+"-service", &corev1.ServiceArgs{
		Metadata: metadata, Spec: spec,
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("creating service %s: %w", one.name, err)
	}
	return declared, nil
}

// clusterAddress is the address the cluster gave a service. A preview of a
// service that does not exist answers with the inputs alone, where the address
// is missing rather than unknown; here it is unknown.
func clusterAddress(ctx *pulumi.Context, one *corev1.Service) pulumi.StringOutput {
	return one.Spec.ClusterIP().ApplyT(func(address *string) (pulumi.StringOutput, error) {
		switch {
		case address != nil && *address != "":
			return pulumi.String(*address).ToStringOutput(), nil
		case ctx.DryRun():
			return pulumi.UnsafeUnknownOutput([]pulumi.Resource{one}).ApplyT(func(any) string { return "" }).(pulumi.StringOutput), nil
		default:
			return pulumi.StringOutput{}, errors.New("the pooler's service has no cluster address")
		}
	}).(pulumi.StringOutput)
}

// with returns a copy of labels with one more.
func with(labels map[string]string, key, value string) map[string]string {
	extended := map[string]string{key: value}
	for name, label := range labels {
		extended[name] = label
	}
	return extended
}
