package admission

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

const policy = `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: fleet-no-latest}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  validations:
  - {expression: "true", message: always}
`

const binding = `---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: fleet-no-latest}
spec:
  policyName: fleet-no-latest
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {fleet: "yes"}}}
`

func loaded(t *testing.T, text string) (Policies, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func policies(t *testing.T) Policies {
	t.Helper()
	found, err := loaded(t, policy+binding)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func declaring(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		_, err = New(ctx, "admission", args, providers)
		return err
	}
}

func TestNewDeclaresPoliciesAndBindings(t *testing.T) {
	componenttest.Both(t, declaring(Args{Policies: policies(t)}), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "admission")
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "deny", got, *update)
	})
}

// TestABindingNeverOutlivesItsPolicy: what is made later goes first.
func TestABindingNeverOutlivesItsPolicy(t *testing.T) {
	g := &componenttest.Graph{}
	g.Run(t, declaring(Args{Policies: policies(t)}))
	needs := g.One(t, "kubernetes:"+apiVersion+":"+bindingKind, "admission-no-latest-binding").RegisterRPC.GetDependencies()
	if len(needs) != 1 || resource.URN(needs[0]).Name() != "admission-no-latest" {
		t.Errorf("the binding depends on %v", needs)
	}
}

func TestWarnSoftensEveryBindingAndNotTheCallers(t *testing.T) {
	given := policies(t)
	componenttest.Both(t, declaring(Args{Policies: given, Action: Warn}), func(t *testing.T, g *componenttest.Graph) {
		node := g.One(t, "kubernetes:"+apiVersion+":"+bindingKind, "admission-no-latest-binding")
		if got := node.Text("spec.validationActions[0]"); got != "Warn" {
			t.Errorf("the action is %q", got)
		}
	})
	if got := given.Bindings[0].Spec.ValidationActions[0]; got != admissionv1.Deny {
		t.Errorf("the caller's binding became %q", got)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	found := policies(t)
	orphan := found.Bindings[0]
	orphan.Name, orphan.Spec.PolicyName = "fleet-other", "fleet-other"
	for name, test := range map[string]struct {
		args Args
		want []string
	}{
		"nothing": {Args{}, []string{"policies: is empty"}},
		"unknown action, twice, unbound": {
			Args{Action: "shrug", Policies: Policies{Policies: append(found.Policies, found.Policies...)}},
			[]string{`action: "shrug" is neither deny nor warn`, "fleet-no-latest is there twice", "nothing binds fleet-no-latest"},
		},
		"bound to nothing": {
			Args{Policies: Policies{Policies: found.Policies, Bindings: append(found.Bindings, orphan)}},
			[]string{"fleet-other binds fleet-other, which is not there"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := &componenttest.Graph{}
			err := g.Try(t, declaring(test.args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `admission "admission": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "admission") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestLoadNamesTheFault(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"another kind": {policy + "---\napiVersion: v1\nkind: Secret\n", `document 2: is a "Secret" of "v1", want a`},
		"another version": {strings.Replace(policy, "k8s.io/v1\n", "k8s.io/v1beta1\n", 1),
			`document 1: is a "ValidatingAdmissionPolicy" of "admissionregistration.k8s.io/v1beta1"`},
		"misspelt field": {policy + strings.Replace(binding, "policyName", "policy", 1), `document 2: `},
		"not YAML":       {"a: [\n", "document 1: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loaded(t, test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "policies.yaml") {
				t.Errorf("got %v, want it to contain %q and the file", err, test.want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent.yaml")); err == nil {
		t.Error("a missing file was read")
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:admission:Admission" {
		t.Errorf("type token %q: every policy would be replaced, and nothing refused in between", TypeToken)
	}
}
