package admission_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"slipway.dev/slipway/policies/admission"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/waiver"
)

// matches evaluates one expression over what a request shows a policy.
func matches(t *testing.T, expression string, operation string, object, old map[string]any) bool {
	t.Helper()
	env, err := cel.NewEnv(cel.OptionalTypes(), cel.Variable("object", cel.DynType), cel.Variable("oldObject", cel.DynType),
		cel.Variable("request", cel.DynType))
	if err != nil {
		t.Fatal(err)
	}
	input := map[string]any{"request": map[string]any{"operation": operation}, "object": object, "oldObject": nil}
	if old != nil {
		input["oldObject"] = old
	}
	got, _, err := compile(t, env, expression, expression).Eval(input)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return got == types.True
}

// TestOnlyChangesOfTheSpecAreJudged: what ran before a rule was made must go on
// being labelled, or a database could no longer say who leads it.
func TestOnlyChangesOfTheSpecAreJudged(t *testing.T) {
	policy := admission.Policy(catalogue.Find("not-privileged"), rule.DefaultLimits())
	if len(policy.Spec.MatchConditions) != 1 {
		t.Fatalf("%d conditions", len(policy.Spec.MatchConditions))
	}
	condition := policy.Spec.MatchConditions[0].Expression
	pod := func(label, image string) map[string]any {
		return map[string]any{"metadata": map[string]any{"labels": map[string]any{"role": label}}, "spec": map[string]any{"image": image}}
	}
	for name, test := range map[string]struct {
		operation   string
		object, old map[string]any
		want        bool
	}{
		"made":          {"CREATE", pod("a", "x"), nil, true},
		"only labelled": {"UPDATE", pod("b", "x"), pod("a", "x"), false},
		"changed":       {"UPDATE", pod("a", "y"), pod("a", "x"), true},
	} {
		if got := matches(t, condition, test.operation, test.object, test.old); got != test.want {
			t.Errorf("%s: judged is %t, want %t", name, got, test.want)
		}
	}
	if len(admission.Policy(catalogue.Find("orphan-on-delete"), rule.DefaultLimits()).Spec.MatchConditions) != 0 {
		t.Error("an annotation that a rule asks for can be taken off")
	}
	if len(admission.Policy(catalogue.Find("no-wildcard-rights"), rule.DefaultLimits()).Spec.MatchConditions) != 0 {
		t.Error("a role, which has no spec, is not always judged")
	}
}

// TestOursStaysOurs: without the label no other policy would hold.
func TestOursStaysOurs(t *testing.T) {
	policy := admission.Kept()
	labelled := func(labels map[string]any) map[string]any {
		return map[string]any{"metadata": map[string]any{"name": "n", "labels": labels}}
	}
	ours := labelled(map[string]any{"app.kubernetes.io/part-of": "slipway"})
	for name, test := range map[string]struct {
		object map[string]any
		want   bool
	}{
		"kept":         {ours, true},
		"taken off":    {labelled(map[string]any{"other": "x"}), false},
		"without any":  {map[string]any{"metadata": map[string]any{"name": "n"}}, false},
		"another's":    {labelled(map[string]any{"app.kubernetes.io/part-of": "other"}), false},
		"with another": {labelled(map[string]any{"app.kubernetes.io/part-of": "slipway", "x": "y"}), true},
	} {
		if got := matches(t, policy.Spec.Validations[0].Expression, "UPDATE", test.object, ours); got != test.want {
			t.Errorf("%s: admitted is %t, want %t", name, got, test.want)
		}
	}
	for _, r := range policy.Spec.MatchConstraints.ResourceRules {
		if !slices.Equal(r.Operations, []admissionv1.OperationType{admissionv1.Update}) {
			t.Errorf("it is asked on %v", r.Operations)
		}
	}
}

