package simcloud

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"google.golang.org/protobuf/types/known/structpb"
)

// Props are a resource's properties as plain values: strings, float64, bool,
// []any, map[string]any, and unknown where a preview does not know a value.
type Props map[string]any

// unknown stands for a value that a preview does not know.
type unknown struct{}

// IsUnknown tells whether a preview does not know the value.
func IsUnknown(v any) bool {
	_, ok := v.(unknown)
	return ok
}

// HasUnknown looks for unknown values at any depth.
func HasUnknown(v any) bool {
	switch v := v.(type) {
	case unknown:
		return true
	case []any:
		return slices.ContainsFunc(v, HasUnknown)
	case map[string]any:
		for _, element := range v {
			if HasUnknown(element) {
				return true
			}
		}
	}
	return false
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	default:
		return fmt.Sprintf("a value of type %T", v)
	}
}

// plain removes secret wrappers at any depth and the null members of maps,
// which mean the same as absent ones.
func plain(value resource.PropertyValue) any {
	switch {
	case value.IsSecret():
		return plain(value.SecretValue().Element)
	case value.IsComputed():
		return unknown{}
	case value.IsOutput():
		if output := value.OutputValue(); output.Known {
			return plain(output.Element)
		}
		return unknown{}
	case value.IsArray():
		list := make([]any, len(value.ArrayValue()))
		for i, element := range value.ArrayValue() {
			list[i] = plain(element)
		}
		return list
	case value.IsObject():
		return map[string]any(Plain(value.ObjectValue()))
	case value.IsNumber():
		return value.NumberValue()
	case value.IsString():
		return value.StringValue()
	case value.IsBool():
		return value.BoolValue()
	case value.IsNull():
		return nil
	default:
		return value.V
	}
}

// Plain is a map of properties as plain values.
func Plain(m resource.PropertyMap) Props {
	object := Props{}
	for key, element := range m {
		if v := plain(element); v != nil {
			object[string(key)] = v
		}
	}
	return object
}

// Wrap turns plain values into what the engine takes. Secrets are the names of
// properties that are secret as a whole.
func Wrap(p Props, secret func(name string) bool) resource.PropertyMap {
	m := resource.PropertyMap{}
	for name, v := range p {
		value := property(v)
		if secret != nil && secret(name) {
			value = resource.MakeSecret(value)
		}
		m[resource.PropertyKey(name)] = value
	}
	return m
}

func property(v any) resource.PropertyValue {
	switch v := v.(type) {
	case unknown:
		return resource.MakeComputed(resource.NewProperty(""))
	case []any:
		list := make([]resource.PropertyValue, len(v))
		for i, element := range v {
			list[i] = property(element)
		}
		return resource.NewProperty(list)
	case map[string]any:
		return resource.NewProperty(Wrap(v, nil))
	case nil:
		return resource.NewNullProperty()
	case string:
		return resource.NewProperty(v)
	case bool:
		return resource.NewProperty(v)
	case float64:
		return resource.NewProperty(v)
	case int:
		return resource.NewProperty(float64(v))
	default:
		return resource.NewPropertyValue(v)
	}
}

// Decode reads properties off the wire; label is named in errors.
func Decode(label string, s *structpb.Struct) (resource.PropertyMap, error) {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{Label: label, KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		return nil, fmt.Errorf("decoding the properties of %s: %w", label, err)
	}
	return m, nil
}

// Encode writes properties for the wire.
func Encode(m resource.PropertyMap) (*structpb.Struct, error) {
	s, err := plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		return nil, fmt.Errorf("encoding properties: %w", err)
	}
	return s, nil
}

// Same holds for equal values, and for an absent and an empty list or map.
func Same(a, b any) bool {
	return empty(a) && empty(b) || reflect.DeepEqual(a, b) || sameDocument(a, b)
}

// sameDocument holds for two spellings of one JSON document, as AWS gives a
// policy back in another than it was given.
func sameDocument(a, b any) bool {
	x, ok := a.(string)
	y, ok2 := b.(string)
	if !ok || !ok2 || !strings.HasPrefix(strings.TrimSpace(x), "{") {
		return false
	}
	var p, q any
	return json.Unmarshal([]byte(x), &p) == nil && json.Unmarshal([]byte(y), &q) == nil && reflect.DeepEqual(p, q)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// Text is the string at a path of names joined by dots, or "".
func (p Props) Text(name string) string {
	s, _ := p.At(name).(string)
	return s
}

// Flag is the boolean at a path, or false.
func (p Props) Flag(name string) bool {
	b, _ := p.At(name).(bool)
	return b
}

// Number is the number at a path, or 0.
func (p Props) Number(name string) float64 {
	n, _ := p.At(name).(float64)
	return n
}

// Texts are the strings of the list at a path.
func (p Props) Texts(name string) []string {
	list, _ := p.At(name).([]any)
	texts := make([]string, 0, len(list))
	for _, element := range list {
		if s, ok := element.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// Object is the object at a path, or nil.
func (p Props) Object(name string) Props {
	object, _ := p.At(name).(map[string]any)
	return object
}

// Objects are the objects of the list at a path.
func (p Props) Objects(name string) []Props {
	list, _ := p.At(name).([]any)
	var objects []Props
	for _, element := range list {
		if object, ok := element.(map[string]any); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// At is the value at a path of names joined by dots.
func (p Props) At(path string) any {
	var value any = map[string]any(p)
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// Set replaces the value at a path, making objects where there are none.
func (p Props) Set(path string, value any) {
	object := map[string]any(p)
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
		} else {
			inner = maps.Clone(inner)
		}
		object[name] = inner
		object = inner
	}
	object[names[len(names)-1]] = value
}

// Found is a value and the concrete path at which it lies.
type Found struct {
	Path  string
	Value any
}

// Walk finds all values at a path in which [] stands for every element of a
// list, such as vpcConfig.subnetIds[].
func Walk(value any, path string) []Found {
	at := []Found{{"", value}}
	for step := range strings.SplitSeq(path, ".") {
		name, every := strings.CutSuffix(step, "[]")
		var next []Found
		for _, f := range at {
			object, ok := f.Value.(map[string]any)
			if !ok || object[name] == nil {
				continue
			}
			here := join(f.Path, name)
			if !every {
				next = append(next, Found{here, object[name]})
				continue
			}
			list, _ := object[name].([]any)
			for i, element := range list {
				next = append(next, Found{here + "[" + strconv.Itoa(i) + "]", element})
			}
		}
		at = next
	}
	return at
}

var placeholder = regexp.MustCompile(`\{[\w.]+\}`)

// fill replaces {name} in a template by the text of the property of that name.
func (p Props) fill(template string) string {
	return placeholder.ReplaceAllStringFunc(template, func(match string) string {
		switch v := p.At(match[1 : len(match)-1]).(type) {
		case string:
			return v
		case float64:
			return strconv.FormatFloat(v, 'f', -1, 64)
		default:
			return ""
		}
	})
}

func toAny[T any](list []T) []any {
	out := make([]any, len(list))
	for i, element := range list {
		out[i] = element
	}
	return out
}
