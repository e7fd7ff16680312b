package catalogue_test

import (
	"regexp"
	"strings"
	"testing"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
)

// findings are the failed and the undecided, by rule.
func judged(t testing.TB, s *rule.Stack) map[rule.Verdict]map[string][]rule.Finding {
	t.Helper()
	found := map[rule.Verdict]map[string][]rule.Finding{rule.Fail: {}, rule.Undecided: {}}
	for _, f := range rule.NewJudge(catalogue.Rules()).All(s, example.Settings(s.Name).Limits) {
		found[f.Verdict][f.Rule.ID] = append(found[f.Verdict][f.Rule.ID], f)
	}
	return found
}

func TestExamplePlatformPasses(t *testing.T) {
	s, err := example.Platform()
	if err != nil {
		t.Fatal(err)
	}
	for verdict, rules := range judged(t, s) {
		for id, findings := range rules {
			for _, f := range findings {
				t.Errorf("%s %s: %s: %s %s", verdict, id, f.Resource.ID(), f.Path, f.Message)
			}
		}
	}
}

// TestEachRuleFailsForItsOwnReason: the example of a rule breaks that rule and
// no other, on the resource it says.
func TestEachRuleFailsForItsOwnReason(t *testing.T) {
	for _, r := range catalogue.Rules() {
		t.Run(r.ID, func(t *testing.T) {
			s, err := example.Broken(r.Example)
			if err != nil {
				t.Fatal(err)
			}
			failed := judged(t, s)[rule.Fail]
			if len(failed[r.ID]) == 0 {
				t.Fatalf("its own example does not fail it; failed: %v", failed)
			}
			for id, findings := range failed {
				for _, f := range findings {
					if id != r.ID {
						t.Errorf("its example also fails %s: %s: %s %s", id, f.Resource.ID(), f.Path, f.Message)
					}
				}
			}
			if got := failed[r.ID][0].Resource.ID(); got != r.Example.Resource {
				t.Errorf("it complains about %s, its example says %s", got, r.Example.Resource)
			}
		})
	}
}

// decidable are rules that ask about no value that could be unknown.
var decidable = map[string]bool{"no-deprecated-api": true, "judged-kinds": true, "data-not-replaced": true, rule.Readable: true}

// TestEachRuleIsUndecidedWithoutItsValue: when what the example changes is not
// known, the rule says so; it neither passes nor fails.
func TestEachRuleIsUndecidedWithoutItsValue(t *testing.T) {
	for _, r := range catalogue.Rules() {
		if decidable[r.ID] {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			path, id := example.UnknownAt(r.Example)
			if path == "" {
				t.Fatal("its example does not say which value is unknown")
			}
			s, err := example.Doubtful(r.Example)
			if err != nil {
				t.Fatal(err)
			}
			found := judged(t, s)
			if len(found[rule.Undecided][r.ID]) == 0 {
				t.Errorf("not knowing %s of %s leaves it decided; failed: %v", path, id, found[rule.Fail][r.ID])
			}
			if len(found[rule.Fail][r.ID]) > 0 {
				t.Errorf("not knowing %s of %s fails it", path, id)
			}
		})
	}
}

var plainID = regexp.MustCompile(`^[a-z][a-z0-9-]+$`)

func TestRulesSayWhatTheyAre(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range catalogue.Rules() {
		if !plainID.MatchString(r.ID) || seen[r.ID] || r.ID == "all" {
			t.Errorf("rule ID %q is not plain or not unique", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || r.Why == "" || r.Remedy == "" || len(r.References) == 0 || r.Subject == "" || len(r.Types) == 0 || r.Check == nil {
			t.Errorf("rule %s leaves something unsaid", r.ID)
		}
		if !decidable[r.ID] && len(r.Reads) == 0 {
			t.Errorf("rule %s does not say what it reads", r.ID)
		}
	}
	if len(seen) < 60 {
		t.Errorf("there are %d rules", len(seen))
	}
}

// TestGiganticResourcesAreJudged: a workload with more variables than any has is
// read to the end.
func TestGiganticResourcesAreJudged(t *testing.T) {
	platform, err := example.Platform()
	if err != nil {
		t.Fatal(err)
	}
	env := make([]any, 100_000)
	for i := range env {
		env[i] = map[string]any{"name": "V", "value": strings.Repeat("x", 10)}
	}
	env[len(env)-1] = map[string]any{"name": "API_TOKEN", "value": "abc"}
	for i, r := range platform.Resources {
		if r.ID() != "Deployment/shop/web" {
			continue
		}
		if platform.Resources[i], err = r.With("spec.template.spec.containers[0].env", env); err != nil {
			t.Fatal(err)
		}
	}
	failed := judged(t, rule.NewStack(platform.Name, platform.Resources...))[rule.Fail]
	if len(failed) != 1 || len(failed["no-secrets-from-env"]) != 1 || !strings.HasSuffix(failed["no-secrets-from-env"][0].Path, ".env[99999]") {
		t.Errorf("failed: %v", failed)
	}
}
