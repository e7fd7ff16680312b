package fastapi

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// web is the component label of pods that serve requests.
const web = "web"

// versionLabel tells releases apart for people; nothing selects by it.
const versionLabel = "app.kubernetes.io/version"

const (
	// startSeconds is how long a pod may take to answer at all.
	startSeconds = 60
	// rolloutSeconds is how long a release may make no progress before the
	// update is reported as failed. Old pods go on serving.
	rolloutSeconds = 180
)

// run declares one release and returns what must be up before traffic may be
// sent to it.
func (b *builder) run(r release, migrations []pulumi.Resource) ([]pulumi.Resource, error) {
	deployment, err := b.deploy(r, migrations)
	if err != nil {
		return nil, fmt.Errorf("creating its deployment: %w", err)
	}
	service, err := corev1.NewService(b.ctx, r.name+"-service", &corev1.ServiceArgs{
		Metadata: b.meta(r.name, r.name, web),
		Spec: corev1.ServiceSpecArgs{
			Selector: component.StringMap(component.Selector(b.name, r.name, web)),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String(portName), Port: pulumi.Int(Port), TargetPort: pulumi.String(portName),
			}},
		},
		// A service waits for its pods. Pods that fail are reported as what
		// they are, not as a service without endpoints ten minutes later.
	}, b.under(pulumi.DependsOn([]pulumi.Resource{deployment}))...)
	if err != nil {
		return nil, fmt.Errorf("creating its service: %w", err)
	}
	if err := b.scale(r); err != nil {
		return nil, err
	}
	return []pulumi.Resource{deployment, service}, nil
}

func (b *builder) deploy(r release, migrations []pulumi.Resource) (*appsv1.Deployment, error) {
	drain := b.plan.Drain
	selector := component.Selector(b.name, r.name, web)
	labels := component.Labels(b.name, r.name, web)
	labels[versionLabel] = r.version

	container := b.container(r, "api", "serve")
	container.Ports = corev1.ContainerPortArray{corev1.ContainerPortArgs{
		Name: pulumi.String(portName), ContainerPort: pulumi.Int(Port),
	}}
	container.StartupProbe = probe(livePath, 1, startSeconds)
	container.LivenessProbe = probe(livePath, 10, 3)
	container.ReadinessProbe = probe(readyPath, drain.ReadinessPeriodSeconds, drain.ReadinessThreshold)
	// The kubelet itself sleeps: the image needs no shell for it.
	container.Lifecycle = corev1.LifecycleArgs{PreStop: corev1.LifecycleHandlerArgs{
		Sleep: corev1.SleepActionArgs{Seconds: pulumi.Int(drain.PreStopSeconds)},
	}}

	pod := b.pod(container)
	pod.TerminationGracePeriodSeconds = pulumi.Int(drain.GraceSeconds)
	pod.TopologySpreadConstraints = spread(selector)

	meta := b.meta(r.name, r.name, web)
	meta.Labels = component.StringMap(labels)
	return appsv1.NewDeployment(b.ctx, r.name+"-deployment", &appsv1.DeploymentArgs{
		Metadata: meta,
		Spec: appsv1.DeploymentSpecArgs{
			// No replicas: the autoscaler owns that field, and whoever else
			// writes it scales the service down on every update.
			Selector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
			// All new pods start at once, and the old ones leave as they become ready:
			// a way back should not take longer the more pods there are. Where the
			// cluster has no room for twice as many, those that find none wait for the
			// first old ones to leave.
			Strategy: appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
					MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.String("100%"),
				},
			},
			ProgressDeadlineSeconds: pulumi.Int(rolloutSeconds),
			RevisionHistoryLimit:    pulumi.Int(3),
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(labels)},
				Spec:     pod,
			},
		},
	}, b.under(pulumi.DependsOn(migrations))...)
}

// spread keeps pods of one revision apart, over zones first and over nodes
// within them. It yields when it must: a pod in a crowded zone serves better
// than one that waits for a lost zone to return.
func spread(selector map[string]string) corev1.TopologySpreadConstraintArray {
	constraints := corev1.TopologySpreadConstraintArray{}
	for _, domain := range []string{"topology.kubernetes.io/zone", "kubernetes.io/hostname"} {
		constraints = append(constraints, corev1.TopologySpreadConstraintArgs{
			TopologyKey:       pulumi.String(domain),
			MaxSkew:           pulumi.Int(1),
			WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector:     metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
			// Without it the pods that a rollout is about to remove count too,
			// and the new ones end up where the old ones were not.
			MatchLabelKeys: pulumi.ToStringArray([]string{"pod-template-hash"}),
		})
	}
	return constraints
}
