package simcloud

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/simcloud/sdkschema"
)

// Version is the release of pulumi-aws whose resources are simulated. The SDK
// in go.mod asks the engine for that very version.
const Version = "6.83.2"

// schemaText is written from the SDK's sources by `make update`; a test holds
// it against them.
//
//go:embed schema.json
var schemaText []byte

// schema is parsed once, when the plugin starts: an unreadable one is a fault
// of the build, not of any input.
var schema = func() *sdkschema.Schema {
	s := &sdkschema.Schema{}
	if err := json.Unmarshal(schemaText, s); err != nil {
		panic(fmt.Sprintf("schema.json: %v", err))
	}
	return s
}()

// fault reports one thing that is wrong with the property at path.
type fault func(path, problem string)

// checkObject reports properties that do not exist, are missing, or have a
// value of the wrong type. owner names the type in the message.
func checkObject(owner, path string, object sdkschema.Object, given map[string]any, report fault) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if strings.HasPrefix(name, "__") {
			continue // the engine's own
		}
		property, ok := object[name]
		if !ok {
			report(join(path, name), fmt.Sprintf("is not a property of %s, which takes %s",
				owner, strings.Join(slices.Sorted(maps.Keys(object)), ", ")))
			continue
		}
		checkType(join(path, name), property.Type, given[name], report)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if object[name].Required && given[name] == nil {
			report(join(path, name), "is required and not set")
		}
	}
}

func checkType(path, typ string, value any, report fault) {
	if value == nil || IsUnknown(value) || typ == "any" {
		return
	}
	wrong := func(want string) { report(path, fmt.Sprintf("must be %s, not %s", want, typeName(value))) }
	switch {
	case strings.HasPrefix(typ, "[]"):
		list, ok := value.([]any)
		if !ok {
			wrong("a list")
			return
		}
		for i, element := range list {
			checkType(fmt.Sprintf("%s[%d]", path, i), typ[2:], element, report)
		}
	case strings.HasPrefix(typ, "{}"):
		object, ok := value.(map[string]any)
		if !ok {
			wrong("a map")
			return
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			checkType(join(path, key), typ[2:], object[key], report)
		}
	case typ == "string":
		if _, ok := value.(string); !ok {
			wrong("a string")
		}
	case typ == "bool":
		if _, ok := value.(bool); !ok {
			wrong("a boolean")
		}
	case typ == "int":
		if n, ok := value.(float64); !ok || n != float64(int64(n)) {
			wrong("a whole number")
		}
	case typ == "float":
		if _, ok := value.(float64); !ok {
			wrong("a number")
		}
	default:
		object, ok := value.(map[string]any)
		if !ok {
			wrong("an object")
			return
		}
		checkObject(typ, path, schema.Objects[typ], object, report)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// zero is what an output that is always there holds when nothing else is known
// of it: AWS leaves the field out, and the plugin fills in its type's zero.
func zero(typ string) any {
	switch {
	case strings.HasPrefix(typ, "[]"):
		return []any{}
	case strings.HasPrefix(typ, "{}"):
		return map[string]any{}
	case typ == "string":
		return ""
	case typ == "bool":
		return false
	case typ == "int", typ == "float":
		return 0.0
	case typ == "any":
		return ""
	default:
		return map[string]any{}
	}
}
