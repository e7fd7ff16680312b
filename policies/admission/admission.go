// Package admission writes the rules that an API server can judge as
// ValidatingAdmissionPolicies, so that kubectl cannot walk around them.
package admission

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

// Prefix begins the names of all policies and bindings.
const Prefix = "slipway-"

// The label, and its value, that marks the namespaces the policies hold in.
const (
	partOf = "app.kubernetes.io/part-of"
	ours   = "slipway"
)

// Variables are what conditions may refer to, by name.
var Variables = []struct{ Name, Expression string }{
	{"pod", `object.kind == "Pod" ? object.spec : object.kind == "CronJob" ? object.spec.jobTemplate.spec.template.spec : object.spec.template.spec`},
	{"containers", `variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])`},
	// Those that run beside each other: all but init containers that end.
	{"running", `variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers.filter(c, c.?restartPolicy.orValue("") == "Always") : [])`},
}

// plurals are the resource names of types in the API's paths.
var plurals = map[string]string{"NetworkPolicy": "networkpolicies", "StorageClass": "storageclasses", "Ingress": "ingresses"}

// clusterWide are types without a namespace. A namespace selector would leave
// all of them in, those of the cluster itself included, so they are ours by
// their own label.
var clusterWide = []string{rule.Namespace, rule.StorageClass, rule.ClusterRole, rule.ClusterRoleBinding}

// ofSpec is the part of a change that rules about pods are asked about. An
// object that was there before a rule is left alone until its spec changes:
// Patroni elects its leader by labels and annotations of pods, and a Deployment
// is numbered by an annotation.
var ofSpec = admissionv1.MatchCondition{
	Name: "spec-changes", Expression: `request.operation == "CREATE" || object.spec != oldObject.spec`,
}

// Manifests are the policies and bindings as YAML: first the one that keeps
// objects ours, then those of rules in the order of their IDs. A rule that is
// disabled for the stack has none, one that is advisory warns, and a resource
// with a waiver is left out.
func Manifests(rules []*rule.Rule, chosen settings.Settings, waivers []*waiver.Waiver, stack string, now time.Time) ([]byte, error) {
	kept := Kept()
	objects := []any{kept, bindingOf(kept, clusterWide, "", rule.Mandatory)}
	for _, r := range rules {
		level := chosen.Level(r)
		if r.Admission == nil || level == rule.Disabled {
			continue
		}
		policy := Policy(r, chosen.Limits)
		for _, w := range waivers {
			if w.Rule == r.ID && w.For(stack) && !w.Expired(now) {
				policy.Spec.MatchConditions = append(policy.Spec.MatchConditions, Excuse(w, len(policy.Spec.MatchConditions)))
			}
		}
		objects = append(objects, policy)
		for _, binding := range Bindings(r, chosen.Limits, level) {
			objects = append(objects, binding)
		}
	}
	var out bytes.Buffer
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("writing admission policies: %w", err)
		}
		out.WriteString("---\n")
		// Empty fields that Go cannot leave out are noise, and status is the server's.
		for line := range strings.Lines(string(text)) {
			if strings.TrimSpace(line) != "status: {}" && strings.TrimSpace(line) != "creationTimestamp: null" {
				out.WriteString(line)
			}
		}
	}
	return out.Bytes(), nil
}

// Policy is the admission policy of a rule that has one, under the thresholds of
// a stack.
func Policy(r *rule.Rule, limits rule.Limits) *admissionv1.ValidatingAdmissionPolicy {
	policy := policyOf(r.ID, r.Types, []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}, admissionv1.Validation{
		Expression: r.Admission.Condition(limits), Message: r.ID + ": " + r.Title + ". " + r.Remedy,
	})
	if judgesSpec(r) {
		policy.Spec.MatchConditions = []admissionv1.MatchCondition{ofSpec}
	}
	if strings.Contains(r.Admission.Condition(limits), "variables.") {
		for _, v := range Variables {
			policy.Spec.Variables = append(policy.Spec.Variables, admissionv1.Variable{Name: v.Name, Expression: v.Expression})
		}
	}
	return policy
}

// Kept is the policy that keeps objects under the others: without it, taking
// the label off a namespace would be the way around all of them.
func Kept() *admissionv1.ValidatingAdmissionPolicy {
	return policyOf("label-kept", clusterWide, []admissionv1.OperationType{admissionv1.Update}, admissionv1.Validation{
		Expression: `object.metadata.?labels[?"` + partOf + `"].orValue("") == "` + ours + `"`,
		Message:    "label-kept: What is part of " + ours + " stays so. Leave the label " + partOf + " on it, or delete it.",
	})
}

func policyOf(
	id string, types []string, operations []admissionv1.OperationType, holds admissionv1.Validation,
) *admissionv1.ValidatingAdmissionPolicy {
	fail := admissionv1.Fail
	return &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: Prefix + id, Labels: map[string]string{partOf: ours}},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    &fail,
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: resources(types, operations)},
			Validations:      []admissionv1.Validation{holds},
		},
	}
}

