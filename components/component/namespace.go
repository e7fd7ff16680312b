package component

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Level is a pod security standard that a namespace enforces on its pods.
type Level string

const (
	// Restricted forbids everything current hardening advice forbids. The
	// default choice.
	Restricted Level = "restricted"
	// Baseline allows the defaults of an ordinary pod.
	Baseline Level = "baseline"
	// Privileged allows everything, host ports and host paths included. Whoever
	// picks it says why.
	Privileged Level = "privileged"
)

// NamespaceLabel is set by Kubernetes on every namespace to its name; network
// policies select namespaces by it.
const NamespaceLabel = "kubernetes.io/metadata.name"

// DNSNamespace is where the cluster's own DNS answers.
const DNSNamespace = "kube-system"

// dnsPodLabel and dnsPodName select the cluster DNS pods in DNSNamespace, by
// the label that kubeadm, EKS and CoreDNS's own manifests all use.
const (
	dnsPodLabel = "k8s-app"
	dnsPodName  = "kube-dns"
)

// Namespace declares a namespace that starts closed: pods must meet level, and
// no packet enters or leaves except DNS queries to the cluster's DNS. Every
// other flow is a NetworkPolicy of the component that needs it.
//
// role is the owning component's name: the resources are called
// "<role>-namespace", "<role>-default-deny" and "<role>-allow-dns". name is
// the namespace's name in the cluster. With stance Guarded the namespace
// itself is protected, since deleting it deletes what lives in it; its
// policies never are.
//
// It returns the name for the objects in it: they wait for the namespace, but
// which one they are in is known from the first preview on, when the cluster
// answers nothing yet. Rules and waivers go by it.
func Namespace(
	ctx *pulumi.Context, parent pulumi.Resource, role, name string, level Level, stance Stance,
) (pulumi.StringPtrOutput, error) {
	var none pulumi.StringPtrOutput
	labels := Labels(name, role, "namespace")
	for _, mode := range []string{"enforce", "audit", "warn"} {
		labels["pod-security.kubernetes.io/"+mode] = string(level)
	}
	namespace, err := corev1.NewNamespace(ctx, role+"-namespace", &corev1.NamespaceArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(name), Labels: StringMap(labels)},
	}, Under(parent, stance.Options()...)...)
	if err != nil {
		return none, fmt.Errorf("creating namespace %s: %w", name, err)
	}
	inside := namespace.URN().ApplyT(func(pulumi.URN) *string { return &name }).(pulumi.StringPtrOutput)
	if _, err := networkingv1.NewNetworkPolicy(ctx, role+"-default-deny", &networkingv1.NetworkPolicyArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String("default-deny"), Namespace: inside,
			Labels: StringMap(Labels(name, role, "network")),
		},
		Spec: networkingv1.NetworkPolicySpecArgs{
			PodSelector: metav1.LabelSelectorArgs{},
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
		},
	}, Under(parent)...); err != nil {
		return none, fmt.Errorf("closing namespace %s: %w", name, err)
	}
	if _, err := networkingv1.NewNetworkPolicy(ctx, role+"-allow-dns", &networkingv1.NetworkPolicyArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String("allow-dns"), Namespace: inside,
			Labels: StringMap(Labels(name, role, "network")),
		},
		Spec: networkingv1.NetworkPolicySpecArgs{
			PodSelector: metav1.LabelSelectorArgs{},
			PolicyTypes: pulumi.ToStringArray([]string{"Egress"}),
			Egress:      networkingv1.NetworkPolicyEgressRuleArray{dnsEgress()},
		},
	}, Under(parent)...); err != nil {
		return none, fmt.Errorf("allowing DNS in namespace %s: %w", name, err)
	}
	return inside, nil
}

// dnsEgress lets queries reach the cluster's DNS and nothing beside it.
func dnsEgress() networkingv1.NetworkPolicyEgressRuleArgs {
	ports := networkingv1.NetworkPolicyPortArray{}
	for _, protocol := range []string{"UDP", "TCP"} {
		ports = append(ports, networkingv1.NetworkPolicyPortArgs{
			Protocol: pulumi.String(protocol), Port: pulumi.Int(53),
		})
	}
	return networkingv1.NetworkPolicyEgressRuleArgs{
		To: networkingv1.NetworkPolicyPeerArray{networkingv1.NetworkPolicyPeerArgs{
			NamespaceSelector: metav1.LabelSelectorArgs{
				MatchLabels: pulumi.StringMap{NamespaceLabel: pulumi.String(DNSNamespace)},
			},
			PodSelector: metav1.LabelSelectorArgs{
				MatchLabels: pulumi.StringMap{dnsPodLabel: pulumi.String(dnsPodName)},
			},
		}},
		Ports: ports,
	}
}
