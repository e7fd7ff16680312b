package randomprovider

import "github.com/pulumi/pulumi/sdk/v3/go/common/resource"

// values are a resource's resolved inputs. The accessors return the zero value
// for what is unset; they are only asked about known values.
type values map[resource.PropertyKey]resource.PropertyValue

func (v values) integer(name resource.PropertyKey) int {
	if value, ok := v[name]; ok && value.IsNumber() {
		return int(value.NumberValue())
	}
	return 0
}

func (v values) flag(name resource.PropertyKey) bool {
	value, ok := v[name]
	return ok && value.IsBool() && value.BoolValue()
}

func (v values) text(name resource.PropertyKey) string {
	if value, ok := v[name]; ok && value.IsString() {
		return value.StringValue()
	}
	return ""
}

func (v values) list(name resource.PropertyKey) []string {
	value, ok := v[name]
	if !ok || !value.IsArray() {
		return nil
	}
	list := make([]string, 0, len(value.ArrayValue()))
	for _, element := range value.ArrayValue() {
		list = append(list, element.StringValue())
	}
	return list
}

// known tells whether all the named values are known to this preview.
func (v values) known(names ...resource.PropertyKey) bool {
	for _, name := range names {
		if value, ok := v[name]; ok && value.ContainsUnknowns() {
			return false
		}
	}
	return true
}
