package flow

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// elsewhere stands for every namespace that a stack does not declare.
const elsewhere = "elsewhere"

// nowhere is an address outside of every private network, from the range for
// documentation (RFC 5737).
var nowhere = netip.MustParseAddr("203.0.113.1")

// Flow is a way that is open.
type Flow struct {
	// From and To are names of ends.
	From, To string
	// Ports are those that pass, in order; "all" when every port does.
	Ports []string
	// Out and In are the policies that say so, empty where none is about that
	// side.
	Out, In []string
}

// Matrix is all that a set of policies lets pass.
type Matrix struct {
	Flows []Flow
	// Ends are all that were asked about.
	Ends []End
	// Asked is how many connections were judged, Open how many pass.
	Asked, Open int
}

// Every makes the matrix of all ends: the workloads; of each namespace that has
// policies, a pod that is none of them; whoever else policies name; a pod of a
// namespace that nobody names; and an address that nobody names.
func Every(rules Rules, workloads []End) Matrix {
	rules, ends := everyone(rules, workloads)
	m := Between(rules, ends, ends)
	m.Ends = ends
	return m
}

// Between makes the matrix of connections from some ends to others.
func Between(rules Rules, from, to []End) Matrix {
	var m Matrix
	named := PortsOf(rules)
	for _, a := range from {
		for _, b := range to {
			// What no policy is about is nothing that a policy leaves open.
			if !rules.Closed(a, networkingv1.PolicyTypeEgress) && !rules.Closed(b, networkingv1.PolicyTypeIngress) {
				continue
			}
			flows := map[string]*Flow{}
			for _, port := range Candidates(named, b) {
				m.Asked++
				verdict := rules.Judge(a, b, port)
				if !verdict.Allowed {
					continue
				}
				m.Open++
				key := strings.Join(verdict.Out, " ") + "|" + strings.Join(verdict.In, " ")
				if flows[key] == nil {
					flows[key] = &Flow{From: a.Name, To: b.Name, Out: verdict.Out, In: verdict.In}
				}
				flows[key].Ports = append(flows[key].Ports, port.String())
			}
			for _, key := range slices.Sorted(maps.Keys(flows)) {
				one := flows[key]
				if slices.Contains(one.Ports, unnamed.String()) {
					one.Ports = []string{"all"}
				}
				m.Flows = append(m.Flows, *one)
			}
		}
	}
	return m
}

// unnamed is a port that no policy and no container names: it passes only
// where all do.
var unnamed = Port{Number: 9, Protocol: corev1.ProtocolTCP}

// PortsOf are the ports that policies name by number, and unnamed ones of both
// protocols.
func PortsOf(rules Rules) []Port {
	ports := map[Port]bool{unnamed: true, {Number: unnamed.Number, Protocol: corev1.ProtocolUDP}: true}
	note := func(list []networkingv1.NetworkPolicyPort) {
		for _, one := range list {
			protocol := corev1.ProtocolTCP
			if one.Protocol != nil {
				protocol = *one.Protocol
			}
			if one.Port == nil || one.Port.IntVal == 0 {
				continue
			}
			ports[Port{one.Port.IntVal, protocol}] = true
			if one.EndPort != nil {
				ports[Port{*one.EndPort, protocol}] = true
			}
		}
	}
	for _, policy := range rules.Policies {
		for _, rule := range policy.Spec.Ingress {
			note(rule.Ports)
		}
		for _, rule := range policy.Spec.Egress {
			note(rule.Ports)
		}
	}
	return inOrder(ports)
}

// Candidates are the ports at which an end is asked: those named, and its own.
func Candidates(named []Port, end End) []Port {
	ports := map[Port]bool{}
	for _, port := range named {
		ports[port] = true
	}
	for _, port := range end.Ports {
		ports[Port{port.ContainerPort, cmp.Or(port.Protocol, corev1.ProtocolTCP)}] = true
	}
	return inOrder(ports)
}

func inOrder(ports map[Port]bool) []Port {
	return slices.SortedFunc(maps.Keys(ports), func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(string(a.Protocol), string(b.Protocol)))
	})
}

// everyone adds to the workloads whoever else is worth asking about.
func everyone(rules Rules, workloads []End) (Rules, []End) {
	namespaces := maps.Clone(rules.Namespaces)
	ends := slices.Clone(workloads)
	has := map[string]bool{}
	add := func(end End) {
		if !has[end.Name] {
			has[end.Name] = true
			ends = append(ends, end)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules.Namespaces)) {
		add(End{Name: name + "/other pods", Namespace: name})
	}
	for _, policy := range rules.Policies {
		for _, peer := range peers(policy) {
			if peer.IPBlock != nil {
				if end, ok := network(peer.IPBlock); ok {
					add(end)
				}
				continue
			}
			namespace := policy.Namespace
			if peer.NamespaceSelector != nil {
				namespace = peer.NamespaceSelector.MatchLabels[namespaceLabel]
			}
			if namespace == "" {
				continue
			}
			if namespaces[namespace] == nil {
				namespaces[namespace] = labelled(namespace, nil)
			}
			labels := map[string]string{}
			if peer.PodSelector != nil {
				maps.Copy(labels, peer.PodSelector.MatchLabels)
			}
			alike := func(end End) bool {
				return end.Namespace == namespace && (len(labels) == 0 || peer.PodSelector != nil && selects(peer.PodSelector, end.Labels))
			}
			if !slices.ContainsFunc(ends, alike) {
				add(End{Name: describe(namespace, labels), Namespace: namespace, Labels: labels})
			}
		}
	}
	namespaces[elsewhere] = labelled(elsewhere, nil)
	add(End{Name: "any other namespace", Namespace: elsewhere})
	add(End{Name: "any other address", Address: nowhere})
	return Rules{Namespaces: namespaces, Policies: rules.Policies}, ends
}

func peers(policy networkingv1.NetworkPolicy) []networkingv1.NetworkPolicyPeer {
	var all []networkingv1.NetworkPolicyPeer
	for _, rule := range policy.Spec.Ingress {
		all = append(all, rule.From...)
	}
	for _, rule := range policy.Spec.Egress {
		all = append(all, rule.To...)
	}
	return all
}

// network is an end in a block of addresses; a block of all addresses is what
// the address that nobody names stands for.
func network(block *networkingv1.IPBlock) (End, bool) {
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil || prefix.Bits() == 0 {
		return End{}, false
	}
	address := prefix.Addr()
	if prefix.Bits() < address.BitLen() {
		address = address.Next()
	}
	return End{Name: block.CIDR, Address: address}, true
}

// describe names pods of which no workload is declared.
func describe(namespace string, labels map[string]string) string {
	if len(labels) == 0 {
		return namespace + "/any pod"
	}
	var marks []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		marks = append(marks, fmt.Sprintf("%s=%s", key, labels[key]))
	}
	return namespace + "/" + strings.Join(marks, ",")
}
