package monitoring

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/monitoring/rules"
	"slipway.dev/slipway/components/workload"
)

// Where Prometheus finds its configuration and keeps its samples.
const (
	configDir = "/etc/prometheus"
	dataDir   = "/prometheus"
)

// watch declares Prometheus.
func (b *builder) watch() error {
	p := &b.plan
	config, err := b.configMap()
	if err != nil {
		return err
	}
	account, binding, err := b.account(prometheus, finding())
	if err != nil {
		return err
	}
	ports := []port{{"http", "TCP", prometheusPort}}
	if err := b.headless(prometheus, ports); err != nil {
		return err
	}
	if err := b.budget(prometheus); err != nil {
		return err
	}
	metadata := b.meta(prometheus)
	// Should the set ever be replaced, its pods stay and the next one adopts
	// them.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/deletionPropagationPolicy": pulumi.String("orphan")}
	options := append(component.Guard(p.Unprotected).Options(), pulumi.DependsOn([]pulumi.Resource{binding}))
	_, err = appsv1.NewStatefulSet(b.ctx, b.name+"-"+prometheus, &appsv1.StatefulSetArgs{
		Metadata: metadata,
		Spec: appsv1.StatefulSetSpecArgs{
			ServiceName: pulumi.String(prometheus), Replicas: pulumi.Int(p.Replicas), Selector: b.match(prometheus),
			PodManagementPolicy: pulumi.String("Parallel"),
			UpdateStrategy:      appsv1.StatefulSetUpdateStrategyArgs{Type: pulumi.String("RollingUpdate")},
			PersistentVolumeClaimRetentionPolicy: appsv1.StatefulSetPersistentVolumeClaimRetentionPolicyArgs{
				WhenDeleted: pulumi.String("Retain"), WhenScaled: pulumi.String("Retain"),
			},
			RevisionHistoryLimit: pulumi.Int(3),
			Template: b.pod(prometheus, account, b.prometheusContainer(ports), corev1.VolumeArray{
				corev1.VolumeArgs{
					Name:      pulumi.String("config"),
					ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: config.Metadata.Name()},
				},
			}, b.discoveryContainer()),
			VolumeClaimTemplates: corev1.PersistentVolumeClaimTypeArray{corev1.PersistentVolumeClaimTypeArgs{
				Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("data"), Labels: component.StringMap(b.selector(prometheus))},
				Spec: corev1.PersistentVolumeClaimSpecArgs{
					AccessModes: pulumi.ToStringArray([]string{"ReadWriteOnce"}), StorageClassName: p.StorageClass,
					Resources: corev1.VolumeResourceRequirementsArgs{
						Requests: pulumi.StringMap{"storage": pulumi.String(p.Storage)},
					},
				},
			}},
		},
	}, b.under(options...)...)
	if err != nil {
		return fmt.Errorf("creating Prometheus: %w", err)
	}
	return nil
}

// configMap holds configuration and rules. It has no fixed name and is
// immutable: other content is another ConfigMap, and Prometheus is rolled.
func (b *builder) configMap() (*corev1.ConfigMap, error) {
	config, err := b.plan.configuration()
	if err != nil {
		return nil, err
	}
	judged, err := rules.File(b.plan.options, rules.Groups(b.plan.options))
	if err != nil {
		return nil, err
	}
	made, err := corev1.NewConfigMap(b.ctx, b.name+"-config", &corev1.ConfigMapArgs{
		Metadata:  metav1.ObjectMetaArgs{Namespace: b.namespace, Labels: component.StringMap(b.labels(prometheus))},
		Immutable: pulumi.Bool(true),
		Data:      pulumi.StringMap{"prometheus.yaml": pulumi.String(config), "rules.yaml": pulumi.String(judged)},
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("storing Prometheus's configuration: %w", err)
	}
	return made, nil
}

func (b *builder) prometheusContainer(ports []port) corev1.ContainerArgs {
	p := &b.plan
	started := workload.Probe("/-/ready", pulumi.String("http"), 5)
	// After a crash the log is read again, which takes minutes when it is long.
	started.FailureThreshold = pulumi.Int(120)
	return corev1.ContainerArgs{
		Image: pulumi.String(p.Image),
		Args: pulumi.ToStringArray([]string{
			"--config.file=" + configDir + "/prometheus.yaml",
			"--storage.tsdb.path=" + dataDir,
			fmt.Sprintf("--storage.tsdb.retention.time=%dd", p.RetentionDays),
			fmt.Sprintf("--storage.tsdb.retention.size=%dB", p.retention),
			"--query.max-samples=5000000",
			// Which request a latency stands for, by the number of its trace.
			"--enable-feature=exemplar-storage",
			"--log.format=json",
		}),
		// Garbage is collected before the limit is reached, rather than the pod
		// killed at it.
		Env: corev1.EnvVarArray{
			corev1.EnvVarArgs{Name: pulumi.String("GOMEMLIMIT"), Value: pulumi.String(fmt.Sprint(p.memory * 9 / 10))},
		},
		Ports:          containerPorts(ports),
		StartupProbe:   started,
		LivenessProbe:  workload.Probe("/-/healthy", pulumi.String("http"), 10),
		ReadinessProbe: workload.Probe("/-/ready", pulumi.String("http"), 5),
		Resources:      p.prometheusLoad().Resources(),
		VolumeMounts: corev1.VolumeMountArray{
			mounted("config", configDir, false), mounted("data", dataDir, true),
		},
	}
}

// discoveryContainer finds targets for the Prometheus beside it. It opens no
// port to others, so nobody can probe it; it is probed by what Prometheus
// scrapes, and the alert JobAbsent.
func (b *builder) discoveryContainer() corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name:      pulumi.String("discovery"),
		Image:     pulumi.String(b.plan.DiscoveryImage),
		Args:      pulumi.ToStringArray([]string{fmt.Sprintf("127.0.0.1:%d", discoveryPort)}),
		Resources: besideLoad.Resources(),
	}
}
