package graph

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"slipway.dev/slipway/internal/flow"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/rule"
)

// walls are the network policies that a stack declares, and its pods.
func walls(t testing.TB, stack string) (flow.Rules, []flow.End) {
	t.Helper()
	doc, err := document.Read(stack, recorded(t, stack, false))
	if err != nil {
		t.Fatal(err)
	}
	return flow.Declared(rule.NewStack(stack, doc.Resources...))
}

// TestNetworkDocument keeps docs/network.md equal to what the stacks' network
// policies let pass.
func TestNetworkDocument(t *testing.T) {
	current(t, "network.md", "network policies", networkDocument(t))
}

func networkDocument(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(`# Who may talk to whom

Written from the network policies that the stacks declare; change those, beside the component that needs the flow, and run ` + "`make update`" + `.

Every namespace starts closed in both directions. A connection passes when a policy lets it out of its sender and one lets it into its
receiver; what is not in the table does not pass. A dash stands for a side that no policy is about: an address outside the cluster, or
a namespace that is not the platform's. Pods are named by their namespace and what they are part of; "other pods" are any with other
labels. A node always reaches its own pods, as the kubelet's probes do.

` + "`slipway test e2e --run Attack`" + ` tries every connection, allowed and forbidden, between the pods of a running local stack.

`)
	matrices := map[string]flow.Matrix{}
	for _, stack := range environments {
		rules, pods := walls(t, stack)
		matrices[stack] = flow.Every(rules, pods)
	}
	out.WriteString(flow.Table(environments, matrices))
	out.WriteString("\n| stack | ends | connections judged | open |\n|---|---|---|---|\n")
	for _, stack := range environments {
		m := matrices[stack]
		fmt.Fprintf(&out, "| %s | %d | %d | %d |\n", stack, len(m.Ends), m.Asked, m.Open)
	}
	return out.String()
}

// TestEgressIsLimited: what leaves the platform's namespaces goes to the
// cluster's DNS, to the Kubernetes API, or by name to what a component says it
// needs. Nothing in a private network is reached because a policy meant the
// Internet, least of all the address at which clouds hand out a machine's
// credentials.
func TestEgressIsLimited(t *testing.T) {
	for _, stack := range environments {
		t.Run(stack, func(t *testing.T) {
			rules, pods := walls(t, stack)
			for _, address := range []string{"10.99.99.99", "172.31.255.9", "192.168.1.1", "100.64.0.1", "169.254.169.254", "169.254.170.23", "fd00::1", "fe80::1"} {
				to := flow.End{Name: address, Address: netip.MustParseAddr(address)}
				for _, f := range flow.Between(rules, pods, []flow.End{to}).Flows {
					t.Errorf("%s reaches %s at %s, let out by %s", f.From, f.To, strings.Join(f.Ports, ", "), strings.Join(f.Out, ", "))
				}
			}
			for _, pod := range pods {
				if !rules.Closed(pod, networkingv1.PolicyTypeEgress) || !rules.Closed(pod, networkingv1.PolicyTypeIngress) {
					t.Errorf("%s is open where no policy says so", pod.Name)
				}
			}
		})
	}
}
