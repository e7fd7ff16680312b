package randomprovider

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// shape is the type of a property.
type shape int

const (
	integer shape = iota
	boolean
	text
	textMap
	textList
)

func (s shape) String() string {
	switch s {
	case integer:
		return "an integer"
	case boolean:
		return "a boolean"
	case text:
		return "a string"
	case textMap:
		return "a map of strings"
	default:
		return "a list of strings"
	}
}

// exact is the largest integer that survives the engine's float64 numbers.
const exact = 1 << 53

// field describes one property of a resource.
type field struct {
	name  resource.PropertyKey
	shape shape
	about string

	// required inputs have no default.
	required bool
	// fallback is what an unset input means; null where unset means absent.
	fallback resource.PropertyValue
	// secret outputs are encrypted in state.
	secret bool
	// deprecated says what to use instead; empty for most.
	deprecated string
	// keeps tells the changes, from old to new state, that need no
	// replacement. Nil means that every change replaces.
	keeps func(old, new resource.PropertyValue) bool
}

// keepers is an input of every resource.
var keepers = field{
	name: "keepers", shape: textMap,
	about: "Values that, when one of them changes, replace the resource.",
}

// check reports what is wrong with the shape of value. Values that a preview
// does not know yet are judged again during the update.
func (f field) check(value resource.PropertyValue, fault func(path, problem string)) {
	path := string(f.name)
	wrong := func(path string, want fmt.Stringer, got resource.PropertyValue) {
		fault(path, fmt.Sprintf("must be %s, not %s", want, typeName(got)))
	}
	switch {
	case unknown(value):
	case f.shape == textMap && value.IsObject():
		object := value.ObjectValue()
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if element := object[key]; !element.IsNull() && !element.IsString() && !unknown(element) {
				wrong(memberPath(path, string(key)), text, element)
			}
		}
	case f.shape == textList && value.IsArray():
		for i, element := range value.ArrayValue() {
			if !element.IsString() && !unknown(element) {
				wrong(fmt.Sprintf("%s[%d]", path, i), text, element)
			}
		}
	case f.shape == text && value.IsString(), f.shape == boolean && value.IsBool():
	case f.shape == integer && value.IsNumber():
		if n := value.NumberValue(); n != math.Trunc(n) || math.Abs(n) > exact {
			fault(path, fmt.Sprintf("is %v, must be a whole number between -2^53 and 2^53", n))
		}
	default:
		wrong(path, f.shape, value)
	}
}

// memberPath is the property path of a map's member.
func memberPath(path, key string) string {
	return (resource.PropertyPath{path, key}).String()
}

func unknown(value resource.PropertyValue) bool {
	return value.IsComputed() || value.IsOutput() && !value.OutputValue().Known
}

func typeName(value resource.PropertyValue) string {
	switch {
	case value.IsNumber():
		return "a number"
	case value.IsString():
		return "a string"
	case value.IsBool():
		return "a boolean"
	case value.IsArray():
		return "a list"
	case value.IsObject():
		return "a map"
	default:
		return "a value of type " + value.TypeString()
	}
}

// plain is value without secret wrappers at any depth, and without the null
// members of maps, which mean the same as absent ones.
func plain(value resource.PropertyValue) resource.PropertyValue {
	switch {
	case value.IsSecret():
		return plain(value.SecretValue().Element)
	case value.IsOutput():
		if output := value.OutputValue(); output.Known {
			return plain(output.Element)
		}
		return resource.MakeComputed(resource.NewProperty(""))
	case value.IsArray():
		elements := make([]resource.PropertyValue, len(value.ArrayValue()))
		for i, element := range value.ArrayValue() {
			elements[i] = plain(element)
		}
		return resource.NewProperty(elements)
	case value.IsObject():
		object := resource.PropertyMap{}
		for key, element := range value.ObjectValue() {
			if element = plain(element); !element.IsNull() {
				object[key] = element
			}
		}
		return resource.NewProperty(object)
	default:
		return value
	}
}
