package main

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"slipway.dev/slipway/policies/rule"
)

// schema describes the thresholds as the pack's configuration; it is made from
// the fields of rule.Limits, so that it cannot promise one that does not exist.
func schema() *policyx.ConfigSchema {
	properties := map[string]map[string]any{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[rule.Limits]()) {
		shape := map[string]any{"type": "string"}
		switch field.Type.Kind() {
		case reflect.Bool:
			shape["type"] = "boolean"
		case reflect.Int:
			shape["type"] = "integer"
		case reflect.Slice:
			item := "string"
			if field.Type.Elem().Kind() == reflect.Int {
				item = "integer"
			}
			shape = map[string]any{"type": "array", "items": map[string]any{"type": item}}
		}
		properties[field.Tag.Get("json")] = shape
	}
	return &policyx.ConfigSchema{Properties: properties}
}
