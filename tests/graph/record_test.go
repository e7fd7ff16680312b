package graph

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
	"slipway.dev/slipway/stacks"
)

// `slipway policy check STACK` records a stack with these.
var (
	record      = flag.String("record", "", "write what the stack declares to this file, as JSON")
	recordStack = flag.String("stack", "local", "with -record: the stack, as in Pulumi.<stack>.yaml")
)

func TestRecord(t *testing.T) {
	if *record == "" {
		t.Log("nothing to record without -record")
		return
	}
	if err := os.WriteFile(*record, recorded(t, *recordStack, false), 0o600); err != nil {
		t.Fatal(err)
	}
}

// engineNamed is declared by a program that sees the names a provider gives to
// what has none, in previews as well. changes are made to the settings slipway:aws
// of the stack's file.
func engineNamed(t testing.TB, stack string, fresh bool, changes ...func(aws map[string]any)) *componenttest.Graph {
	t.Helper()
	lab(t)
	g := graph(fresh)
	g.Config, g.StackName = config(t, stack), stack
	for _, change := range changes {
		aws := map[string]any{}
		if err := json.Unmarshal([]byte(g.Config["slipway:aws"]), &aws); err != nil {
			t.Fatal(err)
		}
		change(aws)
		g.Config["slipway:aws"] = encoded(t, aws)
	}
	g.Answer = obliging(base(t, stack))
	before := g.Drawn
	g.Drawn = func(args pulumi.MockResourceArgs) resource.PropertyMap {
		added := before(args)
		if inputs := named(args.TypeToken, args.Name, args.Inputs); added == nil && inputs != nil {
			added = resource.PropertyMap{"metadata": inputs["metadata"]}
		}
		return added
	}
	g.Run(t, stacks.Run)
	return g
}

