package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Operation is what an update would do to a resource.
type Operation string

// Operations; None where the source says nothing about change.
const (
	None    Operation = ""
	Create  Operation = "create"
	Update  Operation = "update"
	Replace Operation = "replace"
	Delete  Operation = "delete"
)

// Unknown stands in a tree for a value that is not known yet.
type Unknown struct{}

// Secret stands in a tree for a value that must never be shown. A nil Value is
// one that the source itself does not reveal, which makes it unknown as well.
type Secret struct{ Value any }

// maxDepth bounds how deep properties may nest. Kubernetes itself refuses
// objects nested deeper than this.
const maxDepth = 128

// ErrTooDeep is returned for properties nested deeper than any real resource's.
var ErrTooDeep = errors.New("nested deeper than 128 levels")

// Resource is one declared resource as data.
type Resource struct {
	// Type is Pulumi's type token, such as "kubernetes:apps/v1:Deployment".
	Type string
	// Name is the logical name of a Pulumi resource; for a manifest the name of
	// the object.
	Name string
	// URN is empty for manifests.
	URN string
	// Dependencies are the URNs of the resources this one was made from.
	Dependencies []string
	// Operation is what the update under judgement does to the resource.
	Operation Operation
	// Protect says that Pulumi refuses to delete the resource.
	Protect bool
	// File and Line say where a manifest was read, for reports; empty and 0
	// otherwise.
	File string
	Line int

	properties map[string]any
	unknown    []unknownPath
	secrets    []string
	hidden     [][]string

	decoded any
	failure error
	pod     *Pod
}

// unknownPath is one unknown value.
type unknownPath struct {
	text  string
	steps []string
}

// New makes a resource of a type with a name from a tree of maps, slices,
// strings, numbers, booleans, nil, Unknown and Secret. The tree is copied.
func New(token, name string, properties map[string]any) (*Resource, error) {
	r := &Resource{Type: token, Name: name}
	tree, err := r.take("", properties, 0, false)
	if err != nil {
		return nil, fmt.Errorf("reading %s %q: %w", token, name, err)
	}
	r.properties, _ = tree.(map[string]any)
	if r.properties == nil {
		r.properties = map[string]any{}
	}
	return r, nil
}

// take copies a value without what is unknown, and notes what is unknown or
// secret on the way.
func (r *Resource) take(path string, value any, depth int, secret bool) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%.80s…: %w", path, ErrTooDeep)
	}
	switch v := value.(type) {
	case Unknown:
		r.unknown = append(r.unknown, unknownPath{path, steps(path)})
		return Unknown{}, nil
	case Secret:
		if v.Value == nil {
			v.Value = Unknown{}
		}
		return r.take(path, v.Value, depth, true)
	case map[string]any:
		taken := make(map[string]any, len(v))
		for key, inner := range v {
			got, err := r.take(join(path, key), inner, depth+1, secret)
			if err != nil {
				return nil, err
			}
			if _, unknown := got.(Unknown); !unknown {
				taken[key] = got
			}
		}
		return taken, nil
	case []any:
		taken := make([]any, len(v))
		for i, inner := range v {
			got, err := r.take(item(path, i), inner, depth+1, secret)
			if err != nil {
				return nil, err
			}
			if _, unknown := got.(Unknown); !unknown {
				taken[i] = got // others stay nil, so that positions hold
			}
		}
		return taken, nil
	case string, bool, float64, int64, int, uint64:
		if secret {
			r.secrets, r.hidden = append(r.secrets, fmt.Sprint(v)), append(r.hidden, steps(path))
		}
		switch n := v.(type) {
		case int:
			return int64(n), nil
		case uint64:
			return int64(n), nil //nolint:gosec // numbers of manifests fit
		}
		return v, nil
	case nil:
		return nil, nil
	default:
		return nil, fmt.Errorf("%s: cannot hold a %T", path, value)
	}
}

// Kind is the last part of the type token, such as "Deployment".
func (r *Resource) Kind() string { return r.Type[strings.LastIndex(r.Type, ":")+1:] }

