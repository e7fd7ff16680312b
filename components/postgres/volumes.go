package postgres

import (
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// Users of the two images. The members' owns the files on the volumes.
const (
	memberUser = 999
	poolerUser = 998
)

// groupReadable lets the pod's group read a file that belongs to root: what
// PostgreSQL demands of a private key that is not its own.
const groupReadable = 0o440

func (b *builder) settingsVolume() corev1.VolumeArgs {
	return corev1.VolumeArgs{
		Name: pulumi.String("settings"),
		ConfigMap: corev1.ConfigMapVolumeSourceArgs{
			Name: b.settings.Metadata.Name(), DefaultMode: pulumi.Int(groupReadable),
		},
	}
}

// credentialsVolume holds the passwords called keys, or all of them.
func (b *builder) credentialsVolume(keys ...string) corev1.VolumeArgs {
	return secretVolume("credentials", b.credentials.Metadata.Name(), keys...)
}

// secretVolume holds what a Secret has under keys, or all of it.
func secretVolume(name string, secret pulumi.StringPtrInput, keys ...string) corev1.VolumeArgs {
	source := corev1.SecretVolumeSourceArgs{SecretName: secret, DefaultMode: pulumi.Int(groupReadable)}
	var items corev1.KeyToPathArray
	for _, key := range keys {
		items = append(items, corev1.KeyToPathArgs{Key: pulumi.String(key), Path: pulumi.String(key)})
	}
	if len(items) > 0 {
		source.Items = items
	}
	return corev1.VolumeArgs{Name: pulumi.String(name), Secret: source}
}

// volumesStay keeps volumes that no pod uses: people delete them.
var volumesStay = appsv1.StatefulSetPersistentVolumeClaimRetentionPolicyArgs{
	WhenDeleted: pulumi.String("Retain"), WhenScaled: pulumi.String("Retain"),
}

// claim is a volume of its own for each pod that selector finds.
func (p *plan) claim(name, size string, selector map[string]string) corev1.PersistentVolumeClaimTypeArray {
	return corev1.PersistentVolumeClaimTypeArray{corev1.PersistentVolumeClaimTypeArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(name), Labels: component.StringMap(selector)},
		Spec: corev1.PersistentVolumeClaimSpecArgs{
			AccessModes:      pulumi.ToStringArray([]string{"ReadWriteOnce"}),
			StorageClassName: p.StorageClass,
			Resources: corev1.VolumeResourceRequirementsArgs{
				Requests: pulumi.StringMap{"storage": pulumi.String(size)},
			},
		},
	}}
}

// scratch is writable space that goes with the pod.
func scratch(name, medium, limit string) corev1.VolumeArgs {
	source := corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String(limit)}
	if medium != "" {
		source.Medium = pulumi.String(medium)
	}
	return corev1.VolumeArgs{Name: pulumi.String(name), EmptyDir: source}
}

func fromField(name, path string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{
		Name: pulumi.String(name),
		ValueFrom: corev1.EnvVarSourceArgs{
			FieldRef: corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String(path)},
		},
	}
}
