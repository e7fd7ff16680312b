// Package checkpoint reads a stack's state as Pulumi stores it, without
// decrypting anything.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// ErrVersion is returned for a checkpoint of a format this package does not
// know.
var ErrVersion = errors.New("unknown checkpoint version")

// State is a stack's resources at one time.
type State struct {
	apitype.DeploymentV3
	// Stack is the full name, as in organization/project/stack.
	Stack string
}

// Parse reads a checkpoint file. A stack that has no resources yet is an
// empty state.
func Parse(raw []byte) (*State, error) {
	var versioned struct {
		Version    int             `json:"version"`
		Checkpoint json.RawMessage `json:"checkpoint"`
	}
	if err := json.Unmarshal(raw, &versioned); err != nil {
		return nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	// Version 4 is version 3 with a list of features, which say what an older
	// engine must understand; none changes the fields read here.
	if versioned.Version != 3 && versioned.Version != 4 {
		return nil, fmt.Errorf("reading a checkpoint: %w: %d, not 3 or 4", ErrVersion, versioned.Version)
	}
	var inner struct {
		Stack  string                `json:"stack"`
		Latest *apitype.DeploymentV3 `json:"latest"`
	}
	if err := json.Unmarshal(versioned.Checkpoint, &inner); err != nil {
		return nil, fmt.Errorf("reading a checkpoint: %w", err)
	}
	state := &State{Stack: inner.Stack}
	if inner.Latest != nil {
		state.DeploymentV3 = *inner.Latest
	}
	return state, nil
}

// Verify looks for what would keep the engine from using the state: two
// resources with one name, and parents, providers or dependencies that are
// not there or come later.
func (s *State) Verify() error {
	seen := map[string]bool{}
	var faults []error
	need := func(of, role, urn string) {
		if urn != "" && !seen[urn] {
			faults = append(faults, fmt.Errorf("%s of %s is not before it: %s", role, of, urn))
		}
	}
	for i := range s.Resources {
		r := &s.Resources[i]
		urn := string(r.URN)
		if urn == "" {
			faults = append(faults, fmt.Errorf("resource %d has no name", i))
			continue
		}
		// A replaced resource waits for its deletion under the same name.
		if seen[urn] && !r.Delete {
			faults = append(faults, fmt.Errorf("two resources are called %s", urn))
		}
		need(urn, "the parent", string(r.Parent))
		if provider, _, ok := cutLast(r.Provider, "::"); ok {
			need(urn, "the provider", provider)
		}
		for _, dependency := range r.Dependencies {
			need(urn, "a dependency", string(dependency))
		}
		seen[urn] = true
	}
	return errors.Join(faults...)
}

// Providers maps each provider's package to its version, as far as the
// program named one.
func (s *State) Providers() map[string]string {
	versions := map[string]string{}
	for i := range s.Resources {
		name, ok := strings.CutPrefix(string(s.Resources[i].Type), "pulumi:providers:")
		if !ok {
			continue
		}
		version, _ := s.Resources[i].Inputs["version"].(string)
		if versions[name] == "" {
			versions[name] = version
		}
	}
	return versions
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

// Name is the last part of a URN, the name the program gave.
func Name(urn string) string {
	_, name, ok := cutLast(urn, "::")
	if !ok {
		return urn
	}
	return name
}

// Type is the resource's own type in a URN, without its parents'.
func Type(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return ""
	}
	_, own, ok := cutLast(parts[2], "$")
	if !ok {
		return parts[2]
	}
	return own
}

// signature marks an object that stands for another kind of value.
const signature = "4dabf18193072939515e22adb298388d"

const secretSignature = "1b47061264138c4ac30d75fd1eb44270"

// Secret tells whether a value is a secret, and returns what stands in its
// place in the file: ciphertext, or in an event Pulumi's own mask.
func Secret(value any) (text string, ok bool) {
	object, isObject := value.(map[string]any)
	if !isObject || object[signature] != secretSignature {
		return "", false
	}
	for _, key := range []string{"ciphertext", "plaintext"} {
		if text, isText := object[key].(string); isText {
			return text, true
		}
	}
	return "", true
}

// Masked stands in place of a secret, as in what pulumi prints.
const Masked = "[secret]"

// Outputs are the stack's outputs with every secret in them masked, as
// `pulumi stack output --json` prints them. A stack that was never updated has
// none.
func (s *State) Outputs() map[string]any {
	outputs := map[string]any{}
	for i := range s.Resources {
		if r := &s.Resources[i]; r.Type == rootType && !r.Delete {
			for name, value := range r.Outputs {
				outputs[name] = Mask(value)
			}
			break
		}
	}
	return outputs
}

// rootType is the type of the one resource that every other belongs to.
const rootType = "pulumi:pulumi:Stack"

// Mask is a value with every secret in it masked.
func Mask(value any) any {
	if _, secret := Secret(value); secret {
		return Masked
	}
	switch value := value.(type) {
	case map[string]any:
		masked := make(map[string]any, len(value))
		for key, element := range value {
			masked[key] = Mask(element)
		}
		return masked
	case []any:
		masked := make([]any, len(value))
		for i, element := range value {
			masked[i] = Mask(element)
		}
		return masked
	}
	return value
}
