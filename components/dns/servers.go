package dns

import (
	"fmt"
	"net/netip"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// user is whom the servers run as; any unprivileged number does.
const user = 65532

// inside is where name servers of private zones are found.
func (p plan) inside() []netip.Addr {
	if p.clusterIP == "" {
		return nil
	}
	return []netip.Addr{netip.MustParseAddr(p.clusterIP)}
}

func (z *Zones) servers(ctx *pulumi.Context, p parts, config *corev1.ConfigMap, after []pulumi.Resource) error {
	pod := p.pod(config)
	selector := metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.selector)}
	if p.hostPort > 0 {
		_, err := appsv1.NewDaemonSet(ctx, p.name+"-servers", &appsv1.DaemonSetArgs{
			Metadata: p.metadata(p.name),
			Spec: appsv1.DaemonSetSpecArgs{
				Selector: selector, Template: pod, RevisionHistoryLimit: pulumi.Int(3),
				// Two servers cannot hold one port of a node, so the old one
				// goes first; the other nodes answer meanwhile.
				UpdateStrategy: appsv1.DaemonSetUpdateStrategyArgs{
					Type: pulumi.String("RollingUpdate"),
					RollingUpdate: appsv1.RollingUpdateDaemonSetArgs{
						MaxUnavailable: pulumi.Int(1), MaxSurge: pulumi.Int(0),
					},
				},
			},
		}, component.Under(z, pulumi.DependsOn(after))...)
		if err != nil {
			return fmt.Errorf("creating the servers: %w", err)
		}
		return nil
	}
	_, err := appsv1.NewDeployment(ctx, p.name+"-servers", &appsv1.DeploymentArgs{
		Metadata: p.metadata(p.name),
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(p.replicas), Selector: selector, Template: pod, RevisionHistoryLimit: pulumi.Int(3),
			Strategy: appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
					MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1),
				},
			},
		},
	}, component.Under(z, pulumi.DependsOn(after))...)
	if err != nil {
		return fmt.Errorf("creating the servers: %w", err)
	}
	// A DaemonSet needs no budget: a drain passes over its pods.
	_, err = policyv1.NewPodDisruptionBudget(ctx, p.name+"-budget", &policyv1.PodDisruptionBudgetArgs{
		Metadata: p.metadata(p.name),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1), Selector: selector,
			// A server that does not run protects nothing; let a drain take it.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, component.Under(z)...)
	if err != nil {
		return fmt.Errorf("creating the disruption budget: %w", err)
	}
	return nil
}

// load is that of all servers.
func (p parts) load() component.Load {
	return component.Load{
		Pods: p.replicas, EachNode: p.hostPort > 0, Rolls: p.hostPort == 0, CPU: "10m", Memory: "24Mi", MemoryLimit: "96Mi",
	}
}

func (p parts) pod(config *corev1.ConfigMap) corev1.PodTemplateSpecArgs {
	spec := corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false),
		EnableServiceLinks:           pulumi.Bool(false),
		// What these servers know does not come from DNS, and they must start
		// while the cluster's DNS still waits for them.
		DnsPolicy:                     pulumi.String("Default"),
		PriorityClassName:             pulumi.String(workload.Critical),
		TerminationGracePeriodSeconds: pulumi.Int(3 * lameduck),
		SecurityContext:               workload.PodSecurity(user),
		Containers:                    corev1.ContainerArray{p.container()},
		Volumes: corev1.VolumeArray{corev1.VolumeArgs{
			Name:      pulumi.String("zones"),
			ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: config.Metadata.Name()},
		}},
	}
	if p.hostPort == 0 {
		spec.TopologySpreadConstraints = workload.Spread(p.selector)
	}
	return corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(p.labels())},
		Spec:     spec,
	}
}

func (p parts) container() corev1.ContainerArgs {
	port := func(name, protocol string, number, host int) corev1.ContainerPortArgs {
		made := corev1.ContainerPortArgs{
			Name: pulumi.String(name), Protocol: pulumi.String(protocol), ContainerPort: pulumi.Int(number),
		}
		if host > 0 {
			made.HostPort = pulumi.Int(host)
		}
		return made
	}
	return corev1.ContainerArgs{
		Name:            pulumi.String("coredns"),
		Image:           pulumi.String(p.image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args:            pulumi.ToStringArray([]string{"-conf", configDir + "/Corefile"}),
		Ports: corev1.ContainerPortArray{
			port("dns", "UDP", dnsPort, p.hostPort), port("dns-tcp", "TCP", dnsPort, p.hostPort),
			port("metrics", "TCP", metricsPort, 0),
		},
		LivenessProbe:  workload.Probe("/health", pulumi.Int(healthPort), 10),
		ReadinessProbe: workload.Probe("/ready", pulumi.Int(readyPort), 2),
		// The program in the upstream image carries this capability in its file
		// and does not start where it is out of reach. Nothing here uses it.
		SecurityContext: workload.ContainerSecurity("NET_BIND_SERVICE"),
		Resources:       p.load().Resources(),
		VolumeMounts: corev1.VolumeMountArray{corev1.VolumeMountArgs{
			Name: pulumi.String("zones"), MountPath: pulumi.String(configDir), ReadOnly: pulumi.Bool(true),
		}},
	}
}
