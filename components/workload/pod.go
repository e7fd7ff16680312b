package workload

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// Labels of nodes by which pods are spread.
const (
	zoneLabel = "topology.kubernetes.io/zone"
	hostLabel = "kubernetes.io/hostname"
)

// Critical is the priority of servers the whole platform stands still without.
// It is built into Kubernetes; under pressure other pods give way to them.
const Critical = "system-cluster-critical"

// PodSecurity runs every container of a pod as a numbered, unprivileged user.
// Images may say the same; saying it here lets admission check it.
func PodSecurity(user int) corev1.PodSecurityContextArgs {
	return corev1.PodSecurityContextArgs{
		RunAsNonRoot: pulumi.Bool(true),
		RunAsUser:    pulumi.Int(user),
		RunAsGroup:   pulumi.Int(user),
		FsGroup:      pulumi.Int(user),
		SeccompProfile: corev1.SeccompProfileArgs{
			Type: pulumi.String("RuntimeDefault"),
		},
	}
}

// ContainerSecurity takes every privilege from a container and makes its image
// read-only. keep lists capabilities left in its bounding set; the restricted
// standard permits NET_BIND_SERVICE and no other.
func ContainerSecurity(keep ...string) corev1.SecurityContextArgs {
	capabilities := corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})}
	if len(keep) > 0 {
		capabilities.Add = pulumi.ToStringArray(keep)
	}
	return corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false),
		ReadOnlyRootFilesystem:   pulumi.Bool(true),
		Capabilities:             capabilities,
	}
}

// Resources asks for cpu and memory, and bounds memory at limit. CPU has no
// bound: these servers are small, their requests already weigh them against
// each other, and a throttled proxy or DNS server is slow for everyone.
func Resources(cpu, memory, limit string) corev1.ResourceRequirementsArgs {
	return corev1.ResourceRequirementsArgs{
		Requests: pulumi.StringMap{"cpu": pulumi.String(cpu), "memory": pulumi.String(memory)},
		Limits:   pulumi.StringMap{"memory": pulumi.String(limit)},
	}
}

// Spread puts the pods of a Deployment on different zones and nodes as far as
// there are any. It prefers rather than demands, so that a cluster of one node
// still runs everything. Each rollout is counted for itself; otherwise the
// pods of the old one would push the new ones onto the same node.
func Spread(selector map[string]string) corev1.TopologySpreadConstraintArray {
	var constraints corev1.TopologySpreadConstraintArray
	for _, key := range []string{zoneLabel, hostLabel} {
		constraints = append(constraints, corev1.TopologySpreadConstraintArgs{
			MaxSkew:           pulumi.Int(1),
			TopologyKey:       pulumi.String(key),
			WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
			LabelSelector:     metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
			MatchLabelKeys:    pulumi.ToStringArray([]string{"pod-template-hash"}),
		})
	}
	return constraints
}

// Probe asks path at a named or numbered port every period seconds. A pod
// fails after three bad answers in a row.
func Probe(path string, port pulumi.Input, period int) corev1.ProbeArgs {
	return corev1.ProbeArgs{
		HttpGet:          corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: port},
		PeriodSeconds:    pulumi.Int(period),
		TimeoutSeconds:   pulumi.Int(3),
		FailureThreshold: pulumi.Int(3),
	}
}
