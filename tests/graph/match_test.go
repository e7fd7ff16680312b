package graph

import (
	"path/filepath"
	"strings"
	"testing"

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
	// What a registry of the platform's own holds is built here, also when
	// upstream calls it otherwise.
	const own = "slipway.dev/"
	built := map[string]bool{}
	for _, spec := range builder.Catalog() {
		built[spec.Ref] = true
		for _, prefix := range []string{"docker.io/library/", "quay.io/jetstack/", "registry.k8s.io/kube-state-metrics/"} {
			if path, upstream := strings.CutPrefix(spec.Ref, prefix); upstream {
				built[own+path] = true
			}
		}
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
					// Where a registry answers, what is built goes there under its own path.
					if host, path, found := strings.Cut(ref, ".amazonaws.com/slipway/"); found && strings.Contains(host, ".dkr.ecr.") {
						ref = own + path
					}
					if !built[ref] {
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
