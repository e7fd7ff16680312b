package environment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
)

// ErrForeign is returned for a stack that holds what no preview has.
var ErrForeign = errors.New("it holds what is not a branch preview's own, so nothing was removed")

const namespaceType = "kubernetes:core/v1:Namespace"

// CheckOwn returns ErrForeign unless all that a state holds belongs to the
// preview: data in its namespaces and passwords to it may go, and anything that
// is protected, that is in another namespace or in none may not.
func CheckOwn(state *checkpoint.State, namespaces []string) error {
	holds := guard.FromState(state)
	var foreign []string
	for i := range state.Resources {
		r := &state.Resources[i]
		kind := string(r.Type)
		if !r.Custom || strings.HasPrefix(kind, "pulumi:") {
			continue
		}
		said := ""
		switch metadata, _ := r.Inputs["metadata"].(map[string]any); {
		case r.Protect:
			said = "is protected"
		case kind == namespaceType:
			if name, _ := metadata["name"].(string); !slices.Contains(namespaces, name) {
				said = "is namespace " + name
			}
		case strings.HasPrefix(kind, "kubernetes:"):
			if namespace, _ := metadata["namespace"].(string); !slices.Contains(namespaces, namespace) {
				said = "is in namespace " + namespace
				if namespace == "" {
					said = "belongs to the whole cluster"
				}
			}
		case strings.HasPrefix(kind, "random:"):
		default:
			said = "is no object of Kubernetes"
			if what := holds.Holds(string(r.URN)); what != "" {
				said = "holds " + what
			}
		}
		if said != "" {
			foreign = append(foreign, fmt.Sprintf("  %s %s %s", kind, checkpoint.Name(string(r.URN)), said))
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%s\nLook at how it came into the stack; `slipway destroy` deletes such a stack whatever it holds", ErrForeign, strings.Join(foreign, "\n"))
}
