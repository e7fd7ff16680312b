package admission_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
	"k8s.io/apimachinery/pkg/runtime"

	"slipway.dev/slipway/policies/admission"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
)

// manifests is how many generated manifests pack and admission must agree on.
const manifests = 2000

// environment is the part of an API server's expression environment that the
// conditions use: optional fields, the string functions, and sum of lists.
func environment(t *testing.T) *cel.Env {
	t.Helper()
	env, err := cel.NewEnv(
		cel.OptionalTypes(), ext.Strings(ext.StringsVersion(2)), cel.CrossTypeNumericComparisons(true),
		cel.Variable("object", cel.DynType), cel.Variable("variables", cel.DynType),
		cel.Function("sum", cel.MemberOverload("list_sum", []*cel.Type{cel.ListType(cel.IntType)}, cel.IntType,
			cel.UnaryBinding(func(list ref.Val) ref.Val {
				sum := types.Int(0)
				for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
					sum += it.Next().(types.Int)
				}
				return sum
			}))),
	)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func compile(t *testing.T, env *cel.Env, id, expression string) cel.Program {
	t.Helper()
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		t.Fatalf("the condition of %s does not compile: %v", id, issues.Err())
	}
	program, err := env.Program(ast)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// holds evaluates a condition as the API server would: an error denies.
func holds(t *testing.T, program cel.Program, variables []cel.Program, object map[string]any) bool {
	t.Helper()
	values := map[string]any{}
	input := map[string]any{"object": object, "variables": values}
	for i, v := range variables {
		value, _, err := v.Eval(input)
		if err != nil {
			continue // the condition that needs it fails
		}
		values[admission.Variables[i].Name] = value
	}
	got, _, err := program.Eval(input)
	return err == nil && got == types.True
}

// served is an object as an API server shows it to its policies: types that it
// knows went through their Go type, custom ones did not.
func served(t *testing.T, r *rule.Resource) map[string]any {
	t.Helper()
	known, err := r.Object()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := known.(runtime.Object); !ok {
		return r.Properties()
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(known)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// TestPackAndAdmissionAgree generates manifests from the example platform and
// asks both about each. Manifests that the API server would refuse to decode
// are left out: it never gets as far as a policy there.
func TestPackAndAdmissionAgree(t *testing.T) {
	env := environment(t)
	var variables []cel.Program
	for _, v := range admission.Variables {
		variables = append(variables, compile(t, env, v.Name, v.Expression))
	}
	conditions := map[string]cel.Program{}
	var expressed []*rule.Rule
	for _, r := range catalogue.Rules() {
		if r.Admission != nil {
			expressed = append(expressed, r)
			conditions[r.ID] = compile(t, env, r.ID, r.Admission.Condition(rule.DefaultLimits()))
		}
	}
	judge := rule.NewJudge(catalogue.Rules())
	limits := example.Settings(example.Stack).Limits
	failures := func(r *rule.Resource) map[string]bool {
		failed := map[string]bool{}
		for _, f := range judge.Resource(rule.NewStack(example.Stack, r), r, limits) {
			failed[f.Rule.ID] = true
		}
		return failed
	}
	made, err := example.Vary(expressed, 1, manifests, func(r *rule.Resource) bool {
		return !failures(r)[rule.Readable] && r.Text("kind") != ""
	})
	if err != nil {
		t.Fatal(err)
	}
	both := map[string][2]int{}
	for _, r := range made {
		failed, object := failures(r), served(t, r)
		for _, one := range expressed {
			if !slices.Contains(one.Types, r.Type) {
				continue
			}
			said := holds(t, conditions[one.ID], variables, object)
			if said == failed[one.ID] {
				t.Errorf("%s: the pack says fails=%t, the API server admits=%t:\n%v", one.ID, failed[one.ID], said, object)
			}
			count := both[one.ID]
			if said {
				count[0]++
			} else {
				count[1]++
			}
			both[one.ID] = count
		}
	}
	for _, id := range slices.Sorted(maps.Keys(both)) {
		t.Logf("%s: %d admitted, %d refused", id, both[id][0], both[id][1])
		if both[id][0] == 0 || both[id][1] == 0 {
			t.Errorf("%s was not asked both ways", id)
		}
	}
	t.Log(len(made), "manifests")
}
