package flow

import (
	"cmp"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// End is one end of a connection: pods that are alike, or an address outside
// the cluster.
type End struct {
	// Name is what people call it; it decides nothing.
	Name string
	// Namespace is where the pod lives; empty outside the cluster.
	Namespace string
	// Labels are the pod's.
	Labels map[string]string
	// Address is where packets come from or go to. A pod without one is matched
	// by no block of addresses.
	Address netip.Addr
	// Ports are what its containers declare. Policies may call them by name.
	Ports []corev1.ContainerPort
}

// Port is where a connection goes.
type Port struct {
	Number   int32
	Protocol corev1.Protocol
}

func (p Port) String() string { return fmt.Sprintf("%d/%s", p.Number, p.Protocol) }

// Rules are the policies of a cluster.
type Rules struct {
	// Namespaces are the labels of each namespace, by its name.
	Namespaces map[string]map[string]string
	Policies   []networkingv1.NetworkPolicy
}

// Verdict says whether a connection passes, and by whose leave.
type Verdict struct {
	Allowed bool
	// Out and In are the policies that let it out of its sender and into its
	// receiver. Empty with Allowed: no policy is about that side.
	Out, In []string
}

// Judge decides about a connection from one end to a port of another.
func (r Rules) Judge(from, to End, port Port) Verdict {
	outside, out := r.side(networkingv1.PolicyTypeEgress, from, to, to, port)
	inside, in := r.side(networkingv1.PolicyTypeIngress, to, from, to, port)
	return Verdict{Allowed: outside && inside, Out: out, In: in}
}

// Closed tells whether policies are about an end in a direction, so that what
// none of them allows does not pass.
func (r Rules) Closed(end End, direction networkingv1.PolicyType) bool {
	for i := range r.Policies {
		if about(&r.Policies[i], end, direction) {
			return true
		}
	}
	return false
}

// side asks the policies about one end whether they let the connection pass,
// and which do. The port is the receiver's in either direction.
func (r Rules) side(direction networkingv1.PolicyType, subject, other, receiver End, port Port) (bool, []string) {
	closed := false
	var by []string
	for i := range r.Policies {
		p := &r.Policies[i]
		if !about(p, subject, direction) {
			continue
		}
		closed = true
		if r.allows(p, direction, other, receiver, port) {
			by = append(by, p.Name)
		}
	}
	return !closed || len(by) > 0, by
}

// about tells whether a policy is about an end in a direction.
func about(p *networkingv1.NetworkPolicy, end End, direction networkingv1.PolicyType) bool {
	return end.Namespace != "" && p.Namespace == end.Namespace && covers(p, direction) && selects(&p.Spec.PodSelector, end.Labels)
}

// covers tells whether a policy is about a direction. One that names none is
// about what comes in, and about what goes out when it has rules for that.
func covers(p *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	for _, named := range p.Spec.PolicyTypes {
		if named == direction {
			return true
		}
	}
	return len(p.Spec.PolicyTypes) == 0 && (direction == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0)
}

func (r Rules) allows(p *networkingv1.NetworkPolicy, direction networkingv1.PolicyType, other, receiver End, port Port) bool {
	if direction == networkingv1.PolicyTypeIngress {
		for _, rule := range p.Spec.Ingress {
			if r.anyPeer(rule.From, p.Namespace, other) && anyPort(rule.Ports, receiver, port) {
				return true
			}
		}
		return false
	}
	for _, rule := range p.Spec.Egress {
		if r.anyPeer(rule.To, p.Namespace, other) && anyPort(rule.Ports, receiver, port) {
			return true
		}
	}
	return false
}

// anyPeer tells whether an end is among the peers. No peers are everyone.
func (r Rules) anyPeer(peers []networkingv1.NetworkPolicyPeer, home string, end End) bool {
	for i := range peers {
		if r.peer(&peers[i], home, end) {
			return true
		}
	}
	return len(peers) == 0
}

func (r Rules) peer(peer *networkingv1.NetworkPolicyPeer, home string, end End) bool {
	if peer.IPBlock != nil {
		return within(peer.IPBlock, end.Address)
	}
	if end.Namespace == "" {
		return false
	}
	if peer.NamespaceSelector == nil {
		if end.Namespace != home {
			return false
		}
	} else if !selects(peer.NamespaceSelector, r.Namespaces[end.Namespace]) {
		return false
	}
	return peer.PodSelector == nil || selects(peer.PodSelector, end.Labels)
}

// within tells whether a block holds an address. A block that cannot be read
// holds none, as the API server refuses it.
func within(block *networkingv1.IPBlock, address netip.Addr) bool {
	whole, err := netip.ParsePrefix(block.CIDR)
	if err != nil || !whole.Contains(address) {
		return false
	}
	for _, hole := range block.Except {
		if without, err := netip.ParsePrefix(hole); err == nil && without.Contains(address) {
			return false
		}
	}
	return true
}

// anyPort tells whether a port is among those of a rule. No ports are all.
func anyPort(ports []networkingv1.NetworkPolicyPort, receiver End, port Port) bool {
	for _, one := range ports {
		protocol := corev1.ProtocolTCP
		if one.Protocol != nil {
			protocol = *one.Protocol
		}
		if protocol != port.Protocol {
			continue
		}
		if one.Port == nil {
			return true
		}
		if one.Port.Type == intstr.String {
			if number, found := named(receiver, one.Port.StrVal, protocol); found && number == port.Number {
				return true
			}
			continue
		}
		last := one.Port.IntVal
		if one.EndPort != nil {
			last = *one.EndPort
		}
		if one.Port.IntVal <= port.Number && port.Number <= last {
			return true
		}
	}
	return len(ports) == 0
}

// named is the number of a port that the receiver's containers name.
func named(receiver End, name string, protocol corev1.Protocol) (int32, bool) {
	for _, port := range receiver.Ports {
		if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol {
			return port.ContainerPort, true
		}
	}
	return 0, false
}

// selects tells whether a selector picks a set of labels; an empty one picks
// all. One that cannot be read picks none, as the API server refuses it.
func selects(selector *metav1.LabelSelector, set map[string]string) bool {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(labels.Set(set))
}
