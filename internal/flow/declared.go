package flow

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"slipway.dev/slipway/policies/rule"
)

// namespaceLabel is set by Kubernetes on every namespace to its name.
const namespaceLabel = "kubernetes.io/metadata.name"

// Declared are the policies of a stack, and an end for each kind of pod that it
// makes.
func Declared(stack *rule.Stack) (Rules, []End) {
	rules := Rules{Namespaces: map[string]map[string]string{}}
	for _, r := range stack.Of(rule.Namespace) {
		if namespace := rule.As[corev1.Namespace](r); namespace != nil {
			rules.Namespaces[r.ObjectName()] = labelled(r.ObjectName(), namespace.Labels)
		}
	}
	for _, r := range stack.Of(rule.NetworkPolicy) {
		if policy := rule.As[networkingv1.NetworkPolicy](r); policy != nil {
			rules.Policies = append(rules.Policies, *policy)
		}
	}
	var ends []End
	seen := map[string]bool{}
	for _, r := range stack.Of(rule.Workloads...) {
		pod := rule.PodOf(r)
		if pod == nil {
			continue
		}
		end := End{Namespace: pod.Namespace, Labels: pod.Meta.Labels, Name: Kind(pod.Namespace, pod.Meta.Labels, r.ObjectName())}
		for _, c := range pod.Containers {
			end.Ports = append(end.Ports, c.Ports...)
		}
		if !seen[end.Name] {
			seen[end.Name] = true
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, func(a, b End) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(rules.Policies, func(a, b networkingv1.NetworkPolicy) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return rules, ends
}

// labelled are a namespace's labels, with the one that Kubernetes adds.
func labelled(name string, declared map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, declared)
	all[namespaceLabel] = name
	return all
}

// Kind is what all pods that are alike are called: by their labels, since
// the names of some objects change with every release.
func Kind(namespace string, labels map[string]string, object string) string {
	const prefix = "app.kubernetes.io/"
	var parts []string
	for _, key := range []string{"name", "instance", "component"} {
		if part := labels[prefix+key]; part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) < 2 {
		return namespace + "/" + cmp.Or(labels["k8s-app"], object)
	}
	return namespace + "/" + strings.Join(parts, " ")
}
