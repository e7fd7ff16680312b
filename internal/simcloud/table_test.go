package simcloud

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// typeAt is the type of the property at a path, and whether the SDK has it.
func typeAt(object map[string]string, path string) (string, bool) {
	step, rest, more := strings.Cut(path, ".")
	name, every := strings.CutSuffix(step, "[]")
	typ, ok := object[name]
	if !ok {
		return "", false
	}
	if every {
		if typ, ok = strings.CutPrefix(typ, "[]"); !ok {
			return "", false
		}
	}
	if !more {
		return typ, true
	}
	nested, ok := schema.Objects[typ]
	if !ok {
		return "", false
	}
	types := map[string]string{}
	for name, p := range nested {
		types[name] = p.Type
	}
	return typeAt(types, rest)
}

// What the table says must be about properties that the SDK has: a misspelt
// name would be a rule that never holds.
func TestTableOnlyNamesWhatTheSDKHas(t *testing.T) {
	for _, token := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[token]
		t.Run(k.name(), func(t *testing.T) {
			inputs, outputs := map[string]string{}, map[string]string{}
			for name, p := range k.schema().Inputs {
				inputs[name] = p.Type
			}
			for name, p := range k.schema().Outputs {
				outputs[name] = p.Type
			}
			input := func(what, path string) {
				_, ok := typeAt(inputs, path)
				assert.True(t, ok, "%s: %s is no input", what, path)
			}
			for _, name := range k.replace {
				if name != "*" {
					input("replace", name)
				}
			}
			for name := range k.defaults {
				input("defaults", name)
			}
			for _, r := range k.refs {
				input("refs", r.path)
				target := kinds[r.token]
				if assert.NotNil(t, target, r.token) && r.by != "" {
					assert.Contains(t, target.schema().Outputs, r.by)
				}
			}
			for _, r := range append(slices.Clone(k.rules), constraints[token]...) {
				input("rules", r.path)
			}
			if k.naming != nil {
				input("naming", k.naming.property)
			}
			for name := range k.outputs {
				assert.Contains(t, outputs, name)
			}
			for _, name := range k.volatile {
				assert.Contains(t, outputs, name)
			}
			if k.arn != "" {
				assert.Contains(t, outputs, "arn")
			}
			for _, template := range append(slices.Collect(maps.Values(k.outputs)), k.id, k.arn, k.unique) {
				for _, match := range placeholder.FindAllString(template, -1) {
					name := match[1 : len(match)-1]
					if !slices.Contains(words("id account region partition suffix"), name) {
						assert.Contains(t, outputs, name, "template %s", template)
					}
				}
			}
			if k.quota != "" {
				assert.Contains(t, quotas, k.quota)
			}
			assert.NotEmpty(t, k.called)
			assert.NotEmpty(t, k.missing)
			assert.True(t, k.id != "" || k.prefix != "", "has neither an ID nor a prefix of one")
			assert.Regexp(t, regexp.MustCompile(`^[a-z0-9]+:[A-Z][A-Za-z0-9]+$`), k.action)
		})
	}
}
