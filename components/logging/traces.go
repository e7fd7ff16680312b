package logging

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

const (
	// TracesClass is the class of the archive that holds spans.
	TracesClass = "traces"
	// tracesPort takes spans over OTLP/HTTP.
	tracesPort = 4318
	// mostSpans is how much one request may bring, in bytes. Those who send pack
	// some hundred spans of less than a kilobyte.
	mostSpans = 1 << 20
)

// Traces takes the spans of requests from pods of other namespaces, and keeps
// them like a class of logs.
type Traces struct {
	// Namespaces are those whose pods may send. At least one.
	Namespaces []string
	// Days and DiskMiB are as in Class.
	Days, DiskMiB int
}

// Receiver is where the pods of a platform send spans to, whose collectors are in
// a namespace: each to the collector of its own node.
func Receiver(namespace string, perThousand int) *workload.Traces {
	return &workload.Traces{
		Host: product + "." + namespace + ".svc", Namespace: namespace, Port: tracesPort, PerThousand: perThousand,
	}
}

// Stored are the classes of the archive, in the order in which they are declared.
func (a Args) Stored() []Class {
	if a.Traces == nil {
		return a.Classes
	}
	spans := Class{Name: TracesClass, Days: a.Traces.Days, DiskMiB: a.Traces.DiskMiB}
	return append(a.Classes[:len(a.Classes):len(a.Classes)], spans)
}

// receiver takes spans.
func (t *Traces) receiver(places Places) object {
	return object{"protocols": object{"http": object{
		"endpoint": places.Traces, "max_request_body_size": mostSpans, "read_timeout": "10s",
	}}}
}

// receiving opens the port to whoever may send.
func (t *Traces) receiving() workload.Flows {
	var flows workload.Flows
	for _, namespace := range t.Namespaces {
		flows.Ingress = append(flows.Ingress,
			workload.FromNamespace(namespace, workload.Port{Number: tracesPort, Protocol: "TCP"}))
	}
	return flows
}

// service leads each pod to the collector of its own node: spans cross no zone.
func (l *Logging) service(ctx *pulumi.Context, p parts) error {
	_, err := corev1.NewService(ctx, p.name+"-service", &corev1.ServiceArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(product), Namespace: p.namespace, Labels: component.StringMap(p.labels()),
		},
		Spec: corev1.ServiceSpecArgs{
			Selector: component.StringMap(p.selector), InternalTrafficPolicy: pulumi.String("Local"),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String("otlp"), Port: pulumi.Int(tracesPort), Protocol: pulumi.String("TCP"),
				TargetPort: pulumi.String("otlp"),
			}},
		},
	}, component.Under(l)...)
	if err != nil {
		return fmt.Errorf("creating the service that takes spans: %w", err)
	}
	return nil
}