// IsKubernetes tells whether the resource is an object of a cluster.
func (r *Resource) IsKubernetes() bool { return strings.HasPrefix(r.Type, "kubernetes:") }

// ObjectName is metadata.name, or the logical name where an object has none.
func (r *Resource) ObjectName() string {
	if name := r.Text("metadata", "name"); name != "" {
		return name
	}
	return r.Name
}

// Namespace is metadata.namespace, or "".
func (r *Resource) Namespace() string { return r.Text("metadata", "namespace") }

// ID names the resource the same way whether it was read from Pulumi or from a
// manifest: Kind/namespace/name for objects, Kind/name for objects without a
// namespace, and type/name for everything else. Waivers use it.
func (r *Resource) ID() string {
	if !r.IsKubernetes() {
		return r.Type + "/" + r.Name
	}
	name, namespace := r.ObjectName(), r.Namespace()
	if r.hides("metadata.name") {
		name = r.Name
	}
	if r.hides("metadata.namespace") {
		namespace = "[secret]"
	}
	if namespace == "" {
		return r.Kind() + "/" + name
	}
	return r.Kind() + "/" + namespace + "/" + name
}

// DependsOn tells whether the resource was made from another.
func (r *Resource) DependsOn(other *Resource) bool {
	return other.URN != "" && slices.Contains(r.Dependencies, other.URN)
}

// Value looks a known value up by its keys; nil where there is none.
func (r *Resource) Value(keys ...string) any {
	var value any = r.properties
	for _, key := range keys {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

// Text is the text at keys, or "".
func (r *Resource) Text(keys ...string) string {
	text, _ := r.Value(keys...).(string)
	return text
}

// Labels are the object's own labels.
func (r *Resource) Labels() map[string]string { return r.stringMap("metadata", "labels") }

// Annotations are the object's own annotations.
func (r *Resource) Annotations() map[string]string { return r.stringMap("metadata", "annotations") }

func (r *Resource) stringMap(keys ...string) map[string]string {
	object, _ := r.Value(keys...).(map[string]any)
	texts := make(map[string]string, len(object))
	for key, value := range object {
		if text, ok := value.(string); ok {
			texts[key] = text
		}
	}
	return texts
}

// unknownAt returns the unknown values that patterns lead to or through.
func (r *Resource) unknownAt(patterns [][]string) []unknownPath {
	var found []unknownPath
	for _, unknown := range r.unknown {
		if slices.ContainsFunc(patterns, func(p []string) bool { return meet(p, unknown.steps) }) {
			found = append(found, unknown)
		}
	}
	return found
}

// With returns a copy of the resource whose value at path is another; a nil
// value removes it. Steps on the way are made where they are missing.
func (r *Resource) With(path string, value any) (*Resource, error) {
	tree := cloned(r.properties).(map[string]any)
	for _, unknown := range r.unknown {
		if err := put(tree, unknown.steps, Unknown{}); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", r.ID(), unknown.text, err)
		}
	}
	if err := put(tree, steps(path), value); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", r.ID(), path, err)
	}
	changed, err := New(r.Type, r.Name, tree)
	if err != nil {
		return nil, err
	}
	changed.Dependencies = r.Dependencies
	changed.URN, changed.Operation, changed.Protect, changed.File, changed.Line = r.URN, r.Operation, r.Protect, r.File, r.Line
	return changed, nil
}

// Properties are a copy of the known properties.
func (r *Resource) Properties() map[string]any { return cloned(r.properties).(map[string]any) }

func cloned(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := maps.Clone(v)
		for key, inner := range copied {
			copied[key] = cloned(inner)
		}
		return copied
	case []any:
		copied := slices.Clone(v)
		for i, inner := range copied {
			copied[i] = cloned(inner)
		}
		return copied
	default:
		return v
	}
}

// At is a known value by its path, or nil.
func (r *Resource) At(path string) any {
	var value any = r.properties
	for _, step := range steps(path) {
		switch container := value.(type) {
		case map[string]any:
			value = container[step]
		case []any:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= len(container) {
				return nil
			}
			value = container[index]
		default:
			return nil
		}
	}
	return value
}
