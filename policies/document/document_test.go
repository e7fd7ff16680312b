package document_test

import (
	"strings"
	"testing"

	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/rule"
)

const preview = `{"config": {}, "steps": [
 {"op": "same", "urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", "newState": {"urn": "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s", "type": "pulumi:pulumi:Stack"}},
 {"op": "create", "newState": {"urn": "urn:pulumi:s::p::kubernetes:apps/v1:Deployment::web", "type": "kubernetes:apps/v1:Deployment",
   "inputs": {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "paused": "[secret]"}}, "dependencies": ["urn:a"], "protect": true}},
 {"op": "replace", "newState": {"urn": "urn:x::y::kubernetes:apps/v1:StatefulSet::db", "type": "kubernetes:apps/v1:StatefulSet", "inputs": {}}},
 {"op": "create-replacement", "newState": {"urn": "urn:x::y::kubernetes:apps/v1:StatefulSet::db", "type": "kubernetes:apps/v1:StatefulSet", "inputs": {}}},
 {"op": "delete", "oldState": {"urn": "urn:x::y::kubernetes:core/v1:Namespace::n", "type": "kubernetes:core/v1:Namespace", "inputs": {}}}
]}`

func TestPreview(t *testing.T) {
	doc, err := document.Read("p.json", []byte(preview))
	if err != nil {
		t.Fatal(err)
	}
	if !doc.Preview || len(doc.Resources) != 4 {
		t.Fatalf("preview %t, %d resources", doc.Preview, len(doc.Resources))
	}
	web := doc.Resources[1]
	if web.ID() != "Deployment/shop/web" || web.Operation != rule.Create || !web.Protect || len(web.Dependencies) != 1 || web.Name != "web" {
		t.Errorf("read as %+v", web)
	}
	if web.At("spec.replicas") != nil || web.At("spec.paused") != nil {
		t.Error("a mark was taken for a value")
	}
	if doc.Resources[2].Operation != rule.Replace || doc.Resources[3].Operation != rule.Delete {
		t.Errorf("operations are %s and %s", doc.Resources[2].Operation, doc.Resources[3].Operation)
	}
}

func TestState(t *testing.T) {
	const state = `{"version": 3, "deployment": {"resources": [
	 {"urn": "urn:a::b::kubernetes:core/v1:ConfigMap::c", "type": "kubernetes:core/v1:ConfigMap", "inputs": {"data": {"a": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": "\"open sesame\""}}}},
	 {"urn": "urn:a::b::kubernetes:core/v1:ConfigMap::old", "type": "kubernetes:core/v1:ConfigMap", "delete": true}]}}`
	doc, err := document.Read("s.json", []byte(state))
	if err != nil || len(doc.Resources) != 1 || doc.Preview {
		t.Fatalf("%+v, %v", doc, err)
	}
	if doc.Resources[0].At("data.a") != "open sesame" {
		t.Error("the secret is not open to rules")
	}
}

func TestManifests(t *testing.T) {
	const text = "# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a, namespace: n}}\n---\n\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n"
	doc, err := document.Read("m.yaml", []byte(text))
	if err != nil || len(doc.Resources) != 2 {
		t.Fatalf("%+v, %v", doc, err)
	}
	if r := doc.Resources[0]; r.Type != rule.Service || r.ID() != "Service/n/a" {
		t.Errorf("read as %s %s", r.Type, r.ID())
	}
	if r := doc.Resources[1]; r.Type != rule.Deployment || r.File != "m.yaml" || r.Line != 10 {
		t.Errorf("read as %s at %s:%d", r.Type, r.File, r.Line)
	}
}

func TestRefusals(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		before, name := string(rune('a'+i)), string(rune('b'+i))
		bomb += name + ": &" + name + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 200), ", ") + "]\n"
	}
	for title, test := range map[string]struct{ text, want string }{
		"empty":          {"", "it holds no resource"},
		"no kind":        {"a: 1\n", "line 1: it has no apiVersion and kind"},
		"no mapping":     {"- 1\n", "a manifest must be a mapping"},
		"broken YAML":    {"a: [\n", "decoding YAML"},
		"broken JSON":    {`{"steps": [`, "decoding JSON"},
		"no type":        {`{"resources": [{"urn": "x"}]}`, `resource "x" has no type`},
		"alias bomb":     {bomb, "more than 1000 aliases"},
		"deep manifest":  {"apiVersion: v1\nkind: X\na: " + strings.Repeat("{b: ", 200) + strings.Repeat("}", 200), "nested deeper"},
		"list of nobody": {"apiVersion: v1\nkind: List\nitems: [1]\n", "items[0] is no object"},
	} {
		t.Run(title, func(t *testing.T) {
			_, err := document.Read("x", []byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
}
