// Package difference compares two states of a stack by resource and property.
// Secrets are compared, never shown.
package difference

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
)

// Change says what happened to a resource.
type Change string

// What can happen between two states.
const (
	Added   Change = "added"
	Removed Change = "removed"
	// Replaced resources have the same name and another identity.
	Replaced Change = "replaced"
	Changed  Change = "changed"
	// Renamed resources kept their identity under another name.
	Renamed Change = "renamed"
)

// Property is one value that differs.
type Property struct {
	// Path is such as spec.replicas or data["key"].
	Path string `json:"path"`
	// Before and After are the values as JSON; empty for one that is not there,
	// and checkpoint.Masked for a secret.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Resource is one resource that differs.
type Resource struct {
	URN    string `json:"urn"`
	Type   string `json:"type"`
	Name   string `json:"name"`
	Change Change `json:"change"`
	// Was is the URN before, for a renamed resource.
	Was string `json:"was,omitempty"`
	// Holds says what data the resource holds, empty for none.
	Holds      string     `json:"holds,omitempty"`
	Properties []Property `json:"properties,omitempty"`
}

// Compare lists what differs from before to after: what after has, in its
// order, then what it has no more. Inputs are compared, because outputs follow
// from them; of the stack itself, which has no inputs, its outputs.
func Compare(before, after *checkpoint.State) []Resource {
	old := live(before)
	holds := [2]*guard.Guard{guard.FromState(before), guard.FromState(after)}
	renamed := renames(before, after)
	matched := map[string]bool{}
	var out []Resource
	for i := range after.Resources {
		r := &after.Resources[i]
		if r.Delete {
			continue
		}
		urn := string(r.URN)
		d := Resource{URN: urn, Type: string(r.Type), Name: checkpoint.Name(urn), Holds: holds[1].Holds(urn)}
		was := old[urn]
		if was == nil {
			if from := renamed[urn]; from != "" {
				was, d.Was = old[from], from
			}
		}
		if was == nil {
			d.Change = Added
			out = append(out, d)
			continue
		}
		matched[string(was.URN)] = true
		d.Properties = properties(was, r)
		switch {
		case r.Custom && was.ID != r.ID:
			d.Change = Replaced
		case d.Was != "":
			d.Change = Renamed
		case len(d.Properties) > 0:
			d.Change = Changed
		default:
			continue
		}
		out = append(out, d)
	}
	for i := range before.Resources {
		r := &before.Resources[i]
		if urn := string(r.URN); !r.Delete && !matched[urn] {
			out = append(out, Resource{URN: urn, Type: string(r.Type), Name: checkpoint.Name(urn), Change: Removed, Holds: holds[0].Holds(urn)})
		}
	}
	return out
}

func live(s *checkpoint.State) map[string]*apitype.ResourceV3 {
	resources := make(map[string]*apitype.ResourceV3, len(s.Resources))
	for i := range s.Resources {
		if !s.Resources[i].Delete {
			resources[string(s.Resources[i].URN)] = &s.Resources[i]
		}
	}
	return resources
}

// renames maps names that only after has to the names before. A state keeps a
// resource's aliases only for the update that renamed it, so in either
// direction an alias counts, and else an identity that no other resource of
// the type shares.
func renames(before, after *checkpoint.State) map[string]string {
	old, current := live(before), live(after)
	found, taken := map[string]string{}, map[string]bool{}
	take := func(urn, was string) {
		if found[urn] == "" && !taken[was] {
			found[urn], taken[was] = was, true
		}
	}
	fresh := slices.Sorted(maps.Keys(current))
	fresh = slices.DeleteFunc(fresh, func(urn string) bool { return old[urn] != nil })
	gone := slices.Sorted(maps.Keys(old))
	gone = slices.DeleteFunc(gone, func(urn string) bool { return current[urn] != nil })
	for _, urn := range fresh {
		for _, alias := range current[urn].Aliases {
			if slices.Contains(gone, string(alias)) {
				take(urn, string(alias))
			}
		}
	}
	for _, was := range gone {
		for _, alias := range old[was].Aliases {
			if slices.Contains(fresh, string(alias)) {
				take(string(alias), was)
			}
		}
	}
	identities := map[string][]string{}
	for _, was := range gone {
		if key := identity(old[was]); key != "" {
			identities[key] = append(identities[key], was)
		}
	}
	claims := map[string]int{}
	for _, urn := range fresh {
		claims[identity(current[urn])]++
	}
	for _, urn := range fresh {
		key := identity(current[urn])
		if same := identities[key]; key != "" && len(same) == 1 && claims[key] == 1 {
			take(urn, same[0])
		}
	}
	return found
}

// identity is empty for resources that have none of their own: some providers
// give every resource the ID "none".
func identity(r *apitype.ResourceV3) string {
	if !r.Custom || r.ID == "" || r.ID == "none" {
		return ""
	}
	return string(r.Type) + " " + string(r.ID)
}

func properties(was, is *apitype.ResourceV3) []Property {
	before, after := was.Inputs, is.Inputs
	if !is.Custom && len(before) == 0 && len(after) == 0 {
		before, after = was.Outputs, is.Outputs
	}
	var out []Property
	walk("", before, after, &out)
	if was.Protect != is.Protect {
		out = append(out, Property{Path: "(protect)", Before: fmt.Sprint(was.Protect), After: fmt.Sprint(is.Protect)})
	}
	return out
}

// Values lists what differs between two sets of properties; nil is one of
// something that is not there.
func Values(before, after map[string]any) []Property {
	var out []Property
	walk("", either(before), either(after), &out)
	return out
}

func either(properties map[string]any) map[string]any {
	if properties == nil {
		return map[string]any{}
	}
	return properties
}

// walk goes down as long as both sides are objects or lists of one length.
func walk(path string, before, after any, out *[]Property) {
	oldSecret, wasSecret := checkpoint.Secret(before)
	newSecret, isSecret := checkpoint.Secret(after)
	if wasSecret || isSecret {
		// The engine keeps a ciphertext as long as the value is the same, so
		// another ciphertext is another value or was encrypted anew.
		if oldSecret != newSecret || wasSecret != isSecret {
			*out = append(*out, Property{Path: path, Before: show(before), After: show(after)})
		}
		return
	}
	switch old := before.(type) {
	case map[string]any:
		if current, ok := after.(map[string]any); ok {
			keys := slices.Sorted(maps.Keys(old))
			for _, key := range slices.Sorted(maps.Keys(current)) {
				if _, there := old[key]; !there {
					keys = append(keys, key)
				}
			}
			for _, key := range keys {
				if strings.HasPrefix(key, "__") {
					continue // what providers note for themselves
				}
				walk(join(path, key), old[key], current[key], out)
			}
			return
		}
	case []any:
		if current, ok := after.([]any); ok && len(old) == len(current) {
			for i := range old {
				walk(fmt.Sprintf("%s[%d]", path, i), old[i], current[i], out)
			}
			return
		}
	}
	if a, b := show(before), show(after); a != b {
		*out = append(*out, Property{Path: path, Before: a, After: b})
	}
}

func join(path, key string) string {
	plain := key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
	switch {
	case !plain:
		return fmt.Sprintf("%s[%q]", path, key)
	case path == "":
		return key
	}
	return path + "." + key
}

// show is a value as JSON with every secret in it masked.
func show(value any) string {
	if value == nil {
		return ""
	}
	raw, err := json.Marshal(checkpoint.Mask(value))
	if err != nil {
		return fmt.Sprint(value)
	}
	if string(raw) == `"`+checkpoint.Masked+`"` {
		return checkpoint.Masked
	}
	return string(raw)
}

var signs = map[Change]string{Added: "+", Removed: "-", Replaced: "±", Changed: "~", Renamed: ">"}

// Write prints differences as a tree for a person.
func Write(to io.Writer, resources []Resource) {
	for _, r := range resources {
		line := fmt.Sprintf("%s %s %s", signs[r.Change], r.Type, r.Name)
		if r.Was != "" {
			line += " (was " + checkpoint.Name(r.Was) + ")"
		}
		if r.Holds != "" {
			line += "  [holds " + r.Holds + "]"
		}
		fmt.Fprintln(to, line)
		for _, p := range r.Properties {
			fmt.Fprintf(to, "    %s: %s => %s\n", p.Path, short(p.Before), short(p.After))
		}
	}
	if len(resources) == 0 {
		fmt.Fprintln(to, "no differences")
	}
}

func short(text string) string {
	if text == "" {
		return "(none)"
	}
	const width = 120
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}
