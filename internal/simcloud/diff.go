package simcloud

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Diff compares what exists, as the state has it, with the inputs.
func (p *Provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := Decode(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	oldInputs, err := Decode(req.GetUrn(), req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	return k.diff(p, olds, oldInputs, news), nil
}

func (k *kind) diff(p *Provider, olds, oldInputs, news resource.PropertyMap) *pulumirpc.DiffResponse {
	response := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	before, given, after := Plain(olds), Plain(oldInputs), Plain(news)
	for _, name := range slices.Sorted(maps.Keys(k.schema().Inputs)) {
		_, was := given[name]
		new, is := after[name]
		if !was && !is {
			continue // AWS's own value, if any, is nobody's wish
		}
		if !is {
			new = k.defaults[name]
		}
		old := Prune(before[name], given[name], new)
		if Same(old, new) || k.written(name) && Same(given[name], new) {
			continue
		}
		k.note(response, name, old, new)
	}
	// Default tags belong to the provider, so no input of the resource shows
	// that they changed.
	if _, ok := k.schema().Outputs["tagsAll"]; ok && !slices.Contains(response.Diffs, "tags") && !HasUnknown(after["tags"]) {
		if all := p.tagsAll(after); !Same(before["tagsAll"], all) {
			Details("tagsAll", before["tagsAll"], all, false, response.DetailedDiff)
			response.Changes = pulumirpc.DiffResponse_DIFF_SOME
			response.Diffs = append(response.Diffs, "tagsAll")
		}
	}
	// A name that the program insists on cannot be had twice.
	if len(response.Replaces) > 0 && k.naming != nil && !autonamed(news) && Same(before[k.naming.property], after[k.naming.property]) {
		response.DeleteBeforeReplace = true
	}
	return response
}

// Prune drops members that AWS added to an object on its own: neither the
// inputs it was made from nor the new ones have them.
func Prune(value, given, wanted any) any {
	switch value := value.(type) {
	case map[string]any:
		a, hasA := given.(map[string]any)
		b, hasB := wanted.(map[string]any)
		if !hasA && !hasB {
			return value
		}
		kept := map[string]any{}
		for key, element := range value {
			_, inA := a[key]
			_, inB := b[key]
			if inA || inB {
				kept[key] = Prune(element, a[key], b[key])
			}
		}
		return kept
	case []any:
		a, _ := given.([]any)
		b, _ := wanted.([]any)
		kept := make([]any, len(value))
		for i, e := range value {
			kept[i] = Prune(e, element(a, i), element(b, i))
		}
		return kept
	default:
		return value
	}
}

// written tells whether AWS never gives the input back, so that only two
// inputs can be compared.
func (k *kind) written(input string) bool {
	_, readable := k.schema().Outputs[input]
	return !readable
}

func (k *kind) note(response *pulumirpc.DiffResponse, name string, old, new any) {
	replaces := k.replaces(name)
	response.Changes = pulumirpc.DiffResponse_DIFF_SOME
	response.Diffs = append(response.Diffs, name)
	Details(name, old, new, replaces, response.DetailedDiff)
	if !replaces {
		// A nested property may need a new thing where its siblings do not.
		for _, path := range k.replace {
			if !Same(first(before(name, old), path), first(before(name, new), path)) {
				replaces = true
				Details(name, old, new, true, response.DetailedDiff)
				break
			}
		}
	}
	if replaces {
		response.Replaces = append(response.Replaces, name)
	}
}

func before(name string, value any) Props { return Props{name: value} }

func first(in Props, path string) any {
	var values []any
	for _, f := range Walk(map[string]any(in), path) {
		values = append(values, f.Value)
	}
	return values
}

// Details says which members of maps and lists differ, so that the display
// shows one tag and not all.
func Details(path string, old, new any, replaces bool, into map[string]*pulumirpc.PropertyDiff) {
	if Same(old, new) {
		return
	}
	oldMap, wasMap := old.(map[string]any)
	newMap, isMap := new.(map[string]any)
	oldList, wasList := old.([]any)
	newList, isList := new.([]any)
	switch {
	case wasMap && isMap:
		keys := maps.Clone(oldMap)
		maps.Copy(keys, newMap)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			Details((resource.PropertyPath{path, key}).String(), oldMap[key], newMap[key], replaces, into)
		}
	case wasList && isList:
		for i := range max(len(oldList), len(newList)) {
			Details(fmt.Sprintf("%s[%d]", path, i), element(oldList, i), element(newList, i), replaces, into)
		}
	default:
		into[path] = &pulumirpc.PropertyDiff{Kind: diffKind(old, new, replaces)}
	}
}

func element(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

func diffKind(old, new any, replaces bool) pulumirpc.PropertyDiff_Kind {
	kind, replacing := pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE
	switch {
	case old == nil:
		kind, replacing = pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE
	case new == nil:
		kind, replacing = pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE
	}
	if replaces {
		return replacing
	}
	return kind
}
