package crd

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// waitFor makes the provider wait until the API server serves the definition's
// kind. Without it an object of that kind could be sent too early.
const waitFor = "pulumi.com/waitFor"

// Declare registers definitions as "<owner>-crd-<name>" below parent and
// returns them, so that objects of their kinds can depend on them. labels are
// put on each.
//
// Deleting a definition deletes every object of its kind in the cluster. They
// are disposable all the same: such objects are declared by this program, and
// what they stand for, like a certificate's key, lives elsewhere.
func Declare(
	ctx *pulumi.Context, parent pulumi.Resource, owner string, labels map[string]string, definitions []Definition,
) ([]pulumi.Resource, error) {
	declared := make([]pulumi.Resource, 0, len(definitions))
	for _, definition := range definitions {
		made, err := apiextensions.NewCustomResource(ctx, owner+"-crd-"+definition.Name,
			&apiextensions.CustomResourceArgs{
				ApiVersion: pulumi.String(APIVersion),
				Kind:       pulumi.String(Kind),
				Metadata: metav1.ObjectMetaArgs{
					Name:        pulumi.String(definition.Name),
					Labels:      component.StringMap(labels),
					Annotations: pulumi.StringMap{waitFor: pulumi.String("condition=Established")},
				},
				OtherFields: kubernetes.UntypedArgs{"spec": definition.spec},
			}, component.Under(parent)...)
		if err != nil {
			return nil, fmt.Errorf("creating custom resource definition %s: %w", definition.Name, err)
		}
		declared = append(declared, made)
	}
	return declared, nil
}
