// Package identity holds the rules about what a workload may do to the cluster.
package identity

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"slipway.dev/slipway/policies/rule"
)

const goodPractice = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"

var roles = []string{rule.Role, rule.ClusterRole}

// Rules are the package's rules.
func Rules() []*rule.Rule {
	return rule.Group("identity",
		&rule.Rule{
			ID: "token-only-where-used", Title: "A pod gets a token for the API only when its account may do something there",
			Why:        "A token that nothing needs is the first thing an intruder finds.",
			Remedy:     "Set automountServiceAccountToken: false, or bind a Role to the pod's ServiceAccount.",
			References: []string{"CIS Kubernetes 5.1.6", goodPractice},
			Types:      rule.Workloads, Reads: []string{"pod.automountServiceAccountToken", "pod.serviceAccountName", "metadata.namespace"},
			Consults: map[string][]string{
				rule.RoleBinding: {"subjects"}, rule.ClusterRoleBinding: {"subjects"},
				rule.ServiceAccount: {"automountServiceAccountToken", "metadata.name"},
			},
			Check:   tokenUsed,
			Example: rule.Example{Resource: "Deployment/shop/web", Set: map[string]any{"spec.template.spec.automountServiceAccountToken": true}},
		},
		&rule.Rule{
			ID: "no-wildcard-rights", Title: "Roles name verbs and resources, and grant no way to grant more",
			Why:        "A star covers what is invented tomorrow; bind, escalate and impersonate turn any right into all rights.",
			Remedy:     "List the verbs and resources that are used.",
			References: []string{"CIS Kubernetes 5.1.3", goodPractice},
			Types:      roles, Reads: []string{"rules"},
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				for i, one := range rulesOf(r) {
					at := "rules[" + strconv.Itoa(i) + "]"
					for _, verb := range one.Verbs {
						if slices.Contains([]string{"*", "bind", "escalate", "impersonate"}, verb) {
							return rule.Complain(at+".verbs", "grants %s", verb)
						}
					}
					if slices.Contains(one.Resources, "*") || slices.Contains(one.APIGroups, "*") {
						return rule.Complain(at+".resources", "grants all resources")
					}
				}
				return nil
			},
			Admission: &rule.Admission{Holds: `!has(object.rules) || object.rules.all(r,
  !(r.?verbs.orValue(null) == null ? [] : r.verbs).exists(v, v in ["*", "bind", "escalate", "impersonate"]) &&
  !r.?resources.orValue([]).exists(x, x == "*") && !r.?apiGroups.orValue([]).exists(g, g == "*"))`},
			Example: rule.Example{Resource: "Role/shop/reader", Set: map[string]any{"rules[0].verbs": []any{"*"}}},
		},
		&rule.Rule{
			ID: "no-cluster-admin", Title: "Nobody is made cluster-admin by a program",
			Why:        "Whoever takes over that account owns the cluster.",
			Remedy:     "Bind a Role that names what is needed.",
			References: []string{"CIS Kubernetes 5.1.1", goodPractice},
			Types:      []string{rule.RoleBinding, rule.ClusterRoleBinding}, Reads: []string{"roleRef"},
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if r.Text("roleRef", "name") == "cluster-admin" {
					return rule.Complain("roleRef.name", "is cluster-admin")
				}
				return nil
			},
			Admission: &rule.Admission{Holds: `object.roleRef.name != "cluster-admin"`},
			Example:   rule.Example{Resource: "ClusterRoleBinding/lister", Set: map[string]any{"roleRef.name": "cluster-admin"}},
		},
		&rule.Rule{
			ID: "no-endpoint-rights", Title: "No role may write Endpoints or EndpointSlices",
			Why:        "Who writes them sends other people's requests wherever they like, past every NetworkPolicy. Patroni with ConfigMaps does not need to.",
			Remedy:     "Remove the verbs; run Patroni with use_endpoints: false.",
			References: []string{"CVE-2021-25740", "https://github.com/patroni/patroni/issues/3529"},
			Types:      roles, Reads: []string{"rules"},
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				for _, one := range rulesOf(r) {
					if !slices.Contains(one.Resources, "endpoints") && !slices.Contains(one.Resources, "endpointslices") {
						continue
					}
					for _, verb := range one.Verbs {
						if slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, verb) {
							return rule.Complain("rules", "may %s endpoints", verb)
						}
					}
				}
				return nil
			},
			Admission: &rule.Admission{Holds: `!has(object.rules) || object.rules.all(r,
  !r.?resources.orValue([]).exists(x, x in ["endpoints", "endpointslices"]) ||
  !(r.?verbs.orValue(null) == null ? [] : r.verbs).exists(v, v in ["create", "update", "patch", "delete", "deletecollection"]))`},
			Example: rule.Example{Resource: "Role/shop/reader", Set: map[string]any{"rules[0].resources": []any{"endpoints"}, "rules[0].verbs": []any{"patch"}}, Unknown: "rules[0].resources"},
		},
	)
}

func rulesOf(r *rule.Resource) []rbacv1.PolicyRule {
	if role := rule.As[rbacv1.Role](r); role != nil {
		return role.Rules
	}
	if role := rule.As[rbacv1.ClusterRole](r); role != nil {
		return role.Rules
	}
	return nil
}

func tokenUsed(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	p := rule.PodOf(r)
	if p == nil || p.Spec.AutomountServiceAccountToken != nil && !*p.Spec.AutomountServiceAccountToken {
		return nil
	}
	account := p.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	if p.Spec.AutomountServiceAccountToken == nil {
		if sa := rule.As[corev1.ServiceAccount](s.Named(rule.ServiceAccount, r.Namespace(), account)); sa != nil &&
			sa.AutomountServiceAccountToken != nil && !*sa.AutomountServiceAccountToken {
			return nil
		}
	}
	for _, other := range append(slices.Clone(s.Of(rule.RoleBinding)), s.Of(rule.ClusterRoleBinding)...) {
		for _, subject := range subjects(other) {
			if subject.Kind == "ServiceAccount" && subject.Name == account && subject.Namespace == r.Namespace() {
				return nil
			}
		}
	}
	return rule.Complain(p.Path+".automountServiceAccountToken", "account %s may do nothing: do not mount its token", account)
}

func subjects(r *rule.Resource) []rbacv1.Subject {
	if binding := rule.As[rbacv1.RoleBinding](r); binding != nil {
		return binding.Subjects
	}
	if binding := rule.As[rbacv1.ClusterRoleBinding](r); binding != nil {
		return binding.Subjects
	}
	return nil
}
