package monitoring

import (
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// allowFlows opens what the closed namespace needs: Prometheus to its targets
// and its finders, alerts to Alertmanager, and from there to the receiver.
// Nobody else comes in.
func (b *builder) allowFlows() error {
	p := &b.plan
	tcp := func(numbers ...int) []workload.Port {
		var list []workload.Port
		for _, number := range numbers {
			list = append(list, workload.Port{Number: number, Protocol: "TCP"})
		}
		return list
	}
	scraped := func(product string, numbers ...int) workload.Flows {
		return workload.Flows{Ingress: []networkingv1.NetworkPolicyIngressRuleArgs{
			{From: networkingv1.NetworkPolicyPeerArray{b.pods(prometheus)}, Ports: policyPorts(tcp(numbers...))},
		}}
	}
	watching := workload.Flows{
		Egress: []networkingv1.NetworkPolicyEgressRuleArgs{
			workload.ToAPI(p.APINetworks),
			workload.To(p.NodeNetworks, tcp(kubeletPort)...),
			workload.ToNamespace(p.Namespace, tcp(prometheusPort, alertmanagerPort, nodePort, statePort)...),
		},
		Ingress: scraped(prometheus, prometheusPort).Ingress,
	}
	for _, target := range []struct {
		namespace string
		port      int
	}{
		{p.Targets.API, apiMetricsPort}, {p.Targets.Ingress, traefikMetricsPort}, {p.Targets.Database, patroniPort},
		{p.Targets.Database, memberMetricsPort}, {p.Targets.Database, poolerMetricsPort}, {p.repository(), repositoryPort},
		{p.Targets.Certificates, certManagerPort}, {p.Targets.Logs, collectorPort}, {p.Targets.Zones, zonesMetricsPort},
		{component.DNSNamespace, clusterDNSMetricsPort},
	} {
		if target.namespace != "" {
			watching.Egress = append(watching.Egress, workload.ToNamespace(target.namespace, tcp(target.port)...))
		}
	}
	if p.GrafanaNamespace != "" {
		watching.Ingress = append(watching.Ingress, workload.FromNamespace(p.GrafanaNamespace, tcp(prometheusPort)...))
	}
	telling := scraped(alertmanager, alertmanagerPort)
	gossip := policyPorts([]workload.Port{{Number: gossipPort, Protocol: "TCP"}, {Number: gossipPort, Protocol: "UDP"}})
	peers := networkingv1.NetworkPolicyPeerArray{b.pods(alertmanager)}
	telling.Ingress = append(telling.Ingress, networkingv1.NetworkPolicyIngressRuleArgs{From: peers, Ports: gossip})
	telling.Egress = append(telling.Egress, networkingv1.NetworkPolicyEgressRuleArgs{To: peers, Ports: gossip})
	if len(p.receivers) > 0 {
		telling.Egress = append(telling.Egress, workload.To(workload.Anywhere, tcp(p.receivers...)...))
	}
	listing := scraped(stateMetrics, statePort)
	listing.Egress = append(listing.Egress, workload.ToAPI(p.APINetworks))
	for _, one := range []struct {
		product string
		flows   workload.Flows
	}{
		{prometheus, watching}, {alertmanager, telling}, {stateMetrics, listing}, {nodeExporter, scraped(nodeExporter, nodePort)},
	} {
		err := workload.Allow(b.ctx, b.monitoring, b.name+"-allow-"+one.product, b.namespace, b.selector(one.product), one.flows)
		if err != nil {
			return err
		}
	}
	return nil
}

// pods are those of one product in this namespace.
func (b *builder) pods(product string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{
		PodSelector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(b.selector(product))},
	}
}

func policyPorts(ports []workload.Port) networkingv1.NetworkPolicyPortArray {
	var list networkingv1.NetworkPolicyPortArray
	for _, port := range ports {
		list = append(list, networkingv1.NetworkPolicyPortArgs{
			Port: pulumi.Int(port.Number), Protocol: pulumi.String(port.Protocol),
		})
	}
	return list
}
