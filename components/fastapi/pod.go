package fastapi

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// userID is the image's own unprivileged user and group.
const userID = 10001

// Every path and port a pod is asked at by the kubelet.
const (
	portName  = "http"
	livePath  = "/healthz/live"
	readyPath = "/healthz/ready"
)

// container is what the service and its migration have in common.
func (b *builder) container(r release, name, command string) corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name:            pulumi.String(name),
		Image:           pulumi.String(r.image),
		ImagePullPolicy: pulumi.String("IfNotPresent"), // a tag is never moved
		Command:         pulumi.ToStringArray([]string{"python", "-m", "slipway_api", command}),
		EnvFrom: corev1.EnvFromSourceArray{corev1.EnvFromSourceArgs{
			ConfigMapRef: corev1.ConfigMapEnvSourceArgs{Name: b.settings.Metadata.Name()},
		}},
		Env: corev1.EnvVarArray{corev1.EnvVarArgs{
			Name: pulumi.String("SLIPWAY_VERSION"), Value: pulumi.String(r.version),
		}},
		Resources: b.load().Resources(),
		SecurityContext: corev1.SecurityContextArgs{
			AllowPrivilegeEscalation: pulumi.Bool(false),
			ReadOnlyRootFilesystem:   pulumi.Bool(true),
			Capabilities:             corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
		},
		VolumeMounts: corev1.VolumeMountArray{
			corev1.VolumeMountArgs{
				Name: pulumi.String("database"), MountPath: pulumi.String(passwordDir), ReadOnly: pulumi.Bool(true),
			},
			corev1.VolumeMountArgs{Name: pulumi.String("tmp"), MountPath: pulumi.String("/tmp")},
		},
	}
}

// pod wraps a container in what restricted pod security demands.
func (b *builder) pod(container corev1.ContainerArgs) corev1.PodSpecArgs {
	return corev1.PodSpecArgs{
		ServiceAccountName:           b.identity.Metadata.Name(),
		AutomountServiceAccountToken: pulumi.Bool(false),
		// One environment variable per Service of the namespace is noise, and
		// some of them look like settings.
		EnableServiceLinks: pulumi.Bool(false),
		SecurityContext: corev1.PodSecurityContextArgs{
			RunAsNonRoot: pulumi.Bool(true),
			RunAsUser:    pulumi.Int(userID),
			RunAsGroup:   pulumi.Int(userID),
			// Makes the password file readable to the group and nobody else.
			FsGroup:        pulumi.Int(userID),
			SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
		},
		Containers: corev1.ContainerArray{container},
		Volumes: corev1.VolumeArray{
			corev1.VolumeArgs{
				Name: pulumi.String("database"),
				Secret: corev1.SecretVolumeSourceArgs{
					SecretName: b.password.Metadata.Name(), DefaultMode: pulumi.Int(0o440),
				},
			},
			corev1.VolumeArgs{
				Name:     pulumi.String("tmp"),
				EmptyDir: corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String("64Mi")},
			},
		},
	}
}

// probe asks one path of the service. A probe answers within a second on any
// machine that can serve; the timeout is what tells slow from dead.
func probe(path string, periodSeconds, failures int) corev1.ProbeArgs {
	return corev1.ProbeArgs{
		HttpGet:          corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.String(portName)},
		PeriodSeconds:    pulumi.Int(periodSeconds),
		FailureThreshold: pulumi.Int(failures),
		TimeoutSeconds:   pulumi.Int(3),
	}
}
