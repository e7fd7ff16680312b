package randomprovider

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// kind is one type of resource: its table of properties and what it makes.
type kind struct {
	// name is the last part of the token, such as RandomPassword.
	name    string
	about   string
	inputs  []field
	outputs []field

	// stateVersion is the version of the state's layout that the official
	// plugin writes beside the outputs; zero where it writes none. Without it
	// the official plugin would migrate a state that needs no migration.
	stateVersion int
	// anonymous resources do not repeat their ID among their outputs.
	anonymous bool

	// settle completes resolved inputs that depend on each other. Nil means
	// that none do.
	settle func(in values)
	// check reports faults that no single property shows. Nil means none.
	check func(in values, fault func(path, problem string))
	// make generates the resource's ID and computed outputs.
	make func(in values) (made, error)
	// adopt recreates a resource from the ID given to an import. Nil where
	// the ID does not say enough.
	adopt func(id string) (made, error)
}

// made is a resource that was generated or imported.
type made struct {
	id string
	// inputs that would have made it; only for an import.
	inputs resource.PropertyMap
	// outputs are the computed properties, without secret wrappers.
	outputs resource.PropertyMap
	// carriers are inputs whose text is part of every output.
	carriers []resource.PropertyKey
}

// token of a kind named RandomPassword is
// random:index/randomPassword:RandomPassword.
func (k *kind) token() string {
	return "random:index/" + strings.ToLower(k.name[:1]) + k.name[1:] + ":" + k.name
}

// faults reports everything that is wrong with a resource's inputs.
func (k *kind) faults(news resource.PropertyMap, fault func(path, problem string)) {
	bad := false
	report := func(path, problem string) {
		bad = true
		fault(path, problem)
	}
	for _, key := range slices.Sorted(maps.Keys(news)) {
		if resource.IsInternalPropertyKey(key) {
			continue
		}
		if _, ok := k.input(key); !ok {
			report(string(key), fmt.Sprintf("is not an input of %s, which takes %s", k.name, k.inputNames()))
		}
	}
	for _, f := range k.inputs {
		switch value := plain(news[f.name]); {
		case !value.IsNull():
			f.check(value, report)
		case f.required:
			report(string(f.name), "is required and not set")
		}
	}
	// A rule over several properties would only repeat what is wrong with one.
	if k.check != nil && !bad {
		k.check(k.resolve(news), report)
	}
}

func (k *kind) input(name resource.PropertyKey) (field, bool) {
	i := slices.IndexFunc(k.inputs, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return k.inputs[i], true
}

func (k *kind) inputNames() string {
	names := make([]string, len(k.inputs))
	for i, f := range k.inputs {
		names[i] = string(f.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// resolve is what the inputs mean: plain values, defaults filled in.
func (k *kind) resolve(properties resource.PropertyMap) values {
	in := values{}
	for _, f := range k.inputs {
		value := plain(properties[f.name])
		if value.IsNull() {
			value = f.fallback
		}
		if !value.IsNull() {
			in[f.name] = value
		}
	}
	if k.settle != nil {
		k.settle(in)
	}
	return in
}

// echo is the part of the outputs that repeats the inputs, with the secrets
// they came with.
func (k *kind) echo(news resource.PropertyMap) resource.PropertyMap {
	out := resource.PropertyMap{}
	for name, value := range k.resolve(news) {
		out[name] = value
		if given, ok := news[name]; ok && !plain(given).IsNull() {
			out[name] = given
		}
	}
	return out
}

// state is what is stored for a resource that was made from news.
func (k *kind) state(news resource.PropertyMap, m made) resource.PropertyMap {
	out := k.echo(news)
	tainted := slices.ContainsFunc(m.carriers, func(name resource.PropertyKey) bool {
		return news[name].ContainsSecrets()
	})
	for _, f := range k.outputs {
		value := m.outputs[f.name]
		if f.secret || tainted {
			value = resource.MakeSecret(value)
		}
		out[f.name] = value
	}
	if !k.anonymous {
		out["id"] = resource.NewProperty(m.id)
	}
	if k.stateVersion > 0 {
		out["__meta"] = resource.NewProperty(fmt.Sprintf(`{"schema_version":"%d"}`, k.stateVersion))
	}
	return out
}

// preview is what is known about a resource before it exists: its inputs.
func (k *kind) preview(news resource.PropertyMap) resource.PropertyMap {
	out := k.echo(news)
	for _, f := range k.outputs {
		value := resource.MakeComputed(resource.NewProperty(""))
		if f.secret {
			value = resource.MakeSecret(value)
		}
		out[f.name] = value
	}
	return out
}
