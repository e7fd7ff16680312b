package catalogue_test

import (
	"fmt"
	"os"
	"testing"

	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
)

// variant is one line of testdata/cases.yaml.
type variant struct {
	Fails     string                    `yaml:"fails"`
	Passes    string                    `yaml:"passes"`
	Undecided string                    `yaml:"undecided"`
	At        string                    `yaml:"at"`
	Of        string                    `yaml:"of"`
	Stack     string                    `yaml:"stack"`
	Set       map[string]any            `yaml:"set"`
	Also      map[string]map[string]any `yaml:"also"`
	Remove    []string                  `yaml:"remove"`
	Add       string                    `yaml:"add"`
	Limits    yaml.Node                 `yaml:"limits"`
	// Unknown are paths that are not known, by the resource they lie in.
	Unknown map[string]string `yaml:"unknown"`
}

// variants are the lines of testdata/cases.yaml.
func variants(t *testing.T) []variant {
	t.Helper()
	raw, err := os.ReadFile("testdata/cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []variant
	if err := settings.Strict("testdata/cases.yaml", raw, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// made is the stack of a variant and the limits it is held to.
func (v variant) made(t *testing.T) (*rule.Stack, rule.Limits) {
	t.Helper()
	changed := v.Of
	if changed == "" {
		changed = v.At
	}
	s, err := example.Broken(rule.Example{Resource: changed, Set: v.Set, Also: v.Also, Remove: v.Remove, Add: v.Add, Stack: v.Stack})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range s.Resources {
		if path := v.Unknown[r.ID()]; path != "" {
			if s.Resources[i], err = r.With(path, rule.Unknown{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	s = rule.NewStack(s.Name, s.Resources...)
	limits := example.Settings(s.Name).Limits
	if !v.Limits.IsZero() {
		if err := v.Limits.Decode(&limits); err != nil {
			t.Fatal(err)
		}
	}
	return s, limits
}

// TestCases holds every check of every rule to a change that only it can tell.
func TestCases(t *testing.T) {
	judge := rule.NewJudge(catalogue.Rules())
	for i, v := range variants(t) {
		id := v.Fails + v.Passes + v.Undecided
		t.Run(fmt.Sprintf("%d %s", i, id), func(t *testing.T) {
			if catalogue.Find(id) == nil {
				t.Fatalf("there is no rule %q", id)
			}
			s, limits := v.made(t)
			verdicts := map[rule.Verdict]bool{}
			for _, f := range judge.All(s, limits) {
				if f.Rule.ID != id {
					continue
				}
				if v.Passes != "" {
					t.Errorf("it fails %s: %s %s", f.Resource.ID(), f.Path, f.Message)
				}
				verdicts[f.Verdict] = verdicts[f.Verdict] || f.Resource.ID() == v.At
			}
			if v.Fails != "" && !verdicts[rule.Fail] {
				t.Errorf("it does not fail %s", v.At)
			}
			if v.Undecided != "" && (verdicts[rule.Fail] || !verdicts[rule.Undecided]) {
				t.Errorf("it decides about %s", v.At)
			}
		})
	}
}
