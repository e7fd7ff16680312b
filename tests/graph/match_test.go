package graph

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/stacks"
)

// The program and the helper never import each other, so what they must agree
// on is compared here.

func TestTheProgramFindsTheLab(t *testing.T) {
	for _, state := range []string{"", "/somewhere/else"} {
		t.Setenv(paths.StateEnv, state)
		if got, want := stacks.LabKubeconfig(), paths.Kubeconfig(); got != want {
			t.Errorf("with %s=%q the program looks for %s, the lab writes %s", paths.StateEnv, state, got, want)
		}
	}
}

// TestEveryImageIsBuilt: a node pulls nothing, so an image that the builder
// does not know would never start.
func TestEveryImageIsBuilt(t *testing.T) {
	root, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	builder, err := image.Open(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]bool{}
	for _, spec := range builder.Catalog() {
		built[spec.Ref] = true
	}
	used := 0
	both(t, func(t *testing.T, g *componenttest.Graph) {
		for _, node := range g.Nodes() {
			for _, list := range []string{"containers", "initContainers"} {
				containers, _ := node.Path("spec.template.spec." + list)
				if !containers.IsArray() {
					continue
				}
				for i := range containers.ArrayValue() {
					used++
					ref := containers.ArrayValue()[i].ObjectValue()["image"].StringValue()
					if _, _, elsewhere := strings.Cut(ref, registryPath); !built[ref] && !elsewhere {
						t.Errorf("%s %q runs %s, which nothing builds", node.TypeToken, node.Name, ref)
					}
				}
			}
		}
	})
	if used < 8 {
		t.Errorf("only %d containers were looked at", used)
	}
}

// registryPath is what lies between the host of an account's registry and the
// name of an image in it.
const registryPath = ".amazonaws.com/slipway/"

// TestWhatIsPushedIsWhatIsPulled: what a pod on AWS runs and nobody pushes would
// never start, what is pushed needs a repository, and what nobody runs is
// pushed in vain.
func TestWhatIsPushedIsWhatIsPulled(t *testing.T) {
	root, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	builder, err := image.Open(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	var pushed, repositories []string
	for _, spec := range builder.Catalog() {
		if at := spec.InRegistry(); at != "" {
			pushed = append(pushed, at)
		}
	}
	slices.Sort(pushed)
	run := append(pulled(declared(t, "dev", false)), pulled(declared(t, "prod", false))...)
	slices.Sort(run)
	if diff := cmp.Diff(pushed, slices.Compact(run)); diff != "" {
		t.Errorf("dev and prod pull something else (+) than is pushed (-):\n%s", diff)
	}
	for _, node := range declared(t, "account", false).Of("aws:ecr/repository:Repository") {
		repositories = append(repositories, strings.TrimPrefix(node.Text("name"), "slipway/"))
	}
	slices.Sort(repositories)
	for i := range pushed {
		pushed[i], _, _ = strings.Cut(pushed[i], ":")
	}
	if diff := cmp.Diff(pushed, repositories); diff != "" {
		t.Errorf("the account has other repositories (+) than are pushed to (-):\n%s", diff)
	}
}

// pulled are the images that a stack's objects name in its account's registry,
// wherever they name them: a pod's containers, and images that a program starts
// pods of.
func pulled(g *componenttest.Graph) []string {
	found := map[string]bool{}
	for _, node := range g.Of("kubernetes:") {
		texts(resource.NewProperty(node.Inputs), func(text string) {
			for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\"'= ,\n", r) }) {
				if _, image, in := strings.Cut(word, registryPath); in && strings.Contains(image, ":") {
					found[image] = true
				}
			}
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// texts calls each with every text in a value.
func texts(v resource.PropertyValue, each func(string)) {
	switch {
	case v.IsString():
		each(v.StringValue())
	case v.IsObject():
		for _, inner := range v.ObjectValue() {
			texts(inner, each)
		}
	case v.IsArray():
		for _, inner := range v.ArrayValue() {
			texts(inner, each)
		}
	case v.IsSecret():
		texts(v.SecretValue().Element, each)
	case v.IsOutput():
		texts(v.OutputValue().Element, each)
	}
}
