package randomprovider

import (
	"context"
	"encoding/json"
	"fmt"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type schemaPackage struct {
	Name        string                    `json:"name"`
	Version     string                    `json:"version"`
	Description string                    `json:"description"`
	Meta        map[string]string         `json:"meta"`
	Language    map[string]map[string]any `json:"language"`
	Config      struct{}                  `json:"config"`
	Provider    schemaText                `json:"provider"`
	Resources   map[string]schemaResource `json:"resources"`
}

type schemaText struct {
	Description string `json:"description"`
}

type schemaResource struct {
	Description     string                    `json:"description"`
	Properties      map[string]schemaProperty `json:"properties"`
	Required        []string                  `json:"required,omitempty"`
	InputProperties map[string]schemaProperty `json:"inputProperties"`
	RequiredInputs  []string                  `json:"requiredInputs,omitempty"`
}

type schemaProperty struct {
	Type                 string          `json:"type"`
	Items                *schemaProperty `json:"items,omitempty"`
	AdditionalProperties *schemaProperty `json:"additionalProperties,omitempty"`
	Description          string          `json:"description,omitempty"`
	DeprecationMessage   string          `json:"deprecationMessage,omitempty"`
	Secret               bool            `json:"secret,omitempty"`
	WillReplaceOnChanges bool            `json:"willReplaceOnChanges,omitempty"`
}

// GetSchema describes the served resources, for pulumi schema, import and
// programs in YAML.
func (*Provider) GetSchema(_ context.Context, req *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	if req.GetVersion() != 0 {
		return nil, status.Errorf(codes.InvalidArgument,
			"there is no version %d of the schema format, only version 0", req.GetVersion())
	}
	text, err := json.Marshal(describe())
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return &pulumirpc.GetSchemaResponse{Schema: string(text)}, nil
}

func describe() schemaPackage {
	description := schemaPackage{
		Name:        "random",
		Version:     Version,
		Description: "Random values that live in a stack's state. Offline edition.",
		Meta:        map[string]string{"moduleFormat": "(.*)(?:/[^/]*)"},
		Language: map[string]map[string]any{"go": {
			"importBasePath":                 "github.com/pulumi/pulumi-random/sdk/v4/go/random",
			"generateResourceContainerTypes": true,
		}},
		Provider:  schemaText{"The random provider; it takes no configuration."},
		Resources: map[string]schemaResource{},
	}
	for _, token := range tokens() {
		k := kinds[token]
		r := schemaResource{
			Description:     k.about,
			Properties:      map[string]schemaProperty{},
			InputProperties: map[string]schemaProperty{},
		}
		for _, f := range k.inputs {
			name := string(f.name)
			r.Properties[name] = f.describe()
			input := f.describe()
			input.WillReplaceOnChanges = true
			r.InputProperties[name] = input
			if f.required {
				r.RequiredInputs = append(r.RequiredInputs, name)
			}
			if f.always() {
				r.Required = append(r.Required, name)
			}
		}
		for _, f := range k.outputs {
			r.Properties[string(f.name)] = f.describe()
			r.Required = append(r.Required, string(f.name))
		}
		description.Resources[token] = r
	}
	return description
}

// always tells whether the input is among the outputs even when it is unset.
func (f field) always() bool {
	return f.required || !f.fallback.IsNull() || f.name == "number" || f.name == "numeric"
}

func (f field) describe() schemaProperty {
	p := schemaProperty{Description: f.about, DeprecationMessage: f.deprecated, Secret: f.secret}
	switch f.shape {
	case integer:
		p.Type = "integer"
	case boolean:
		p.Type = "boolean"
	case text:
		p.Type = "string"
	case textMap:
		p.Type, p.AdditionalProperties = "object", &schemaProperty{Type: "string"}
	case textList:
		p.Type, p.Items = "array", &schemaProperty{Type: "string"}
	}
	return p
}
