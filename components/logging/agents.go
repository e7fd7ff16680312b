package logging

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

const (
	configDir  = "/etc/otelcol"
	configFile = "collector.yaml"
	// memoryLimit is what a pod may use, and memoryRequest what it is sure to
	// get, in MiB. At rest it uses 36.
	memoryLimit   = 128
	memoryRequest = 48
	// collectAt is where the collector is told to collect garbage before it gets
	// to its limit, which counts the pages of its program too, in MiB.
	collectAt = 64
	// surge is how many pods may be away at once during a rollout: what is
	// written meanwhile is in the kubelet's files.
	surge = "34%"
)

// agents declares the DaemonSet.
func (l *Logging) agents(ctx *pulumi.Context, p parts, config *corev1.ConfigMap, account *corev1.ServiceAccount) error {
	_, err := appsv1.NewDaemonSet(ctx, p.name+"-agents", &appsv1.DaemonSetArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(product), Namespace: p.namespace, Labels: component.StringMap(p.labels()),
		},
		Spec: appsv1.DaemonSetSpecArgs{
			Selector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.selector)},
			Template: p.pod(config, account), RevisionHistoryLimit: pulumi.Int(3),
			// Two collectors of one node would share its offsets, so the old one
			// goes first.
			UpdateStrategy: appsv1.DaemonSetUpdateStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDaemonSetArgs{
					MaxUnavailable: pulumi.String(surge), MaxSurge: pulumi.Int(0),
				},
			},
		},
	}, component.Under(l)...)
	if err != nil {
		return fmt.Errorf("creating the collectors: %w", err)
	}
	return nil
}

// security is root's without root's powers; see doc.go.
func security() corev1.PodSecurityContextArgs {
	return corev1.PodSecurityContextArgs{
		RunAsUser: pulumi.Int(0), RunAsGroup: pulumi.Int(0),
		SeccompProfile: corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
	}
}

func (p parts) pod(config *corev1.ConfigMap, account *corev1.ServiceAccount) corev1.PodTemplateSpecArgs {
	places := inPod()
	spec := corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false),
		EnableServiceLinks:           pulumi.Bool(false),
		// A node without a collector loses logs, however full it is.
		PriorityClassName: pulumi.String(workload.Critical),
		// Nodes that are kept for some pods have logs, too.
		Tolerations:                   corev1.TolerationArray{corev1.TolerationArgs{Operator: pulumi.String("Exists")}},
		TerminationGracePeriodSeconds: pulumi.Int(20),
		SecurityContext:               security(),
		Containers:                    corev1.ContainerArray{p.container(places)},
		Volumes: corev1.VolumeArray{
			corev1.VolumeArgs{
				Name:      pulumi.String("configuration"),
				ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: config.Metadata.Name()},
			},
			hostPath("logs", places.Logs, "Directory"),
			hostPath("state", places.State, "DirectoryOrCreate"),
		},
	}
	if account != nil {
		spec.ServiceAccountName = account.Metadata.Name()
	}
	return corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(p.labels())}, Spec: spec,
	}
}

func hostPath(name, path, kind string) corev1.VolumeArgs {
	return corev1.VolumeArgs{
		Name:     pulumi.String(name),
		HostPath: corev1.HostPathVolumeSourceArgs{Path: pulumi.String(path), Type: pulumi.String(kind)},
	}
}

func (p parts) container(places Places) corev1.ContainerArgs {
	port := func(name string, number int) corev1.ContainerPortArgs {
		return corev1.ContainerPortArgs{
			Name: pulumi.String(name), ContainerPort: pulumi.Int(number), Protocol: pulumi.String("TCP"),
		}
	}
	mount := func(name, path string, readOnly bool) corev1.VolumeMountArgs {
		return corev1.VolumeMountArgs{
			Name: pulumi.String(name), MountPath: pulumi.String(path), ReadOnly: pulumi.Bool(readOnly),
		}
	}
	ports := corev1.ContainerPortArray{port("health", healthPort), port("metrics", metricsPort)}
	if p.Traces != nil {
		ports = append(ports, port("otlp", tracesPort))
	}
	return corev1.ContainerArgs{
		Name:            pulumi.String(product),
		Image:           pulumi.String(p.Image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args: pulumi.ToStringArray([]string{
			"--config=" + configDir + "/" + configFile, "--feature-gates=" + Gates,
		}),
		Env: corev1.EnvVarArray{
			corev1.EnvVarArgs{Name: pulumi.String("GOMEMLIMIT"), Value: pulumi.String(fmt.Sprintf("%dMiB", collectAt))},
			corev1.EnvVarArgs{
				Name: pulumi.String(nodeVariable),
				ValueFrom: corev1.EnvVarSourceArgs{
					FieldRef: corev1.ObjectFieldSelectorArgs{FieldPath: pulumi.String("spec.nodeName")},
				},
			},
		},
		Ports: ports,
		// Alive while it serves its own metrics; ready once every file of its
		// configuration could be opened.
		LivenessProbe:   workload.Probe("/metrics", pulumi.Int(metricsPort), 20),
		ReadinessProbe:  workload.Probe("/", pulumi.Int(healthPort), 5),
		SecurityContext: workload.ContainerSecurity(),
		Resources:       load.Resources(),
		VolumeMounts: corev1.VolumeMountArray{
			mount("configuration", configDir, true), mount("logs", places.Logs, true), mount("state", places.State, false),
		},
	}
}
