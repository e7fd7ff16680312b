package postgres

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// exporterUser is the role that a member's exporter looks with, the operating
// system's user that PostgreSQL knows it by, and PgBouncer's user that looks.
const exporterUser = "exporter"

// exporterID is the number of that user in the members' image.
const exporterID = 997

// Ports where exporters answer.
const (
	memberMetricsPort = 9187
	poolerMetricsPort = 9127
)

// watched says whether anybody reads what exporters tell. Where nobody does,
// there are none.
func (p *plan) watched() bool { return p.MonitoringNamespace != "" }

// Loads of the two exporters. The rule that a database gets the memory it asks
// for is about every container of a member.
var (
	memberExporterLoad = component.Load{CPU: "5m", Memory: "32Mi", MemoryLimit: "32Mi"}
	poolerExporterLoad = component.Load{CPU: "5m", Memory: "48Mi", MemoryLimit: "64Mi"}
)

// beside is the load of one exporter in each pod of another load.
func beside(exporter, pods component.Load) component.Load {
	exporter.Pods, exporter.Rolls = pods.Pods, pods.Rolls
	return exporter
}

// memberExporter stands beside a member and asks it alone, so that each member
// speaks for itself whoever leads. It sees the socket, not the data, and runs as
// a user that PostgreSQL takes for nobody else.
func (b *builder) memberExporter() corev1.ContainerArgs {
	security := workload.ContainerSecurity()
	security.RunAsUser, security.RunAsGroup = pulumi.Int(exporterID), pulumi.Int(exporterID)
	made := b.exporter(memberMetricsPort, memberExporterLoad, "exporter")
	made.SecurityContext = security
	made.VolumeMounts = volumeMounts([]mount{{name: "run", path: runDir}})
	return made
}

// poolerExporter stands beside a pooler, whose console it asks.
func (b *builder) poolerExporter() corev1.ContainerArgs {
	made := b.exporter(poolerMetricsPort, poolerExporterLoad, "bouncer", fmt.Sprint(Port))
	made.SecurityContext = workload.ContainerSecurity()
	made.VolumeMounts = volumeMounts([]mount{{name: "exporter", path: etcDir + "/credentials"}})
	return made
}

// exporter is what both have in common. Neither is asked whether it is ready: a
// member or pooler that nobody can look into serves as well as any. One that hangs
// is started again by itself, so that nobody deletes a member's pod for it.
func (b *builder) exporter(port int, load component.Load, command ...string) corev1.ContainerArgs {
	return corev1.ContainerArgs{
		Name:            pulumi.String("exporter"),
		Image:           pulumi.String(b.plan.Image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args:            pulumi.ToStringArray(command),
		Ports: corev1.ContainerPortArray{corev1.ContainerPortArgs{
			Name: pulumi.String("metrics"), ContainerPort: pulumi.Int(port),
		}},
		LivenessProbe: corev1.ProbeArgs{
			TcpSocket: corev1.TCPSocketActionArgs{Port: pulumi.String("metrics")}, PeriodSeconds: pulumi.Int(20),
			TimeoutSeconds: pulumi.Int(3), FailureThreshold: pulumi.Int(3),
		},
		Resources: load.Resources(),
	}
}

// containers are those of a pod, an exporter last where somebody watches: what
// is asked of a pod without naming a container is asked of the first.
func (p *plan) containers(first corev1.ContainerArgs, exporter func() corev1.ContainerArgs) corev1.ContainerArray {
	list := corev1.ContainerArray{first}
	if p.watched() {
		list = append(list, exporter())
	}
	return list
}

// firstByDefault names the container that kubectl means where none is named.
// Without it kubectl says which one it took, in the middle of what it was asked.
func firstByDefault(name string) pulumi.StringMap {
	return pulumi.StringMap{"kubectl.kubernetes.io/default-container": pulumi.String(name)}
}
