package workload

import (
	"fmt"

	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
)

// Traces says where a program sends the spans of the requests that it traces,
// and how many requests those are. Nil, where a component takes one, traces
// nothing.
type Traces struct {
	// Host is the name at which spans are taken over OTLP/HTTP, and Port its port
	// and that of the pods behind it, which are in Namespace.
	Host, Namespace string
	Port            int
	// PerThousand is how many of 1000 requests are traced, 1 to 1000.
	PerThousand int
}

// URL is where a program posts spans.
func (t Traces) URL() string { return fmt.Sprintf("http://%s:%d/v1/traces", t.Host, t.Port) }

// Ratio is PerThousand as a share of 1.
func (t Traces) Ratio() float64 { return float64(t.PerThousand) / 1000 }

// Egress lets pods send.
func (t Traces) Egress() networkingv1.NetworkPolicyEgressRuleArgs {
	return ToNamespace(t.Namespace, Port{Number: t.Port, Protocol: "TCP"})
}

// CheckTraces returns a fault, with its path, for what is wrong with traces.
func CheckTraces(path string, t *Traces) []error {
	if t == nil {
		return nil
	}
	var faults []error
	if t.Host == "" || t.Namespace == "" || t.Port < 1 || t.Port > 65535 {
		faults = append(faults, fmt.Errorf("%s: %q in namespace %q at port %d is no place to send to", path, t.Host, t.Namespace, t.Port))
	}
	if t.PerThousand < 1 || t.PerThousand > 1000 {
		faults = append(faults, fmt.Errorf("%s.perThousand: is %d, must be 1 to 1000", path, t.PerThousand))
	}
	return faults
}
