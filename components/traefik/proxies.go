package traefik

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// user is whom Traefik runs as; any unprivileged number does.
const user = 65532

// margin is what the kubelet waits beyond Traefik's own timings, in seconds,
// before it kills: Traefik then needs a moment to flush its log.
const margin = 5

// proxies declares the pods, to start after the given resources exist.
func (t *Traefik) proxies(ctx *pulumi.Context, p parts, after []pulumi.Resource) error {
	selector := metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.selector)}
	if p.HostPorts {
		_, err := appsv1.NewDaemonSet(ctx, p.name+"-proxies", &appsv1.DaemonSetArgs{
			Metadata: p.metadata(product),
			Spec: appsv1.DaemonSetSpecArgs{
				Selector: selector, Template: p.pod(), RevisionHistoryLimit: pulumi.Int(3),
				UpdateStrategy: appsv1.DaemonSetUpdateStrategyArgs{
					Type: pulumi.String("RollingUpdate"),
					RollingUpdate: appsv1.RollingUpdateDaemonSetArgs{
						MaxUnavailable: pulumi.Int(1), MaxSurge: pulumi.Int(0),
					},
				},
			},
		}, component.Under(t, pulumi.DependsOn(after))...)
		if err != nil {
			return fmt.Errorf("creating the proxies: %w", err)
		}
		return nil
	}
	deployment, err := appsv1.NewDeployment(ctx, p.name+"-proxies", &appsv1.DeploymentArgs{
		Metadata: p.metadata(product),
		Spec: appsv1.DeploymentSpecArgs{
			// No replicas: their number is the autoscaler's, and stating it here
			// would set it back with every update.
			Selector: selector, Template: p.pod(), RevisionHistoryLimit: pulumi.Int(3),
			Strategy: appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
					MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1),
				},
			},
		},
	}, component.Under(t, pulumi.DependsOn(after))...)
	if err != nil {
		return fmt.Errorf("creating the proxies: %w", err)
	}
	if _, err := policyv1.NewPodDisruptionBudget(ctx, p.name+"-budget", &policyv1.PodDisruptionBudgetArgs{
		Metadata: p.metadata(product),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1), Selector: selector,
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, component.Under(t)...); err != nil {
		return fmt.Errorf("creating the disruption budget: %w", err)
	}
	if _, err := autoscalingv2.NewHorizontalPodAutoscaler(ctx, p.name+"-scaler", &autoscalingv2.HorizontalPodAutoscalerArgs{
		Metadata: p.metadata(product),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpecArgs{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReferenceArgs{
				ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"),
				Name: deployment.Metadata.Name().Elem(),
			},
			MinReplicas: pulumi.Int(p.Replicas), MaxReplicas: pulumi.Int(p.MaxReplicas),
			Metrics: autoscalingv2.MetricSpecArray{utilization("cpu", p.CPUPercent), utilization("memory", p.MemoryPercent)},
		},
	}, component.Under(t)...); err != nil {
		return fmt.Errorf("creating the autoscaler: %w", err)
	}
	return nil
}

// utilization is a target relative to what pods request.
func utilization(resource string, percent int) autoscalingv2.MetricSpecArgs {
	return autoscalingv2.MetricSpecArgs{
		Type: pulumi.String("Resource"),
		Resource: autoscalingv2.ResourceMetricSourceArgs{
			Name: pulumi.String(resource),
			Target: autoscalingv2.MetricTargetArgs{
				Type: pulumi.String("Utilization"), AverageUtilization: pulumi.Int(percent),
			},
		},
	}
}

// load is that of all proxies.
func (p parts) load() component.Load {
	return component.Load{
		Pods: p.MaxReplicas, EachNode: p.HostPorts, Rolls: !p.HostPorts,
		CPU: "100m", Memory: fmt.Sprintf("%dMi", memoryRequest), MemoryLimit: fmt.Sprintf("%dMi", memoryLimit),
	}
}

func (p parts) pod() corev1.PodTemplateSpecArgs {
	spec := corev1.PodSpecArgs{
		ServiceAccountName:            pulumi.String(product),
		AutomountServiceAccountToken:  pulumi.Bool(true),
		EnableServiceLinks:            pulumi.Bool(false),
		PriorityClassName:             pulumi.String(workload.Critical),
		TerminationGracePeriodSeconds: pulumi.Int(p.Timings.AcceptSeconds + p.Timings.FinishSeconds + margin),
		SecurityContext:               workload.PodSecurity(user),
		Containers:                    corev1.ContainerArray{p.container()},
	}
	if !p.HostPorts {
		spec.TopologySpreadConstraints = workload.Spread(p.selector)
	}
	return corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(p.labels())},
		Spec:     spec,
	}
}

func (p parts) container() corev1.ContainerArgs {
	port := func(named string, number, public int) corev1.ContainerPortArgs {
		made := corev1.ContainerPortArgs{
			Name: pulumi.String(named), ContainerPort: pulumi.Int(number), Protocol: pulumi.String("TCP"),
		}
		if p.HostPorts && public > 0 {
			made.HostPort = pulumi.Int(public)
		}
		return made
	}
	return corev1.ContainerArgs{
		Name:            pulumi.String(product),
		Image:           pulumi.String(p.Image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args:            pulumi.ToStringArray(flags(p.plan)),
		Env: corev1.EnvVarArray{corev1.EnvVarArgs{
			Name: pulumi.String("GOMEMLIMIT"), Value: pulumi.String(gomemlimit()),
		}},
		Ports: corev1.ContainerPortArray{
			port(web, webPort, p.HTTPPort), port(secure, SecurePort, p.HTTPSPort), port("internal", internalPort, 0),
		},
		LivenessProbe:   workload.Probe("/ping", pulumi.Int(internalPort), 10),
		ReadinessProbe:  workload.Probe(readyPath, pulumi.Int(internalPort), 2),
		SecurityContext: workload.ContainerSecurity(),
		Resources:       p.load().Resources(),
	}
}
