package rule_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"slipway.dev/slipway/policies/rule"
)

func deployment(t *testing.T, spec map[string]any) *rule.Resource {
	t.Helper()
	r, err := rule.New(rule.Deployment, "web", map[string]any{
		"metadata": map[string]any{"name": "web", "namespace": "shop"}, "spec": spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loud complains about everything, with all that it can see.
var loud = &rule.Rule{
	ID: "loud", Types: []string{rule.Deployment}, Reads: []string{"spec.replicas"},
	Check: rule.On(func(_ *rule.Stack, r *rule.Resource, _ *appsv1.Deployment, _ rule.Limits) []rule.Complaint {
		return rule.Complain("spec.paused", "password is %v", r.At("spec.password"))
	}),
}

func TestPanickingRuleFailsClosedAndOthersAreAsked(t *testing.T) {
	panics := &rule.Rule{ID: "panics", Types: []string{rule.Deployment}, Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
		panic("cannot bear " + r.Text("spec", "password"))
	}}
	r := deployment(t, map[string]any{"password": rule.Secret{Value: "hunter22"}})
	found := rule.NewJudge(rule.Group("test", panics, loud)).All(rule.NewStack("", r), rule.Limits{})
	if len(found) != 2 {
		t.Fatalf("%d findings, want one of each rule", len(found))
	}
	for _, f := range found {
		if f.Verdict != rule.Fail {
			t.Errorf("%s is %s", f.Rule.ID, f.Verdict)
		}
		if strings.Contains(f.Message, "hunter22") {
			t.Errorf("%s prints a secret: %s", f.Rule.ID, f.Message)
		}
	}
	if f := found[1]; f.Rule != panics || !strings.Contains(f.Message, "rule panics panicked") {
		t.Errorf("the panic is told as: %s", f.Message)
	}
}

func TestWhatCannotBeReadFails(t *testing.T) {
	readable := rule.ReadableRule([]string{rule.Deployment})
	found := rule.NewJudge(rule.Group("test", readable, loud)).All(rule.NewStack("", deployment(t, map[string]any{"replicas": "three"})), rule.Limits{})
	if len(found) != 1 || found[0].Rule != readable || !strings.Contains(found[0].Message, "replicas") {
		t.Errorf("findings are %v, want one that names replicas", found)
	}
}

func TestUnknownTypesAreLeftAlone(t *testing.T) {
	r, err := rule.New("acme:index/thing:Thing", "x", map[string]any{"a": []any{nil, 1.5, true, "b"}})
	if err != nil {
		t.Fatal(err)
	}
	judge := rule.NewJudge(rule.Group("test", loud))
	if judge.Concerns(r.Type) || len(judge.All(rule.NewStack("", r), rule.Limits{})) > 0 {
		t.Error("a rule has something to say about a type it never heard of")
	}
}

func TestNestingIsBounded(t *testing.T) {
	deep := map[string]any{}
	inner := deep
	for range 100_000 {
		next := map[string]any{}
		inner["x"] = next
		inner = next
	}
	if _, err := rule.New(rule.Deployment, "web", deep); !errors.Is(err, rule.ErrTooDeep) {
		t.Errorf("got %v", err)
	} else if len(err.Error()) > 400 {
		t.Errorf("the error is %d characters long", len(err.Error()))
	}
}

func TestGiganticPropertiesAreJudged(t *testing.T) {
	many := make([]any, 100_000)
	for i := range many {
		many[i] = map[string]any{"name": "v", "value": strings.Repeat("x", 10)}
	}
	r := deployment(t, map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "a", "env": many}}}}})
	if p := rule.PodOf(r); p == nil || len(p.Containers[0].Env) != len(many) {
		t.Error("the variables were not read")
	}
}

func TestUnknownValues(t *testing.T) {
	single := &rule.Rule{ID: "single", Types: []string{rule.Deployment}, Reads: []string{"spec.replicas"},
		Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, d *appsv1.Deployment, _ rule.Limits) []rule.Complaint {
			if d.Spec.Replicas != nil && *d.Spec.Replicas > 3 {
				return rule.Complain("spec.replicas", "too many")
			}
			if d.Spec.Paused {
				return rule.Complain("spec.paused", "paused")
			}
			return nil
		})}
	for title, test := range map[string]struct {
		spec map[string]any
		want rule.Verdict
	}{
		"known and right":                 {map[string]any{"replicas": 1}, rule.Pass},
		"known and wrong":                 {map[string]any{"replicas": 4}, rule.Fail},
		"not known":                       {map[string]any{"replicas": rule.Unknown{}}, rule.Undecided},
		"secret and hidden":               {map[string]any{"replicas": rule.Secret{}}, rule.Undecided},
		"secret and wrong":                {map[string]any{"replicas": rule.Secret{Value: 4}}, rule.Fail},
		"not known, and wrong beside it":  {map[string]any{"replicas": rule.Unknown{}, "paused": true}, rule.Fail},
		"not known where nobody looks":    {map[string]any{"replicas": 1, "minReadySeconds": rule.Unknown{}}, rule.Pass},
		"wrong, and unknown where nobody": {map[string]any{"replicas": 4, "minReadySeconds": rule.Unknown{}}, rule.Fail},
	} {
		t.Run(title, func(t *testing.T) {
			found := rule.NewJudge(rule.Group("test", single)).All(rule.NewStack("", deployment(t, test.spec)), rule.Limits{})
			got := rule.Pass
			if len(found) > 0 {
				got = found[0].Verdict
			}
			if got != test.want {
				t.Errorf("verdict is %s, want %s", got, test.want)
			}
		})
	}
}

