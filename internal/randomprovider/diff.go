package randomprovider

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// diff compares the state of a resource with new inputs. Both mean the same
// after defaults, so that spelling out a default changes nothing. A value that
// a preview does not know yet counts as changed.
func (k *kind) diff(olds, news resource.PropertyMap) *pulumirpc.DiffResponse {
	before, after := k.resolve(olds), k.resolve(news)
	response := &pulumirpc.DiffResponse{
		Changes:         pulumirpc.DiffResponse_DIFF_NONE,
		HasDetailedDiff: true,
		DetailedDiff:    map[string]*pulumirpc.PropertyDiff{},
	}
	for _, f := range k.inputs {
		old, new := before[f.name], after[f.name]
		if same(old, new) {
			continue
		}
		replaces := f.keeps == nil || !f.keeps(old, new)
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, string(f.name))
		if replaces {
			response.Replaces = append(response.Replaces, string(f.name))
		}
		details(string(f.name), old, new, replaces, response.DetailedDiff)
	}
	return response
}

// same holds for equal values, and for no map and an empty map.
func same(old, new resource.PropertyValue) bool {
	empty := func(v resource.PropertyValue) bool { return v.IsNull() || v.IsObject() && len(v.ObjectValue()) == 0 }
	return empty(old) && empty(new) || old.DeepEquals(new)
}

// details says which members of maps and lists differ, so that the display
// shows one keeper and not the whole map.
func details(path string, old, new resource.PropertyValue, replaces bool, into map[string]*pulumirpc.PropertyDiff) {
	switch {
	case same(old, new):
	case old.IsObject() && new.IsObject():
		keys := maps.Clone(old.ObjectValue())
		maps.Copy(keys, new.ObjectValue())
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			details(memberPath(path, string(key)), old.ObjectValue()[key], new.ObjectValue()[key], replaces, into)
		}
	case old.IsArray() && new.IsArray():
		before, after := old.ArrayValue(), new.ArrayValue()
		for i := range max(len(before), len(after)) {
			details(fmt.Sprintf("%s[%d]", path, i), element(before, i), element(after, i), replaces, into)
		}
	default:
		into[path] = &pulumirpc.PropertyDiff{Kind: diffKind(old, new, replaces)}
	}
}

func element(list []resource.PropertyValue, i int) resource.PropertyValue {
	if i < len(list) {
		return list[i]
	}
	return resource.NewNullProperty()
}

func diffKind(old, new resource.PropertyValue, replaces bool) pulumirpc.PropertyDiff_Kind {
	kind, replacing := pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE
	switch {
	case old.IsNull():
		kind, replacing = pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE
	case new.IsNull():
		kind, replacing = pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE
	}
	if replaces {
		return replacing
	}
	return kind
}

// update is the old state with the new inputs: what was generated stays.
func (k *kind) update(olds, news resource.PropertyMap) resource.PropertyMap {
	out := maps.Clone(olds)
	for _, f := range k.inputs {
		delete(out, f.name)
	}
	maps.Copy(out, k.echo(news))
	return out
}
