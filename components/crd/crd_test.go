package crd

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

const ships = `# a comment before the first document
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: ships.fleet.test
  labels: {app: '{{ template "name" . }}'}
spec:
  group: fleet.test
  names: {kind: Ship, plural: ships}
  scope: Namespaced
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          description: prose
          type: object
          properties:
            description:
              description: prose about a property called description
              type: string
            default:
              description: prose about a property called default
              type: object
            kept:
              type: object
              default: {description: data}
              enum: [{description: data}]
---
# nothing but a comment
`

const yards = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: yards.fleet.test}
spec: {group: fleet.test}
`

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadStripsProseAndNothingElse(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": yards, "b.yml": ships, "README.md": "not YAML"})
	definitions, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(definitions) != 2 || definitions[0].Name != "ships.fleet.test" || definitions[1].Name != "yards.fleet.test" {
		t.Fatalf("loaded %v", definitions)
	}
	got, err := json.Marshal(definitions[0].spec["versions"])
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"v1","schema":{"openAPIV3Schema":{"properties":{` +
		`"default":{"type":"object"},` +
		`"description":{"type":"string"},` +
		`"kept":{"default":{"description":"data"},"enum":[{"description":"data"}],"type":"object"}},` +
		`"type":"object"}}}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestLoadNamesTheFault(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"not YAML":            {map[string]string{"a.yaml": "a: [\n"}, "a.yaml: document 1: "},
		"another kind":        {map[string]string{"a.yaml": "apiVersion: v1\nkind: Secret\n"}, `document 1 is a "Secret" of "v1"`},
		"no kind":             {map[string]string{"a.yaml": "text: here\n"}, "document 1 is a nothing of nothing"},
		"no name":             {map[string]string{"a.yaml": strings.Replace(yards, "name: yards.fleet.test", "", 1)}, "document 1 has no metadata.name"},
		"no spec":             {map[string]string{"a.yaml": yards + "---\n" + strings.Replace(strings.Replace(yards, "yards", "docks", 1), "spec: {group: fleet.test}", "", 1)}, "document 2, docks.fleet.test, has no spec"},
		"one name, two files": {map[string]string{"a.yaml": yards, "b.yaml": yards}, "b.yaml: yards.fleet.test is already defined in "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, test.files))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to contain %q", err, test.want)
			}
		})
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("an empty directory gave %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing path gave %v", err)
	}
}

func TestDeclareWaitsUntilKindsAreServed(t *testing.T) {
	definitions, err := Load(write(t, map[string]string{"a.yaml": ships}))
	if err != nil {
		t.Fatal(err)
	}
	componenttest.Both(t, func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		owner := &struct{ pulumi.ResourceState }{}
		if err := ctx.RegisterComponentResource("slipway:test:Owner", "owner", owner, providers); err != nil {
			return err
		}
		made, err := Declare(ctx, owner, "owner", map[string]string{"a": "b"}, definitions)
		if err == nil && len(made) != 1 {
			t.Errorf("declared %d resources", len(made))
		}
		return err
	}, func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "owner")
		node := g.One(t, "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "owner-crd-ships.fleet.test")
		for path, want := range map[string]string{
			"metadata.name":                                "ships.fleet.test",
			"metadata.labels.a":                            "b",
			"metadata.labels.app":                          "",
			`metadata.annotations["pulumi.com/waitFor"]`:   "condition=Established",
			"spec.versions[0].schema.openAPIV3Schema.type": "object",
		} {
			if got := node.Text(path); got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
	})
}
