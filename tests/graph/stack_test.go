// Package graph asks whether the whole is right: what a stack declares, as one
// graph, without an engine and without a cluster.
package graph

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/certificates/certificatestest"
	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/stacks"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// environments are the stacks that carry the platform; allStacks are all.
var (
	environments = []string{"local", "dev", "prod"}
	allStacks    = append([]string{"account"}, environments...)
)

// checkout is the root of the repository.
const checkout = "../.."

// kubeconfig is shaped like the lab's, without its keys.
const kubeconfig = `apiVersion: v1
kind: Config
current-context: slipway-lab
clusters: [{name: slipway-lab, cluster: {server: "https://10.89.0.1:6443"}}]
contexts: [{name: slipway-lab, context: {cluster: slipway-lab, user: admin}}]
users: [{name: admin, user: {token: "not-a-real-token"}}]
`

// lab makes this test's machine one that runs a lab.
func lab(t testing.TB) {
	t.Helper()
	state := t.TempDir()
	t.(interface{ Setenv(string, string) }).Setenv("SLIPWAY_STATE", state)
	if err := os.MkdirAll(filepath.Join(state, "lab"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stacks.LabKubeconfig(), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
}

// config reads a stack file as the engine does: whole values as text, mappings
// and lists as JSON.
func config(t testing.TB, stack string) map[string]string {
	t.Helper()
	settings := fileConfig(t, stack)
	if stack == guest {
		settings = guestSettings(t)
	}
	flat := map[string]string{}
	for key, value := range settings {
		flat[key] = encoded(t, value)
	}
	return flat
}

// fileConfig is what a stack's file says; a branch preview has none.
func fileConfig(t testing.TB, stack string) map[string]any {
	t.Helper()
	if stack == guest {
		return nil
	}
	var file struct {
		Config map[string]any `json:"config"`
	}
	readYAML(t, filepath.Join(checkout, "Pulumi."+stack+".yaml"), &file)
	return file.Config
}

func encoded(t testing.TB, value any) string {
	t.Helper()
	if text, ok := value.(string); ok {
		return text
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func readYAML(t testing.TB, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// drawn is what the provider of random passwords answers.
func drawn(args pulumi.MockResourceArgs) resource.PropertyMap {
	if args.TypeToken != "random:index/randomPassword:RandomPassword" {
		return cloudtest.Drawn(args)
	}
	return resource.PropertyMap{"result": resource.MakeSecret(resource.NewProperty("drawn-" + args.Name))}
}

// graph is a recording that answers as the platform's providers would.
func graph(fresh bool) *componenttest.Graph {
	return &componenttest.Graph{Fresh: fresh, Drawn: drawn, Computed: computed, Answer: cloudtest.Answer("deploy")}
}

// computed is what clusters and clouds add: the authority's certificate,
// addresses to services, and what AWS names.
func computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	for _, adds := range []func(pulumi.MockResourceArgs) resource.PropertyMap{
		cloudtest.Computed, componenttest.ServiceAddresses,
	} {
		if added := adds(args); added != nil {
			return added
		}
	}
	return certificatestest.Computed(args)
}

// declared runs the program of a stack as it would run for real, and records
// what it declares.
func declared(t testing.TB, stack string, fresh bool) *componenttest.Graph {
	t.Helper()
	lab(t)
	g := graph(fresh)
	g.Config, g.StackName = config(t, stack), stack
	g.Answer = obliging(base(t, stack))
	g.Run(t, stacks.Run)
	return g
}

// both asks check about each environment as an update and as a first preview.
func both(t *testing.T, check func(t *testing.T, g *componenttest.Graph)) {
	t.Helper()
	for _, stack := range environments {
		for name, fresh := range map[string]bool{"update": false, "first preview": true} {
			t.Run(stack+" "+name, func(t *testing.T) { check(t, declared(t, stack, fresh)) })
		}
	}
}

// sourceTag is the part of an image that every edit of its source changes.
var sourceTag = regexp.MustCompile(`src-[0-9a-f]{12}`)