// recorded is what a stack declares, in the form of `pulumi stack export`.
func recorded(t testing.TB, stack string, fresh bool, changes ...func(aws map[string]any)) []byte {
	t.Helper()
	g := engineNamed(t, stack, fresh, changes...)
	type state struct {
		URN          resource.URN   `json:"urn"`
		Type         string         `json:"type"`
		Inputs       map[string]any `json:"inputs"`
		Protect      bool           `json:"protect,omitempty"`
		Dependencies []string       `json:"dependencies,omitempty"`
	}
	states := []state{}
	for _, node := range g.Nodes() {
		inputs := registered(t, node)
		if with := named(node.TypeToken, node.Name, inputs); with != nil {
			inputs = with
		}
		plain, _ := exported(resource.NewProperty(inputs)).(map[string]any)
		states = append(states, state{urnOf(node), node.TypeToken, plain, node.RegisterRPC.GetProtect(), node.RegisterRPC.GetDependencies()})
	}
	raw, err := json.MarshalIndent(map[string]any{"preview": fresh, "resources": states}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// registered is what a program asked for. Inputs of a node lack what is not
// known: the SDK's mocks leave it out.
func registered(t testing.TB, node componenttest.Node) resource.PropertyMap {
	t.Helper()
	inputs, err := plugin.UnmarshalProperties(node.RegisterRPC.GetObject(), plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, KeepResources: true, KeepOutputValues: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return inputs
}

func urnOf(node componenttest.Node) resource.URN {
	above := tokens.Type("")
	if parent := resource.URN(node.RegisterRPC.GetParent()); parent != "" && parent.QualifiedType() != resource.RootStackType {
		above = parent.QualifiedType()
	}
	return resource.NewURN(componenttest.Stack, componenttest.Project, above, tokens.Type(node.TypeToken), node.Name)
}

// named is an object's inputs with the name its provider would give it, or nil
// when it has one.
func named(token, name string, inputs resource.PropertyMap) resource.PropertyMap {
	if !strings.HasPrefix(token, "kubernetes:") {
		return nil
	}
	meta := resource.PropertyMap{}
	if inputs["metadata"].IsObject() {
		meta = inputs["metadata"].ObjectValue().Copy()
	}
	if _, has := meta["name"]; has {
		return nil
	}
	meta["name"] = resource.NewProperty(name + "-1a2b3c4d")
	with := inputs.Copy()
	with["metadata"] = resource.NewProperty(meta)
	return with
}

// exported writes a value as Pulumi's state has it: secrets hidden, unknown
// values marked.
func exported(v resource.PropertyValue) any {
	switch {
	case v.IsSecret(), v.IsOutput() && v.OutputValue().Secret:
		return map[string]any{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
	case v.IsComputed(), v.IsOutput() && !v.OutputValue().Known:
		return document.UnknownMark
	case v.IsOutput():
		return exported(v.OutputValue().Element)
	case v.IsObject():
		tree := map[string]any{}
		for key, inner := range v.ObjectValue() {
			tree[string(key)] = exported(inner)
		}
		return tree
	case v.IsArray():
		list := []any{}
		for _, inner := range v.ArrayValue() {
			list = append(list, exported(inner))
		}
		return list
	case v.IsString(), v.IsNumber(), v.IsBool():
		return v.V
	default:
		return nil
	}
}

// TestStacksPassPolicies holds every stack of the checkout to the policies,
// as an update and as a first preview.
func TestStacksPassPolicies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(checkout, "Pulumi.*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stack files: %v", err)
	}
	for _, file := range append(files, "Pulumi."+guest+".yaml") {
		stack := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		for title, fresh := range map[string]bool{"update": false, "first preview": true} {
			t.Run(stack+" "+title, func(t *testing.T) {
				r := judged(t, stack, recorded(t, stack, fresh))
				for _, e := range r.Entries {
					if e.Stops() {
						t.Errorf("%s: %s: %s %s", e.Rule, e.Resource, e.Path, e.Message)
					}
					if e.Verdict == rule.Undecided && !fresh {
						t.Errorf("undecided although everything is known: %s: %s: %s %s", e.Rule, e.Resource, e.Path, e.Message)
					}
				}
				t.Log(r.Summary())
			})
		}
	}
}

// TestEitherAuthorityPassesPolicies: going from certificates that browsers refuse
// to those they take, and back, is a setting, which no limit may stop.
func TestEitherAuthorityPassesPolicies(t *testing.T) {
	for _, staging := range []bool{true, false} {
		raw := recorded(t, "dev", false, func(settings map[string]any) {
			settings["authority"].(map[string]any)["staging"] = staging
		})
		for _, e := range judged(t, "dev", raw).Entries {
			if e.Stops() {
				t.Errorf("staging %v: %s: %s: %s %s", staging, e.Rule, e.Resource, e.Path, e.Message)
			}
		}
	}
}

// TestEveryWaiverIsNeededSomewhere: a waiver that names no stacks is not missed
// by a stack that lacks its resource, so it has to be looked for in all of them.
func TestEveryWaiverIsNeededSomewhere(t *testing.T) {
	needed := map[string]bool{}
	for _, stack := range []string{"local", "dev", "prod"} {
		for _, e := range judged(t, stack, recorded(t, stack, false)).Entries {
			if e.Waiver != nil {
				needed[e.Waiver.Rule+" "+e.Waiver.Resource] = true
			}
		}
	}
	waivers, err := waiver.Load(filepath.Join(checkout, "policies", waiver.File), catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range waivers {
		if !needed[w.Rule+" "+w.Resource] {
			t.Errorf("%s:%d: no stack needs the waiver of %s for %s", waiver.File, w.Line, w.Rule, w.Resource)
		}
	}
}

// judged holds a recording to the policies as `slipway policy check` does.
func judged(t testing.TB, stack string, raw []byte) report.Report {
	t.Helper()
	doc, err := document.Read(stack, raw)
	if err != nil {
		t.Fatal(err)
	}
	rules := catalogue.Rules()
	chosen, err := settings.Load(filepath.Join(checkout, "policies", settings.File), stack, rules)
	if err != nil {
		t.Fatal(err)
	}
	waivers, err := waiver.Load(filepath.Join(checkout, "policies", waiver.File), rules)
	if err != nil {
		t.Fatal(err)
	}
	return report.Make(rule.NewJudge(rules), rule.NewStack(stack, doc.Resources...),
		report.Options{Settings: chosen, Waivers: waivers, Now: time.Now(), Complete: true})
}
