package simcluster

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/simcloud"
)

// KubernetesVersion is the release whose kinds are known.
const KubernetesVersion = "1.34.4"

// catalog is what the API server of that release says about its kinds. It is
// written from the pinned module by `make update`.
type catalog struct {
	Version string `json:"version"`
	// Kinds by apiVersion/kind, such as apps/v1/Deployment.
	Kinds map[string]served `json:"kinds"`
	// Definitions by name, as in the OpenAPI document, without descriptions.
	Definitions map[string]*definition `json:"definitions"`
}

type served struct {
	Definition string `json:"definition"`
	Namespaced bool   `json:"namespaced,omitempty"`
}

// definition is the part of a schema that is judged. Custom resource
// definitions have the same.
type definition struct {
	Ref                  string                 `json:"$ref,omitempty"`
	Type                 string                 `json:"type,omitempty"`
	Format               string                 `json:"format,omitempty"`
	Properties           map[string]*definition `json:"properties,omitempty"`
	Required             []string               `json:"required,omitempty"`
	Items                *definition            `json:"items,omitempty"`
	AdditionalProperties json.RawMessage        `json:"additionalProperties,omitempty"`
	Enum                 []any                  `json:"enum,omitempty"`
	Pattern              string                 `json:"pattern,omitempty"`
	Minimum              *float64               `json:"minimum,omitempty"`
	Maximum              *float64               `json:"maximum,omitempty"`
	IntOrString          bool                   `json:"x-kubernetes-int-or-string,omitempty"`
	Preserve             bool                   `json:"x-kubernetes-preserve-unknown-fields,omitempty"`
}

//go:embed kinds.json.gz
var catalogText []byte

var known = func() *catalog {
	c := &catalog{}
	unpacked, err := gzip.NewReader(bytes.NewReader(catalogText))
	if err == nil {
		err = json.NewDecoder(unpacked).Decode(c)
	}
	if err != nil {
		panic(fmt.Sprintf("kinds.json.gz: %v", err))
	}
	return c
}()

// fault reports what is wrong with the field at path.
type fault func(path, problem string)

// judge reports what an API server finds wrong with value. Values that a
// preview does not know are judged again during the update.
func (d *definition) judge(path string, value any, report fault) {
	if d == nil || value == nil || simcloud.IsUnknown(value) {
		return
	}
	if name, ok := strings.CutPrefix(d.Ref, "#/definitions/"); ok {
		known.Definitions[name].judge(path, value, report)
		return
	}
	if len(d.Enum) > 0 && !slices.Contains(d.Enum, value) {
		report(path, fmt.Sprintf("Unsupported value: %q: supported values: %v", fmt.Sprint(value), d.Enum))
		return
	}
	if d.IntOrString || d.Format == "int-or-string" {
		d.kind(path, value, "an integer or a string", isInteger(value) || isText(value), report)
		return
	}
	switch d.Type {
	case "object":
		object, ok := value.(map[string]any)
		if d.kind(path, value, "an object", ok, report) {
			d.object(path, object, report)
		}
	case "array":
		list, ok := value.([]any)
		if d.kind(path, value, "a list", ok, report) {
			for i, element := range list {
				d.Items.judge(fmt.Sprintf("%s[%d]", path, i), element, report)
			}
		}
	case "string":
		// Quantities may be written as numbers, which no schema says.
		text, ok := value.(string)
		if d.kind(path, value, "a string", ok || d.Format == "" && isInteger(value) && d.Properties == nil && quantity(d), report) && d.Pattern != "" {
			if pattern, err := regexp.Compile(d.Pattern); err == nil && !pattern.MatchString(text) {
				report(path, fmt.Sprintf("Invalid value: %q: must match %s", text, d.Pattern))
			}
		}
	case "boolean":
		_, ok := value.(bool)
		d.kind(path, value, "a boolean", ok, report)
	case "integer":
		if d.kind(path, value, "an integer", isInteger(value), report) {
			d.bounds(path, value, report)
		}
	case "number":
		_, ok := value.(float64)
		if d.kind(path, value, "a number", ok, report) {
			d.bounds(path, value, report)
		}
	default:
		if len(d.Properties) > 0 {
			if object, ok := value.(map[string]any); d.kind(path, value, "an object", ok, report) {
				d.object(path, object, report)
			}
		}
	}
}

func quantity(d *definition) bool {
	return d == known.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]
}

func (d *definition) kind(path string, value any, want string, ok bool, report fault) bool {
	if !ok {
		report(path, fmt.Sprintf("Invalid type: must be %s, not %T", want, value))
	}
	return ok
}

func (d *definition) bounds(path string, value any, report fault) {
	n, _ := value.(float64)
	if d.Minimum != nil && n < *d.Minimum || d.Maximum != nil && n > *d.Maximum {
		report(path, fmt.Sprintf("Invalid value: %v: is out of range", n))
	}
}

func (d *definition) object(path string, object map[string]any, report fault) {
	var further *definition
	free := d.Preserve || len(d.Properties) == 0
	if text := string(d.AdditionalProperties); text != "" && text != "false" {
		free = true
		if text != "true" {
			further = &definition{}
			if err := json.Unmarshal(d.AdditionalProperties, further); err != nil {
				further = nil
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := path + "." + name
		if path == "" {
			at = name
		}
		switch property, ok := d.Properties[name]; {
		case ok:
			property.judge(at, object[name], report)
		case further != nil:
			further.judge(at, object[name], report)
		case !free:
			report(at, fmt.Sprintf("unknown field; there are %s", strings.Join(slices.Sorted(maps.Keys(d.Properties)), ", ")))
		}
	}
	for _, name := range d.Required {
		if object[name] == nil {
			at := path + "." + name
			if path == "" {
				at = name
			}
			report(at, "Required value")
		}
	}
}

func isInteger(value any) bool {
	n, ok := value.(float64)
	return ok && n == float64(int64(n))
}

func isText(value any) bool {
	_, ok := value.(string)
	return ok
}
