package storage

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	storagev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/storage/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:storage:Storage"

// localPath is the provisioner of directories on nodes.
const localPath = "rancher.io/local-path"

// Storage is the set of classes a claim may choose from.
type Storage struct {
	pulumi.ResourceState

	// Standard names the class whose volumes are deleted with their claim.
	Standard pulumi.StringOutput `pulumi:"standard"`
	// Retain names the class whose volumes outlive their claim.
	Retain pulumi.StringOutput `pulumi:"retain"`
}

// New declares the storage classes of a cluster.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Storage, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("storage %q: %w", name, err)
	}
	storage := &Storage{}
	if err := ctx.RegisterComponentResource(TypeToken, name, storage, opts...); err != nil {
		return nil, fmt.Errorf("registering storage %q: %w", name, err)
	}
	if err := storage.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building storage %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(storage, pulumi.Map{
		"standard": storage.Standard, "retain": storage.Retain,
	}); err != nil {
		return nil, fmt.Errorf("publishing storage %q: %w", name, err)
	}
	return storage, nil
}

func (s *Storage) build(ctx *pulumi.Context, name string, plan plan) error {
	// Nothing, rather than an empty map, is what the API server stores.
	var parameters pulumi.StringMapInput
	if len(plan.parameters) > 0 {
		parameters = plan.parameters
	}
	var annotations pulumi.StringMapInput
	if plan.provisioner == localPath {
		// The kubelet measures local volumes and no host paths, and alerts on full
		// volumes live on what it measures.
		annotations = pulumi.StringMap{"defaultVolumeType": pulumi.String("local")}
	}
	for _, class := range []struct {
		name, reclaim string
		into          *pulumi.StringOutput
	}{
		{Standard, "Delete", &s.Standard},
		{Retain, "Retain", &s.Retain},
	} {
		made, err := storagev1.NewStorageClass(ctx, name+"-"+class.name, &storagev1.StorageClassArgs{
			Metadata: metav1.ObjectMetaArgs{
				Name:        pulumi.String(class.name),
				Labels:      component.StringMap(component.Labels("storage", name, class.name)),
				Annotations: annotations,
			},
			Provisioner:          pulumi.String(plan.provisioner),
			Parameters:           parameters,
			ReclaimPolicy:        pulumi.String(class.reclaim),
			VolumeBindingMode:    pulumi.String("WaitForFirstConsumer"),
			AllowVolumeExpansion: pulumi.Bool(plan.expandable),
		}, component.Under(s)...)
		if err != nil {
			return fmt.Errorf("creating storage class %s: %w", class.name, err)
		}
		*class.into = made.Metadata.Name().Elem()
	}
	if plan.snapshots {
		return s.snapshots(ctx, name, plan)
	}
	return nil
}

// snapshots declares the class of snapshots. One that is deleted in the cluster
// keeps what it holds, for the same reason that Retain keeps volumes.
func (s *Storage) snapshots(ctx *pulumi.Context, name string, plan plan) error {
	_, err := apiextensions.NewCustomResource(ctx, name+"-snapshots", &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String("snapshot.storage.k8s.io/v1"), Kind: pulumi.String("VolumeSnapshotClass"),
		Metadata: metav1.ObjectMetaArgs{
			Name:   pulumi.String(Retain),
			Labels: component.StringMap(component.Labels("storage", name, "snapshots")),
		},
		OtherFields: kubernetes.UntypedArgs{"driver": plan.provisioner, "deletionPolicy": "Retain"},
	}, component.Under(s)...)
	if err != nil {
		return fmt.Errorf("creating the class of snapshots: %w", err)
	}
	return nil
}
