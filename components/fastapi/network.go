package fastapi

import (
	"fmt"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// allowFlows opens the flows the closed namespace needs, and returns the
// policies: a pod that starts before them finds its database unreachable.
func (b *builder) allowFlows() ([]pulumi.Resource, error) {
	callers := networkingv1.NetworkPolicyPeerArray{inNamespace(b.plan.Ingress.Namespace)}
	if b.plan.MonitoringNamespace != "" {
		// Metrics are served at the port that requests come to.
		callers = append(callers, inNamespace(b.plan.MonitoringNamespace))
	}
	serving := pulumi.StringMap{component.LabelName: pulumi.String(b.name), component.LabelComponent: pulumi.String(web)}
	requests, err := b.allow("ingress", serving, networkingv1.NetworkPolicyIngressRuleArray{networkingv1.NetworkPolicyIngressRuleArgs{
		From:  callers,
		Ports: networkingv1.NetworkPolicyPortArray{tcp(pulumi.Int(Port))},
	}}, nil)
	if err != nil {
		return nil, fmt.Errorf("allowing requests from %s: %w", b.plan.Ingress.Namespace, err)
	}
	// Migrations connect as well as pods that serve.
	all := pulumi.StringMap{component.LabelName: pulumi.String(b.name)}
	queries, err := b.allow("database", all, nil, networkingv1.NetworkPolicyEgressRuleArray{networkingv1.NetworkPolicyEgressRuleArgs{
		To:    networkingv1.NetworkPolicyPeerArray{inNamespace(b.plan.Database.Namespace)},
		Ports: networkingv1.NetworkPolicyPortArray{tcp(b.plan.Database.Port)},
	}})
	if err != nil {
		return nil, fmt.Errorf("allowing the database in %s: %w", b.plan.Database.Namespace, err)
	}
	if b.plan.Traces == nil {
		return []pulumi.Resource{requests, queries}, nil
	}
	spans, err := b.allow("traces", serving, nil, networkingv1.NetworkPolicyEgressRuleArray{b.plan.Traces.Egress()})
	if err != nil {
		return nil, fmt.Errorf("allowing spans to %s: %w", b.plan.Traces.Namespace, err)
	}
	return []pulumi.Resource{requests, queries, spans}, nil
}

// allow declares the policy "<service>-allow-<what>" of one direction for the pods
// with labels.
func (b *builder) allow(
	what string, labels pulumi.StringMap, ingress networkingv1.NetworkPolicyIngressRuleArray, egress networkingv1.NetworkPolicyEgressRuleArray,
) (*networkingv1.NetworkPolicy, error) {
	spec := networkingv1.NetworkPolicySpecArgs{
		PodSelector: metav1.LabelSelectorArgs{MatchLabels: labels}, PolicyTypes: pulumi.ToStringArray([]string{"Ingress"}),
	}
	// An absent direction has to stay absent: an empty list of rules closes it.
	if len(egress) > 0 {
		spec.PolicyTypes, spec.Egress = pulumi.ToStringArray([]string{"Egress"}), egress
	} else {
		spec.Ingress = ingress
	}
	return networkingv1.NewNetworkPolicy(b.ctx, b.name+"-allow-"+what, &networkingv1.NetworkPolicyArgs{
		Metadata: b.meta("allow-"+what, b.name, "network"), Spec: spec,
	}, b.under()...)
}

// inNamespace is every pod of one namespace.
func inNamespace(name string) networkingv1.NetworkPolicyPeerArgs {
	return networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: metav1.LabelSelectorArgs{
		MatchLabels: pulumi.StringMap{component.NamespaceLabel: pulumi.String(name)},
	}}
}

func tcp(port pulumi.Input) networkingv1.NetworkPolicyPortArgs {
	return networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: port}
}
