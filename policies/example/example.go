// Package example holds a platform that every rule passes, and makes of it the
// one that a rule's example describes. Documents and tests are made from it.
package example

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
)

//go:embed platform.yaml
var platform []byte

var read = sync.OnceValues(func() ([]*rule.Resource, error) {
	doc, err := document.Read("platform.yaml", platform)
	return doc.Resources, err
})

// Stack is the name of the example platform's stack.
const Stack = "prod"

// Settings are what the example platform is held to: everything that any stack
// is.
func Settings(stack string) settings.Settings {
	s := settings.Defaults()
	s.Limits.RequireDigest = true
	if stack == "dev" {
		s.Limits.InstanceTypes = []string{"t4g.", "t3."}
	}
	return s
}

// Platform is the platform that passes.
func Platform() (*rule.Stack, error) {
	resources, err := read()
	if err != nil {
		return nil, err
	}
	return rule.NewStack(Stack, slices.Clone(resources)...), nil
}

// Many are n resources: the platform over and over, under other names.
func Many(n int) ([]*rule.Resource, error) {
	platform, err := Platform()
	if err != nil {
		return nil, err
	}
	many := make([]*rule.Resource, 0, n)
	for i := 0; ; i++ {
		for _, r := range platform.Resources {
			if len(many) == n {
				return many, nil
			}
			path, value := "copy", any(float64(i))
			if r.Namespace() != "" {
				path, value = "metadata.namespace", r.Namespace()+"-"+strconv.Itoa(i)
			}
			copied, err := r.With(path, value)
			if err != nil {
				return nil, err
			}
			many = append(many, copied)
		}
	}
}

// Broken is the platform with a rule's example made in it.
func Broken(e rule.Example) (*rule.Stack, error) { return changed(e, true) }

// Doubtful is the platform in which the value that a rule's example changes is
// not known.
func Doubtful(e rule.Example) (*rule.Stack, error) { return changed(e, false) }

func changed(e rule.Example, broken bool) (*rule.Stack, error) {
	base, err := read()
	if err != nil {
		return nil, err
	}
	changes := map[string]map[string]any{}
	for id, set := range e.Also {
		changes[id] = maps.Clone(set)
	}
	if len(e.Set) > 0 {
		changes[e.Resource] = maps.Clone(e.Set)
	}
	if !broken {
		changes = map[string]map[string]any{}
		at, in := UnknownAt(e)
		if at != "" {
			changes[in] = map[string]any{at: rule.Unknown{}}
		}
	}
	var resources []*rule.Resource
	for _, r := range base {
		id := r.ID()
		if slices.Contains(e.Remove, id) {
			continue
		}
		// Values are set in the order of their paths, so that a list's elements
		// are appended in order.
		for _, path := range slices.Sorted(maps.Keys(changes[id])) {
			if r, err = r.With(path, changes[id][path]); err != nil {
				return nil, err
			}
		}
		delete(changes, id)
		if broken && e.Operation != "" && id == e.Resource {
			if r, err = r.With("metadata.annotations.example", "changed"); err != nil {
				return nil, err
			}
			r.Operation = e.Operation
		}
		resources = append(resources, r)
	}
	if len(changes) > 0 {
		return nil, fmt.Errorf("the example platform has no %s", slices.Sorted(maps.Keys(changes))[0])
	}
	if e.Add != "" && broken {
		doc, err := document.Read("example", []byte(e.Add))
		if err != nil {
			return nil, err
		}
		resources = append(resources, doc.Resources...)
	}
	stack := e.Stack
	if stack == "" {
		stack = Stack
	}
	return rule.NewStack(stack, resources...), nil
}

// UnknownAt is the path, and the resource, that the undecided case does not
// know; "" when a rule has none, because it asks about no value.
func UnknownAt(e rule.Example) (path, resource string) {
	path, resource = e.Unknown, e.UnknownIn
	if path == "" && len(e.Set) == 1 {
		for only := range e.Set {
			path = only
		}
	}
	if resource == "" {
		resource = e.Resource
	}
	return path, resource
}
