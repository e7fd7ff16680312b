package component

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Object is a custom resource with a typed specification.
type Object struct {
	// APIVersion and Kind name the custom resource definition, such as
	// "traefik.io/v1alpha1" and "IngressRoute". Both are part of the resource's
	// URN.
	APIVersion, Kind string
	// Metadata is the object's metadata; its name is a contract with whoever
	// refers to it.
	Metadata metav1.ObjectMetaArgs
	// Spec is a plain struct with json tags, or an Output of one. It must not
	// contain Outputs, which JSON cannot hold: combine them with pulumi.All
	// into one Output of the whole struct.
	Spec any
}

// Declare registers the object. A typed Spec means that a misspelt field is a
// compile error here instead of being dropped by the API server.
func (o Object) Declare(
	ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption,
) (*apiextensions.CustomResource, error) {
	spec, err := o.encode(name)
	if err != nil {
		return nil, err
	}
	made, err := apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion:  pulumi.String(o.APIVersion),
		Kind:        pulumi.String(o.Kind),
		Metadata:    o.Metadata,
		OtherFields: kubernetes.UntypedArgs{"spec": spec},
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating %s %s: %w", o.Kind, name, err)
	}
	return made, nil
}

func (o Object) encode(name string) (any, error) {
	encode := func(value any) (map[string]any, error) {
		fields, err := plain(value)
		if err != nil {
			return nil, fmt.Errorf("encoding %s %s: %w", o.Kind, name, err)
		}
		return fields, nil
	}
	if output, ok := o.Spec.(pulumi.Output); ok {
		return output.ApplyT(encode), nil
	}
	return encode(o.Spec)
}

// plain renders a value the way JSON shows it: json tags applied, empty
// optional fields gone.
func plain(value any) (map[string]any, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	return fields, nil
}