// TestAnUnknownExcuseDecidesNothing: a first preview does not know the namespace
// that makes an exception of the object.
func TestAnUnknownExcuseDecidesNothing(t *testing.T) {
	own := &rule.Rule{ID: "own", Types: []string{rule.Deployment}, Reads: []string{"spec.paused", "metadata.namespace"},
		Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
			if r.Namespace() == "platform" {
				return nil
			}
			return rule.Unless("metadata.namespace", rule.Complain("spec.paused", "paused outside the platform"))
		}}
	for namespace, want := range map[any]rule.Verdict{"platform": rule.Pass, "shop": rule.Fail, rule.Unknown{}: rule.Undecided} {
		r, err := rule.New(rule.Deployment, "web", map[string]any{"metadata": map[string]any{"name": "web", "namespace": namespace}})
		if err != nil {
			t.Fatal(err)
		}
		got := rule.Pass
		if found := rule.NewJudge(rule.Group("test", own)).All(rule.NewStack("", r), rule.Limits{}); len(found) > 0 {
			got = found[0].Verdict
		}
		if got != want {
			t.Errorf("in namespace %v it is %s, want %s", namespace, got, want)
		}
	}
}

// TestSecretsAreNeverShown: whatever a rule quotes of a value that is secret, and
// wherever it complains.
func TestSecretsAreNeverShown(t *testing.T) {
	const secret = "Hunter \"22\"\nsecond line of it"
	quotes := func(path, message string) *rule.Rule {
		return &rule.Rule{ID: "quotes", Types: []string{rule.Deployment}, Reads: []string{"spec"},
			Consults: map[string][]string{rule.ConfigMap: {"data"}},
			Check: func(*rule.Stack, *rule.Resource, rule.Limits) []rule.Complaint {
				return rule.Complain(path, "%s", message)
			}}
	}
	other, err := rule.New(rule.ConfigMap, "c", map[string]any{"data": map[string]any{"key": rule.Secret{Value: "of another"}}})
	if err != nil {
		t.Fatal(err)
	}
	for title, test := range map[string]struct{ path, message string }{
		"whole":              {"", "it is " + secret},
		"quoted":             {"", fmt.Sprintf("it is %q", secret)},
		"a line":             {"", "line 2 is second line of it"},
		"in lower case":      {"", "it is " + strings.ToLower(secret)},
		"a part below":       {"spec.password", "begins with Hunt"},
		"a part of the list": {"spec", "begins with Hunt"},
		"a number":           {"", "port 12345 is not open"},
		"of another":         {"", "differs from of another"},
	} {
		r := deployment(t, map[string]any{"password": rule.Secret{Value: secret}, "port": rule.Secret{Value: 12345}})
		found := rule.NewJudge(rule.Group("test", quotes(test.path, test.message))).All(rule.NewStack("", r, other), rule.Limits{})
		if len(found) != 1 || found[0].Verdict != rule.Fail {
			t.Fatalf("%s: %v", title, found)
		}
		for _, part := range []string{"unt", "second line", "12345", "of another"} {
			if strings.Contains(found[0].Message, part) {
				t.Errorf("%s: %q is shown: %s", title, part, found[0].Message)
			}
		}
	}
	named, err := rule.New(rule.ConfigMap, "settings", map[string]any{"metadata": map[string]any{"name": rule.Secret{Value: "hunter22"}, "namespace": "shop"}})
	if err != nil {
		t.Fatal(err)
	}
	if named.ID() != "ConfigMap/shop/settings" {
		t.Errorf("a secret name is shown: %s", named.ID())
	}
}

func TestWith(t *testing.T) {
	r := deployment(t, map[string]any{"list": []any{"a", "b"}})
	for path, value := range map[string]any{`metadata.labels["a.b/c"]`: "x", "spec.list[2]": "c", "spec.new.deep[0].x": 1.0} {
		changed, err := r.With(path, value)
		if err != nil || changed.At(path) != value {
			t.Errorf("%s is %v (%v)", path, changed.At(path), err)
		}
	}
	if changed, err := r.With("spec.list[0]", nil); err != nil || changed.At("spec.list[0]") != "b" {
		t.Errorf("removing an element: %v", err)
	}
	if r.At("spec.list[2]") != nil || r.Value("spec", "new") != nil {
		t.Error("the original was changed")
	}
	for _, path := range []string{"spec.list[7]", "spec.list.x", "metadata.name.x", ""} {
		if _, err := r.With(path, "x"); err == nil {
			t.Errorf("%q was set", path)
		}
	}
}