// TestBindingsHoldWhereObjectsAreOurs: a namespace selector lets every object
// without a namespace through to the policy, those of the cluster itself too.
func TestBindingsHoldWhereObjectsAreOurs(t *testing.T) {
	for id, want := range map[string][]string{
		"not-privileged":      {"slipway-not-privileged namespace"},
		"pod-security-labels": {"slipway-pod-security-labels object"},
		"no-wildcard-rights":  {"slipway-no-wildcard-rights-namespaced namespace roles", "slipway-no-wildcard-rights-cluster object clusterroles"},
	} {
		var got []string
		for _, b := range admission.Bindings(catalogue.Find(id), rule.DefaultLimits(), rule.Mandatory) {
			where := b.Spec.MatchResources
			text := b.Name
			if where.NamespaceSelector != nil {
				text += " namespace"
			}
			if where.ObjectSelector != nil {
				text += " object"
			}
			for _, r := range where.ResourceRules {
				text += " " + strings.Join(r.Resources, ",")
			}
			got = append(got, text)
			if b.Spec.PolicyName != admission.Prefix+id || b.Spec.ValidationActions[0] != admissionv1.Deny {
				t.Errorf("%s binds %s and does %v", b.Name, b.Spec.PolicyName, b.Spec.ValidationActions)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is bound as %v, want %v", id, got, want)
		}
	}
	if got := admission.Bindings(catalogue.Find("not-privileged"), rule.DefaultLimits(), rule.Advisory)[0].Spec.ValidationActions[0]; got != admissionv1.Warn {
		t.Errorf("an advisory rule does %s", got)
	}
}

// TestWaiversAreLeftOut: what is excused in one stack is so in its cluster, as
// long as the waiver holds, and nowhere else.
func TestWaiversAreLeftOut(t *testing.T) {
	rules := catalogue.Rules()
	waivers, err := waiver.Parse("w.yaml", []byte(`waivers:
  - {rule: not-privileged, resource: Deployment/shop/web, stacks: [prod], owner: me, reason: because, expires: 2026-12-31}
`), rules)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		stack string
		now   time.Time
		want  bool
	}{
		"its stack":     {"prod", day, true},
		"another stack": {"dev", day, false},
		"over":          {"prod", day.AddDate(0, 0, 1), false},
	} {
		text, err := admission.Manifests(rules, example.Settings(test.stack), waivers, test.stack, test.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(text), "name: waived-"); got != test.want {
			t.Errorf("%s: excused is %t, want %t", name, got, test.want)
		}
	}
}

// TestAWaiverExcusesWhatIsMadeOfTheResource: pods have names of their own.
func TestAWaiverExcusesWhatIsMadeOfTheResource(t *testing.T) {
	object := func(kind, name, namespace, ownerKind, owner string) map[string]any {
		meta := map[string]any{"name": name, "namespace": namespace}
		if owner != "" {
			meta["ownerReferences"] = []any{map[string]any{"kind": ownerKind, "name": owner, "controller": true}}
		}
		return map[string]any{"kind": kind, "metadata": meta}
	}
	for name, test := range map[string]struct {
		resource string
		object   map[string]any
		want     bool
	}{
		"itself":                   {"Deployment/shop/web", object("Deployment", "web", "shop", "", ""), true},
		"its replica set":          {"Deployment/shop/web", object("ReplicaSet", "web-5d4f", "shop", "Deployment", "web"), true},
		"its pod":                  {"Deployment/shop/web", object("Pod", "web-5d4f-x", "shop", "ReplicaSet", "web-5d4f"), true},
		"a pod of another":         {"Deployment/shop/web", object("Pod", "web-admin-5d4f-x", "shop", "ReplicaSet", "web-admin-5d4f"), false},
		"a pod of its own name":    {"Deployment/shop/web", object("Pod", "web", "shop", "", ""), false},
		"in another namespace":     {"Deployment/shop/web", object("Pod", "web-5d4f-x", "mail", "ReplicaSet", "web-5d4f"), false},
		"a member":                 {"StatefulSet/shop/db", object("Pod", "db-0", "shop", "StatefulSet", "db"), true},
		"a pod of a run":           {"CronJob/shop/clean", object("Pod", "clean-29-x", "shop", "Job", "clean-29"), true},
		"a namespace":              {"Namespace/shop", map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "shop"}}, true},
		"another namespace's name": {"Namespace/shop", map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "mail"}}, false},
	} {
		condition := admission.Excuse(&waiver.Waiver{Resource: test.resource}, 0)
		if got := !matches(t, condition.Expression, "CREATE", test.object, nil); got != test.want {
			t.Errorf("%s: excused is %t, want %t by %s", name, got, test.want, condition.Expression)
		}
	}
}

// TestThresholdsOfTheStackHold: an image is let in from where the stack's own
// images come from, and from nowhere else.
func TestThresholdsOfTheStackHold(t *testing.T) {
	env := environment(t)
	object := map[string]any{"kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"image": "registry.example/own/api:1"}}}}
	var variables []cel.Program
	for _, v := range admission.Variables {
		variables = append(variables, compile(t, env, v.Name, v.Expression))
	}
	for prefix, want := range map[string]bool{"registry.example/own/": true, "registry.example/other/": false} {
		limits := rule.DefaultLimits()
		limits.Registries = []string{"a/", prefix}
		policy := admission.Policy(catalogue.Find("image-registry"), limits)
		if got := holds(t, compile(t, env, prefix, policy.Spec.Validations[0].Expression), variables, object); got != want {
			t.Errorf("images from %s: admitted is %t, want %t", prefix, got, want)
		}
	}
}
