// Package network holds the rules about who may talk to whom.
package network

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"slipway.dev/slipway/policies/rule"
)

const docs = "https://kubernetes.io/docs/concepts/services-networking/network-policies/"

// Rules are the package's rules.
func Rules() []*rule.Rule {
	policies := map[string][]string{rule.NetworkPolicy: {"spec.podSelector", "spec.policyTypes", "spec.ingress", "spec.egress", "metadata.namespace"}}
	return rule.Group("network",
		&rule.Rule{
			ID: "network-policy-selects-pod", Title: "Every pod is selected by a policy that says who may talk to it",
			Why:        "A pod that no policy selects may be reached by every other pod of the cluster, an intruder's included.",
			Remedy:     "Declare a NetworkPolicy of policy type Ingress whose podSelector picks the pods.",
			References: []string{docs, "CIS Kubernetes 5.3.2"},
			Types:      []string{rule.Deployment, rule.StatefulSet, rule.DaemonSet, rule.Job, rule.CronJob},
			Reads:      []string{"template.metadata.labels", "metadata.namespace"}, Consults: policies,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				pod := rule.PodOf(r)
				for _, other := range s.In(r.Namespace(), rule.NetworkPolicy) {
					if p := rule.As[networkingv1.NetworkPolicy](other); p != nil && pod != nil && covers(p, networkingv1.PolicyTypeIngress) && rule.Selects(&p.Spec.PodSelector, pod.Meta.Labels) {
						return nil
					}
				}
				return rule.Complain("", "no NetworkPolicy for ingress in namespace %s selects its pods", r.Namespace())
			},
			Example: rule.Example{Resource: "Deployment/open/door", Unknown: "spec.podSelector.matchLabels", UnknownIn: "NetworkPolicy/open/door",
				Set: map[string]any{}, Also: map[string]map[string]any{"NetworkPolicy/open/door": {"spec.policyTypes": []any{"Egress"}}}},
		},
		&rule.Rule{
			ID: "namespace-default-deny", Title: "Every namespace starts closed, and lets its pods ask for names",
			Why:        "Policies only add up: without one that closes everything, whatever nobody thought of is open. Without DNS the first thing anyone adds is a hole.",
			Remedy:     "Declare a NetworkPolicy with an empty podSelector, both policy types and no rules, and one that allows port 53 to the cluster's DNS.",
			References: []string{docs + "#default-policies", "CIS Kubernetes 5.3.2"},
			Types:      []string{rule.Namespace}, Reads: []string{"metadata.name"}, Consults: policies,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				denied, named := false, false
				for _, other := range s.In(r.ObjectName(), rule.NetworkPolicy) {
					p := rule.As[networkingv1.NetworkPolicy](other)
					if p == nil || len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) > 0 {
						continue
					}
					denied = denied || closes(p)
					named = named || asksNames(p)
				}
				switch {
				case !denied:
					return rule.Complain("", "no NetworkPolicy closes it in both directions")
				case !named:
					return rule.Complain("", "no NetworkPolicy lets its pods reach DNS on port 53")
				}
				return nil
			},
			Example: rule.Example{Resource: "Namespace/shop", Remove: []string{"NetworkPolicy/shop/allow-dns"}, Unknown: "spec.podSelector", UnknownIn: "NetworkPolicy/shop/web"},
		},
		&rule.Rule{
			ID: "network-policy-selects-something", Title: "A network policy selects pods that exist",
			Why:        "One with a misspelt label protects nothing and looks as if it did.",
			Remedy:     "Correct podSelector, or remove the policy.",
			References: []string{docs}, Level: rule.Advisory,
			Types: []string{rule.NetworkPolicy}, Reads: []string{"spec.podSelector", "metadata.namespace"},
			Consults: map[string][]string{
				rule.Deployment: {"template.metadata.labels"}, rule.StatefulSet: {"template.metadata.labels"}, rule.DaemonSet: {"template.metadata.labels"},
				rule.Job: {"template.metadata.labels"}, rule.CronJob: {"template.metadata.labels"}, rule.PodType: {"metadata.labels"},
			},
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, p *networkingv1.NetworkPolicy, _ rule.Limits) []rule.Complaint {
				if len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0 {
					return nil
				}
				for _, other := range s.In(r.Namespace(), rule.Workloads...) {
					if pod := rule.PodOf(other); pod != nil && rule.Selects(&p.Spec.PodSelector, pod.Meta.Labels) {
						return nil
					}
				}
				return rule.Complain("spec.podSelector", "selects no pod of namespace %s", r.Namespace())
			}),
			Example: rule.Example{Resource: "NetworkPolicy/shop/extra", Set: map[string]any{"spec.podSelector.matchLabels[\"app.kubernetes.io/name\"]": "wbe"}},
		},
		&rule.Rule{
			ID: "no-node-port", Title: "Services open no port on every node, and load balancers are the platform's",
			Why:        "A node port is reachable on every node past the ingress, its TLS and its limits; each load balancer costs money and is one more door.",
			Remedy:     "Use type ClusterIP behind the ingress; a LoadBalancer belongs into a namespace listed in platformNamespaces.",
			References: []string{"https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types"},
			Types:      []string{rule.Service}, Reads: []string{"spec.type", "spec.ports", "metadata.namespace"},
			Check: rule.On(func(_ *rule.Stack, r *rule.Resource, service *corev1.Service, limits rule.Limits) []rule.Complaint {
				switch service.Spec.Type {
				case corev1.ServiceTypeNodePort:
					return rule.Complain("spec.type", "opens a port on every node")
				case corev1.ServiceTypeLoadBalancer:
					for _, namespace := range limits.PlatformNamespaces {
						if namespace == r.Namespace() {
							return nil
						}
					}
					return rule.Unless("metadata.namespace", rule.Complain("spec.type", "is a load balancer of its own in namespace %s", r.Namespace()))
				}
				return nil
			}),
			Example: rule.Example{Resource: "Service/shop/web", Set: map[string]any{"spec.type": "NodePort"}},
		},
		&rule.Rule{
			ID: "unique-service-selectors", Title: "Two Services of one kind do not select each other's pods by accident",
			Why:        "A blue/green switch that changes one of two Services with the same selector and port sends half the requests to the wrong colour.",
			Remedy:     "Give each release a label of its own in both selector and pods.",
			References: []string{"https://open-policy-agent.github.io/gatekeeper-library/website/validation/uniqueserviceselector"},
			Types:      []string{rule.Service}, Reads: []string{"spec.selector", "spec.clusterIP", "metadata.namespace"},
			Consults: map[string][]string{rule.Service: {"spec.selector", "metadata.namespace"}}, Exhaustive: true,
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, service *corev1.Service, _ rule.Limits) []rule.Complaint {
				if len(service.Spec.Selector) == 0 || service.Spec.ClusterIP == corev1.ClusterIPNone {
					return nil
				}
				for _, other := range s.In(r.Namespace(), rule.Service) {
					o := rule.As[corev1.Service](other)
					if other == r || o == nil || o.Spec.ClusterIP == corev1.ClusterIPNone || len(o.Spec.Selector) != len(service.Spec.Selector) {
						continue
					}
					if rule.Contains(o.Spec.Selector, service.Spec.Selector) && r.ObjectName() > other.ObjectName() {
						return rule.Complain("spec.selector", "is the same as that of %s", other.ID())
					}
				}
				return nil
			}),
			Example: rule.Example{Resource: "Service/shop/web-again", Unknown: "spec.selector", UnknownIn: "Service/shop/web-green", Add: `apiVersion: v1
kind: Service
metadata: {name: web-again, namespace: shop, labels: {app.kubernetes.io/name: web, app.kubernetes.io/instance: web, app.kubernetes.io/part-of: slipway, app.kubernetes.io/managed-by: pulumi}}
spec: {ports: [{port: 8000}], selector: {app.kubernetes.io/name: web, app.kubernetes.io/instance: web}}
`},
		},
	)
}

// covers tells whether a policy is about a direction; Ingress is implied.
func covers(p *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	for _, named := range p.Spec.PolicyTypes {
		if named == direction {
			return true
		}
	}
	return len(p.Spec.PolicyTypes) == 0 && (direction == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0)
}

func closes(p *networkingv1.NetworkPolicy) bool {
	return covers(p, networkingv1.PolicyTypeIngress) && covers(p, networkingv1.PolicyTypeEgress) && len(p.Spec.Ingress) == 0 && len(p.Spec.Egress) == 0
}

func asksNames(p *networkingv1.NetworkPolicy) bool {
	for _, egress := range p.Spec.Egress {
		for _, port := range egress.Ports {
			if port.Port != nil && port.Port.IntValue() == 53 {
				return true
			}
		}
	}
	return false
}
