package graph

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/policies/admission"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
	"slipway.dev/slipway/stacks"
)

// The program imports no policies. What its cluster is held to is written from
// them into files, and these keep both the same.

// rendered are the admission policies of a stack; the stack "" is any that
// neither settings nor waivers mention.
func rendered(t *testing.T, stack string) []byte {
	t.Helper()
	rules := catalogue.Rules()
	chosen, err := settings.Load(filepath.Join(checkout, "policies", settings.File), stack, rules)
	if err != nil {
		t.Fatal(err)
	}
	waivers, err := waiver.Load(filepath.Join(checkout, "policies", waiver.File), rules)
	if err != nil {
		t.Fatal(err)
	}
	text, err := admission.Manifests(rules, chosen, waivers, stack, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAdmissionFilesAreCurrent: a stack has a file of its own where its levels
// or waivers make a difference, and only there.
func TestAdmissionFilesAreCurrent(t *testing.T) {
	dir := filepath.Join(checkout, "stacks", "admission")
	common := rendered(t, "")
	want := map[string][]byte{"default.yaml": common}
	for _, stack := range environments {
		if own := rendered(t, stack); !bytes.Equal(own, common) {
			want[stack+".yaml"] = own
		}
	}
	there, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if want[filepath.Base(path)] != nil {
			continue
		}
		if !*update {
			t.Errorf("%s says what every stack is held to, or is of no stack; run: make update", path)
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range want {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("write it with: make update: %v", err)
		}
		if diff := cmp.Diff(string(got), string(text)); diff != "" {
			t.Errorf("%s is behind the policies; run: make update\n%s", path, diff)
		}
	}
}

// TestEveryRuleWithAConditionIsDeclared: each environment has the policy of every
// rule that has a condition for the API server, and a binding that denies. Which
// rules have none, and why, is kept with the rules.
func TestEveryRuleWithAConditionIsDeclared(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) {
		denied := map[string]bool{}
		for _, node := range g.Of("kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding") {
			if node.Text("spec.validationActions[0]") == "Deny" {
				denied[node.Text("spec.policyName")] = true
			}
		}
		conditions := 0
		for _, r := range catalogue.Rules() {
			if r.Admission == nil {
				continue
			}
			conditions++
			if !denied[admission.Prefix+r.ID] {
				t.Errorf("nothing in the cluster denies what breaks %s", r.ID)
			}
		}
		if conditions < 27 {
			t.Errorf("only %d rules are judged by the API server", conditions)
		}
	})
}

// TestAdmissionOff: a cluster that does not know the policies is not sent any.
func TestAdmissionOff(t *testing.T) {
	lab(t)
	g := graph(false)
	g.Config = config(t, "local")
	g.Config["slipway:admission"] = `{"action": "off"}`
	g.Run(t, stacks.Run)
	if g.Has("slipway:admission:Admission", "admission") {
		t.Error("the policies are declared")
	}
}
