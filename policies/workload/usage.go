package workload

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/slipway/policies/rule"
)

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

func usage() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "requests-and-limits", Title: "Containers say what CPU and memory they need, and how much memory at most",
			Why: "Without requests the scheduler piles pods on one node and autoscalers have nothing to divide by; " +
				"without a memory limit one leak takes its neighbours along. CPU limits are asked for only with requireCPULimit: they throttle while the node idles.",
			Remedy:     "Set resources.requests.cpu, resources.requests.memory and resources.limits.memory.",
			References: []string{"https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"container.resources"},
			Check:      rule.Containers(sized),
			Example:    rule.Example{Resource: web, Set: map[string]any{container + ".resources.limits.memory": nil}},
		},
		{
			ID: "temporary-space-bounded", Title: "Space for temporary files is bounded",
			Why:        "An emptyDir without a size fills the node's disk, and the kubelet answers by evicting other pods.",
			Remedy:     "Set emptyDir.sizeLimit, or resources.limits.ephemeral-storage on the containers.",
			References: []string{"https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage"},
			Types:      rule.Workloads,
			Reads:      []string{"pod.volumes", "container.resources.limits"},
			Check:      rule.Pods(bounded),
			Admission: &rule.Admission{Holds: `variables.containers.all(c, has(c.resources) && has(c.resources.limits) && "ephemeral-storage" in c.resources.limits) ||
variables.pod.?volumes.orValue([]).all(v, !has(v.emptyDir) || has(v.emptyDir.sizeLimit))`},
			Example: rule.Example{Resource: web, Set: map[string]any{pod + ".volumes[0].emptyDir.sizeLimit": nil}},
		},
		{
			ID: "no-secrets-from-env", Title: "Secrets reach processes as files, not as environment variables",
			Why:        "An environment is inherited by every child, printed by crash reports and shown by kubectl describe when it is a plain value.",
			Remedy:     "Mount the Secret as a volume and hand the process the file's path.",
			References: []string{"CIS Kubernetes 5.4.1"},
			Types:      rule.Workloads,
			Reads:      []string{"container.env", "container.envFrom"},
			Check:      rule.Containers(secretless),
			Admission: &rule.Admission{Holds: `variables.containers.all(c,
  c.?env.orValue([]).all(e, !has(e.valueFrom) || !has(e.valueFrom.secretKeyRef)) &&
  c.?env.orValue([]).all(e, !(has(e.value) && e.value != "" && e.name.upperAscii().matches("PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_KEY|ACCESS_KEY|API_KEY") && !e.name.upperAscii().endsWith("_FILE"))) &&
  c.?envFrom.orValue([]).all(e, !has(e.secretRef)))`},
			Example: rule.Example{Resource: web, Unknown: container + ".env[0]",
				Set: map[string]any{container + ".env[0]": map[string]any{"name": "DATABASE_PASSWORD",
					"valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "web-database", "key": "password"}}}}},
		},
	}
}

func sized(_ *rule.Pod, c rule.Container, limits rule.Limits) []rule.Complaint {
	var complaints []rule.Complaint
	for _, want := range []struct {
		field  string
		amount resource.Quantity
		needed bool
	}{
		{"requests.cpu", c.Resources.Requests[corev1.ResourceCPU], true},
		{"requests.memory", c.Resources.Requests[corev1.ResourceMemory], true},
		{"limits.memory", c.Resources.Limits[corev1.ResourceMemory], true},
		{"limits.cpu", c.Resources.Limits[corev1.ResourceCPU], limits.RequireCPULimit},
	} {
		if want.needed && want.amount.Sign() <= 0 {
			complaints = append(complaints, rule.Complain(c.Path+".resources."+want.field, "container %s does not say it", c.Name)...)
		}
	}
	return complaints
}

func bounded(p *rule.Pod, _ rule.Limits) []rule.Complaint {
	for i, volume := range p.Spec.Volumes {
		if volume.EmptyDir == nil || volume.EmptyDir.SizeLimit != nil {
			continue
		}
		for _, c := range p.Containers {
			if _, ok := c.Resources.Limits[corev1.ResourceEphemeralStorage]; !ok {
				return rule.Complain(p.Path+".volumes"+index(i)+".emptyDir.sizeLimit", "volume %s may fill the node's disk", volume.Name)
			}
		}
	}
	return nil
}

func secretless(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
	for i, env := range c.Env {
		at := c.Path + ".env" + index(i)
		if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
			return rule.Complain(at, "container %s takes variable %s from a Secret", c.Name, env.Name)
		}
		if env.Value != "" && looksSecret(env.Name) {
			return rule.Complain(at, "container %s has what looks like a secret in plain variable %s", c.Name, env.Name)
		}
	}
	for i, from := range c.EnvFrom {
		if from.SecretRef != nil {
			return rule.Complain(c.Path+".envFrom"+index(i), "container %s takes all of a Secret as variables", c.Name)
		}
	}
	return nil
}
