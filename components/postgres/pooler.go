package postgres

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// leaveSeconds is how long a pooler still takes clients after it was told to
// go, until its service has forgotten it; finishSeconds how long transactions
// may then take to end.
const (
	leaveSeconds  = 5
	finishSeconds = 25
)

// poolConnections declares the poolers.
func (b *builder) poolConnections() error {
	p := b.plan
	users, err := corev1.NewSecret(b.ctx, p.name+"-pooler-users", &corev1.SecretArgs{
		Metadata:   b.meta(p.name+"-pooler-users", "pooler"),
		StringData: b.users(),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("storing the poolers' users: %w", err)
	}
	for _, one := range p.poolers() {
		if err := b.runPooler(one, users); err != nil {
			return fmt.Errorf("pooler %s: %w", one.name, err)
		}
	}
	return nil
}

// users are whom a pooler lets in, and what one of them, the exporter, says.
func (b *builder) users() pulumi.StringMap {
	// PgBouncer logs in as the client, so it needs the password itself.
	list := pulumi.Sprintf("\"%s\" \"%s\"\n", b.plan.Owner, b.passwords.owner)
	if !b.plan.watched() {
		return pulumi.StringMap{"userlist.txt": list}
	}
	exporter := b.exporterPassword()
	list = pulumi.Sprintf("%s\"%s\" \"%s\"\n", list, exporterUser, exporter)
	return pulumi.StringMap{"userlist.txt": list, exporterUser: exporter}
}

// exporterPassword is for the poolers; PostgreSQL knows the exporter without. It
// follows from a password that is kept and guarded, so that nothing is lost, and
// nothing has to be guarded, when nobody watches any more.
func (b *builder) exporterPassword() pulumi.StringOutput {
	derived := b.passwords.owner.ApplyT(func(owner string) string {
		sum := hmac.New(sha256.New, []byte(owner))
		sum.Write([]byte(exporterUser))
		return hex.EncodeToString(sum.Sum(nil))
	}).(pulumi.StringOutput)
	return pulumi.ToSecret(derived).(pulumi.StringOutput)
}

func (b *builder) runPooler(one pooler, users *corev1.Secret) error {
	p := b.plan
	config, err := corev1.NewConfigMap(b.ctx, one.name+"-settings", &corev1.ConfigMapArgs{
		Metadata: b.meta(one.name+"-settings", one.part),
		Data:     pulumi.StringMap{"pgbouncer.ini": pulumi.String(p.ini(one))},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("storing its settings: %w", err)
	}
	selector := p.poolerSelector(one)
	if p.Pooler.Replicas > 1 {
		if _, err := policyv1.NewPodDisruptionBudget(b.ctx, one.name+"-budget", &policyv1.PodDisruptionBudgetArgs{
			Metadata: b.meta(one.name, one.part),
			Spec: policyv1.PodDisruptionBudgetSpecArgs{
				MaxUnavailable:             pulumi.Int(1),
				Selector:                   metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
				UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
			},
		}, b.under()...); err != nil {
			return fmt.Errorf("creating its disruption budget: %w", err)
		}
	}
	labels := component.Labels("pgbouncer", p.name, one.part)
	_, err = appsv1.NewDeployment(b.ctx, one.name, &appsv1.DeploymentArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(one.name), Namespace: b.namespace, Labels: component.StringMap(labels),
		},
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(p.Pooler.Replicas),
			Selector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
			Strategy: appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
					MaxSurge: pulumi.Int(1), MaxUnavailable: pulumi.Int(0),
				},
			},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(labels), Annotations: firstByDefault("pgbouncer")},
				Spec:     b.poolerPod(one, config, users),
			},
		},
	}, b.under(pulumi.DependsOn(b.prepared))...)
	if err != nil {
		return fmt.Errorf("creating its pods: %w", err)
	}
	return nil
}

func (b *builder) poolerPod(one pooler, config *corev1.ConfigMap, users *corev1.Secret) corev1.PodSpecArgs {
	p := b.plan
	mounts := []mount{
		{name: "settings", path: poolerEtc + "/config"},
		{name: "users", path: poolerEtc + "/credentials"},
		{name: "tmp", path: "/tmp", writable: true},
	}
	volumes := corev1.VolumeArray{
		corev1.VolumeArgs{
			Name: pulumi.String("settings"),
			ConfigMap: corev1.ConfigMapVolumeSourceArgs{
				Name: config.Metadata.Name(), DefaultMode: pulumi.Int(groupReadable),
			},
		},
		secretVolume("users", users.Metadata.Name()),
		scratch("tmp", "", "16Mi"),
	}
	if p.watched() {
		volumes = append(volumes, secretVolume("exporter", users.Metadata.Name(), exporterUser))
	}
	if p.TLS != nil {
		mounts = append(mounts, mount{name: "tls", path: poolerEtc + "/tls"})
		volumes = append(volumes, secretVolume("tls", pulumi.String(p.name+"-pooler-tls")))
	}
	// It accepts clients whether or not the database is there: through a
	// failover they wait in its queue, and would be turned away if a probe took
	// the pooler out of its service.
	accepts := corev1.ProbeArgs{
		TcpSocket:        corev1.TCPSocketActionArgs{Port: pulumi.String("postgres")},
		PeriodSeconds:    pulumi.Int(5),
		TimeoutSeconds:   pulumi.Int(3),
		FailureThreshold: pulumi.Int(3),
	}
	return corev1.PodSpecArgs{
		AutomountServiceAccountToken:  pulumi.Bool(false),
		EnableServiceLinks:            pulumi.Bool(false),
		SecurityContext:               workload.PodSecurity(poolerUser),
		TerminationGracePeriodSeconds: pulumi.Int(leaveSeconds + finishSeconds),
		TopologySpreadConstraints:     workload.Spread(p.poolerSelector(one)),
		Containers: p.containers(corev1.ContainerArgs{
			Name:            pulumi.String("pgbouncer"),
			Image:           pulumi.String(p.PoolerImage),
			ImagePullPolicy: pulumi.String("IfNotPresent"),
			Ports: corev1.ContainerPortArray{corev1.ContainerPortArgs{
				Name: pulumi.String("postgres"), ContainerPort: pulumi.Int(Port),
			}},
			Resources:       p.poolerLoad().Resources(),
			SecurityContext: workload.ContainerSecurity(),
			Lifecycle: corev1.LifecycleArgs{PreStop: corev1.LifecycleHandlerArgs{Exec: corev1.ExecActionArgs{
				Command: pulumi.ToStringArray([]string{"sleep", fmt.Sprint(leaveSeconds)}),
			}}},
			LivenessProbe:  accepts,
			ReadinessProbe: withPeriod(accepts, 1),
			VolumeMounts:   volumeMounts(mounts),
		}, b.poolerExporter),
		Volumes: volumes,
	}
}

func withPeriod(probe corev1.ProbeArgs, seconds int) corev1.ProbeArgs {
	probe.PeriodSeconds = pulumi.Int(seconds)
	return probe
}
