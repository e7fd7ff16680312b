package workload

import (
	"fmt"
	"net/netip"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// Ports at which the Kubernetes API answers. A policy is applied to a packet
// after the service address was replaced by that of an API server, so the
// service's 443 alone would not do.
var apiPorts = []Port{{443, "TCP"}, {6443, "TCP"}}

// Port is a port of a pod and its protocol, TCP or UDP.
type Port struct {
	Number   int
	Protocol string
}

// Flows is what one set of pods may receive and send, beyond the DNS queries
// that every namespace allows.
type Flows struct {
	Ingress []networkingv1.NetworkPolicyIngressRuleArgs
	Egress  []networkingv1.NetworkPolicyEgressRuleArgs
}

// Allow declares a NetworkPolicy "<name>" that lets flows pass for the pods of
// namespace that selector finds. A direction without rules is left as the
// namespace has it, which is closed.
func Allow(
	ctx *pulumi.Context, parent pulumi.Resource, name string, namespace pulumi.StringPtrInput,
	selector map[string]string, flows Flows,
) error {
	var types []string
	var ingress networkingv1.NetworkPolicyIngressRuleArray
	var egress networkingv1.NetworkPolicyEgressRuleArray
	for _, rule := range flows.Ingress {
		ingress = append(ingress, rule)
	}
	for _, rule := range flows.Egress {
		egress = append(egress, rule)
	}
	if len(ingress) > 0 {
		types = append(types, "Ingress")
	}
	if len(egress) > 0 {
		types = append(types, "Egress")
	}
	labels := component.Labels(selector[component.LabelName], selector[component.LabelInstance], "network")
	_, err := networkingv1.NewNetworkPolicy(ctx, name, &networkingv1.NetworkPolicyArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(name), Namespace: namespace, Labels: component.StringMap(labels),
		},
		Spec: networkingv1.NetworkPolicySpecArgs{
			PodSelector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
			PolicyTypes: pulumi.ToStringArray(types),
			Ingress:     ingress,
			Egress:      egress,
		},
	}, component.Under(parent)...)
	if err != nil {
		return fmt.Errorf("creating network policy %s: %w", name, err)
	}
	return nil
}

// FromAnywhere admits everyone to ports.
func FromAnywhere(ports ...Port) networkingv1.NetworkPolicyIngressRuleArgs {
	return networkingv1.NetworkPolicyIngressRuleArgs{Ports: policyPorts(ports)}
}

// FromNetworks admits whoever has an address in networks to ports.
func FromNetworks(networks []string, ports ...Port) networkingv1.NetworkPolicyIngressRuleArgs {
	return networkingv1.NetworkPolicyIngressRuleArgs{From: blocks(networks), Ports: policyPorts(ports)}
}

// FromNamespace admits the pods of one namespace to ports.
func FromNamespace(namespace string, ports ...Port) networkingv1.NetworkPolicyIngressRuleArgs {
	return networkingv1.NetworkPolicyIngressRuleArgs{
		From: networkingv1.NetworkPolicyPeerArray{namespacePeer(namespace)}, Ports: policyPorts(ports),
	}
}

// ToNamespace lets pods reach ports of the pods of one namespace.
func ToNamespace(namespace string, ports ...Port) networkingv1.NetworkPolicyEgressRuleArgs {
	return networkingv1.NetworkPolicyEgressRuleArgs{
		To: networkingv1.NetworkPolicyPeerArray{namespacePeer(namespace)}, Ports: policyPorts(ports),
	}
}

// ToNamespaces lets pods reach ports of the pods of every namespace that
// carries labels.
func ToNamespaces(labels map[string]string, ports ...Port) networkingv1.NetworkPolicyEgressRuleArgs {
	return networkingv1.NetworkPolicyEgressRuleArgs{
		To: networkingv1.NetworkPolicyPeerArray{networkingv1.NetworkPolicyPeerArgs{
			NamespaceSelector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(labels)},
		}},
		Ports: policyPorts(ports),
	}
}

// To lets pods reach ports in networks outside the cluster.
func To(networks []string, ports ...Port) networkingv1.NetworkPolicyEgressRuleArgs {
	return networkingv1.NetworkPolicyEgressRuleArgs{To: blocks(networks), Ports: policyPorts(ports)}
}

// private are networks that are not the Internet: those of companies and
// clouds, of carriers, of links, where clouds describe their machines, and of
// loopback (RFC 6890).
var private = map[string][]string{
	"0.0.0.0/0": {"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"},
	"::/0":      {"::1/128", "fc00::/7", "fe80::/10"},
}

// ToInternet lets pods reach ports of every address that is public: what has no
// fixed address, and no pod, node or service of the cluster.
func ToInternet(ports ...Port) networkingv1.NetworkPolicyEgressRuleArgs {
	var peers networkingv1.NetworkPolicyPeerArray
	for _, all := range Anywhere {
		peers = append(peers, networkingv1.NetworkPolicyPeerArgs{IpBlock: networkingv1.IPBlockArgs{
			Cidr: pulumi.String(all), Except: pulumi.ToStringArray(private[all]),
		}})
	}
	return networkingv1.NetworkPolicyEgressRuleArgs{To: peers, Ports: policyPorts(ports)}
}

// ToAPI lets pods reach the Kubernetes API in networks.
func ToAPI(networks []string) networkingv1.NetworkPolicyEgressRuleArgs {
	return To(networks, apiPorts...)
}

// Anywhere is every address there is. It stands for "the Kubernetes API" where
// its address is not known: a policy cannot name it, since it is no pod.
var Anywhere = []string{"0.0.0.0/0", "::/0"}

// ToCloud lets pods reach what a cloud serves over HTTPS: at public addresses,
// which change, and inside networks where it has private ones.
func ToCloud(inside []string) []networkingv1.NetworkPolicyEgressRuleArgs {
	https := Port{Number: 443, Protocol: "TCP"}
	rules := []networkingv1.NetworkPolicyEgressRuleArgs{ToInternet(https)}
	if len(inside) > 0 {
		rules = append(rules, To(inside, https))
	}
	return rules
}

// CheckNetworks returns a fault for each of networks that is no CIDR, with its
// path.
func CheckNetworks(path string, networks []string) []error {
	var faults []error
	for i, network := range networks {
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s[%d]: %q is not a network such as 10.89.0.0/24", path, i, network))
		} else if prefix.Masked() != prefix {
			faults = append(faults, fmt.Errorf("%s[%d]: %q has host bits set, write %s", path, i, network, prefix.Masked()))
		}
	}
	return faults
}

func blocks(networks []string) networkingv1.NetworkPolicyPeerArray {
	var peers networkingv1.NetworkPolicyPeerArray
	for _, network := range networks {
		peers = append(peers, networkingv1.NetworkPolicyPeerArgs{
			IpBlock: networkingv1.IPBlockArgs{Cidr: pulumi.String(network)},
		})
	}
	return peers
}

func namespacePeer(namespace string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: metav1.LabelSelectorArgs{
		MatchLabels: pulumi.StringMap{component.NamespaceLabel: pulumi.String(namespace)},
	}}
}

func policyPorts(ports []Port) networkingv1.NetworkPolicyPortArray {
	var rules networkingv1.NetworkPolicyPortArray
	for _, port := range ports {
		rules = append(rules, networkingv1.NetworkPolicyPortArgs{
			Port: pulumi.Int(port.Number), Protocol: pulumi.String(port.Protocol),
		})
	}
	return rules
}