// judgesSpec tells whether a rule asks of workloads only for what lies in their
// spec.
func judgesSpec(r *rule.Rule) bool {
	return !slices.ContainsFunc(r.Types, func(token string) bool { return !slices.Contains(rule.Workloads, token) }) &&
		!slices.ContainsFunc(r.Reads, func(path string) bool { return strings.HasPrefix(path, "metadata.") })
}

// Bindings say where the policy of a rule holds: in our namespaces, and for
// what has none, of objects that are ours.
func Bindings(r *rule.Rule, limits rule.Limits, level rule.Level) []*admissionv1.ValidatingAdmissionPolicyBinding {
	var inside, outside []string
	for _, token := range r.Types {
		if slices.Contains(clusterWide, token) {
			outside = append(outside, token)
		} else {
			inside = append(inside, token)
		}
	}
	policy := Policy(r, limits)
	switch {
	case len(outside) == 0:
		return []*admissionv1.ValidatingAdmissionPolicyBinding{bindingOf(policy, inside, "", level)}
	case len(inside) == 0:
		return []*admissionv1.ValidatingAdmissionPolicyBinding{bindingOf(policy, outside, "", level)}
	default:
		return []*admissionv1.ValidatingAdmissionPolicyBinding{
			bindingOf(policy, inside, "-namespaced", level), bindingOf(policy, outside, "-cluster", level),
		}
	}
}

// bindingOf binds a policy for types that are all in namespaces, or all not.
func bindingOf(
	policy *admissionv1.ValidatingAdmissionPolicy, types []string, suffix string, level rule.Level,
) *admissionv1.ValidatingAdmissionPolicyBinding {
	action := admissionv1.Deny
	if level == rule.Advisory {
		action = admissionv1.Warn
	}
	where := &admissionv1.MatchResources{}
	if suffix != "" {
		where.ResourceRules = resources(types, policy.Spec.MatchConstraints.ResourceRules[0].Operations)
	}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{partOf: ours}}
	if slices.Contains(clusterWide, types[0]) {
		where.ObjectSelector = selector
	} else {
		where.NamespaceSelector = selector
	}
	return &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: policy.Name + suffix, Labels: map[string]string{partOf: ours}},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{action}, MatchResources: where,
		},
	}
}

// resources are the rules by which the API server finds objects of the types.
func resources(types []string, operations []admissionv1.OperationType) []admissionv1.NamedRuleWithOperations {
	byGroup := map[string][]string{}
	var groups []string
	for _, token := range types {
		parts := strings.Split(token, ":")
		group := parts[1]
		kind := parts[2]
		plural, ok := plurals[kind]
		if !ok {
			plural = strings.ToLower(kind) + "s"
		}
		if byGroup[group] == nil {
			groups = append(groups, group)
		}
		byGroup[group] = append(byGroup[group], plural)
	}
	var found []admissionv1.NamedRuleWithOperations
	for _, group := range groups {
		name, version, _ := strings.Cut(group, "/")
		if name == "core" {
			name = ""
		}
		found = append(found, admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: operations,
			Rule:       admissionv1.Rule{APIGroups: []string{name}, APIVersions: []string{version}, Resources: byGroup[group]},
		}})
	}
	return found
}

// Excuse leaves the resource of a waiver out, and what the cluster makes of it: a
// Deployment that is let in would be of no use without its pods.
func Excuse(w *waiver.Waiver, n int) admissionv1.MatchCondition {
	parts := strings.Split(w.Resource, "/")
	kind, name := parts[0], parts[len(parts)-1]
	excused := []string{"object.kind == " + strconv.Quote(kind) + " && object.metadata.name == " + strconv.Quote(name)}
	for _, m := range made[kind] {
		excused = append(excused, fmt.Sprintf(
			`object.kind == %q && object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false) && o.kind == %q && o.name.matches(%q))`,
			m.kind, m.owner, "^"+regexp.QuoteMeta(name)+m.suffix+"$"))
	}
	condition := "(" + strings.Join(excused, " || ") + ")"
	if len(parts) == 3 {
		condition += " && object.metadata.namespace == " + strconv.Quote(parts[1])
	}
	return admissionv1.MatchCondition{Name: "waived-" + strconv.Itoa(n), Expression: "!(" + condition + ")"}
}

// made is what controllers make of a kind: the kind of the object, and kind and
// name of the owner that they write on it.
var made = map[string][]struct{ kind, owner, suffix string }{
	"Deployment":  {{"ReplicaSet", "Deployment", ""}, {"Pod", "ReplicaSet", "-[a-z0-9]+"}},
	"ReplicaSet":  {{"Pod", "ReplicaSet", ""}},
	"StatefulSet": {{"Pod", "StatefulSet", ""}},
	"DaemonSet":   {{"Pod", "DaemonSet", ""}},
	"CronJob":     {{"Job", "CronJob", ""}, {"Pod", "Job", "-[0-9]+"}},
	"Job":         {{"Pod", "Job", ""}},
}
