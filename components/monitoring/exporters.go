package monitoring

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/workload"
)

// seen are the collectors that see the node from inside a container. Files are
// looked at for the root only, which lies on the node's disk.
var seen = []string{"cpu", "diskstats", "filesystem", "loadavg", "meminfo", "pressure", "stat", "time", "uname", "vmstat"}

// exportNodes declares node-exporter, one pod on each node.
func (b *builder) exportNodes() error {
	args := []string{
		fmt.Sprintf("--web.listen-address=:%d", nodePort),
		"--collector.disable-defaults",
		// The default leaves overlays out.
		"--collector.filesystem.fs-types-exclude=^(proc|sysfs|tmpfs|devpts|mqueue|cgroup2?|devtmpfs)$",
		"--collector.filesystem.mount-points-exclude=^/.+",
		"--collector.diskstats.device-exclude=^(ram|loop|fd|sr)\\d+$",
		"--collector.vmstat.fields=^(oom_kill|pgmajfault|pgfault)$",
	}
	for _, collector := range seen {
		args = append(args, "--collector."+collector)
	}
	ports := []port{{"http", "TCP", nodePort}}
	template := b.pod(nodeExporter, nil, corev1.ContainerArgs{
		Image:   pulumi.String(b.plan.Image),
		Command: pulumi.ToStringArray([]string{"node-exporter"}),
		Args:    pulumi.ToStringArray(args),
		Ports:   containerPorts(ports),
		LivenessProbe: corev1.ProbeArgs{
			TcpSocket: corev1.TCPSocketActionArgs{Port: pulumi.String("http")}, PeriodSeconds: pulumi.Int(20),
		},
		ReadinessProbe: workload.Probe("/", pulumi.String("http"), 10),
		Resources:      nodeLoad.Resources(),
	}, nil)
	_, err := appsv1.NewDaemonSet(b.ctx, b.name+"-"+nodeExporter, &appsv1.DaemonSetArgs{
		Metadata: b.meta(nodeExporter),
		Spec: appsv1.DaemonSetSpecArgs{
			Selector: b.match(nodeExporter), Template: template, RevisionHistoryLimit: pulumi.Int(3),
			UpdateStrategy: appsv1.DaemonSetUpdateStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDaemonSetArgs{
					MaxUnavailable: pulumi.Int(1), MaxSurge: pulumi.Int(0),
				},
			},
		},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating node-exporter: %w", err)
	}
	return nil
}

// exportState declares kube-state-metrics. It is one pod: a second would report
// every object a second time. Its own absence is an alert.
func (b *builder) exportState() error {
	account, binding, err := b.account(stateMetrics, listing())
	if err != nil {
		return err
	}
	ports := []port{{"http", "TCP", statePort}, {"self", "TCP", stateSelfPort}}
	if err := b.headless(stateMetrics, ports); err != nil {
		return err
	}
	_, err = appsv1.NewDeployment(b.ctx, b.name+"-"+stateMetrics, &appsv1.DeploymentArgs{
		Metadata: b.meta(stateMetrics),
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(1), Selector: b.match(stateMetrics), RevisionHistoryLimit: pulumi.Int(3),
			Strategy: rolling(),
			Template: b.pod(stateMetrics, account, corev1.ContainerArgs{
				Image: pulumi.String(b.plan.StateImage),
				Args:  pulumi.ToStringArray(stateFlags()),
				Ports: containerPorts(ports),
				// Being alive does not depend on the API; being ready does not either,
				// or a moment without it would take away what was listed before.
				LivenessProbe:  workload.Probe("/healthz", pulumi.String("http"), 10),
				ReadinessProbe: workload.Probe("/metrics", pulumi.String("self"), 10),
				Resources:      stateLoad.Resources(),
			}, nil),
		},
	}, b.under(pulumi.DependsOn([]pulumi.Resource{binding}))...)
	if err != nil {
		return fmt.Errorf("creating kube-state-metrics: %w", err)
	}
	return nil
}
