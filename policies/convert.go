package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"slipway.dev/slipway/policies/rule"
)

// convert makes data of what the engine sends.
func convert(a policyx.AnalyzerResource) (*rule.Resource, error) {
	properties, _ := value(resource.NewProperty(resource.ToResourcePropertyMap(a.Properties))).(map[string]any)
	r, err := rule.New(a.Type, a.Name, properties)
	if err != nil {
		return nil, err
	}
	r.URN, r.Protect, r.Dependencies = a.URN, a.Options.Protect, a.Dependencies
	return r, nil
}

// value makes plain data of a property.
func value(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return rule.Secret{Value: value(v.SecretValue().Element)}
	case v.IsOutput():
		output := v.OutputValue()
		if !output.Known {
			return rule.Unknown{}
		}
		if output.Secret {
			return rule.Secret{Value: value(output.Element)}
		}
		return value(output.Element)
	case v.IsComputed():
		return rule.Unknown{}
	case v.IsObject():
		tree := make(map[string]any, len(v.ObjectValue()))
		for key, inner := range v.ObjectValue() {
			tree[string(key)] = value(inner)
		}
		return tree
	case v.IsArray():
		list := make([]any, len(v.ArrayValue()))
		for i, inner := range v.ArrayValue() {
			list[i] = value(inner)
		}
		return list
	case v.IsString(), v.IsNumber(), v.IsBool():
		return v.V
	default:
		return nil // null, assets, archives and references hold nothing a rule asks for
	}
}
