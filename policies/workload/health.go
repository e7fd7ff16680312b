package workload

import (
	"reflect"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/rule"
)

func health() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "probes-present", Title: "Servers say whether they live and whether they are ready",
			Why:        "Without readiness a pod is sent requests before it can answer; without liveness one that hangs stays for ever.",
			Remedy:     "Set livenessProbe and readinessProbe on containers that open a port.",
			References: []string{"https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"},
			Types:      rule.Servers,
			Reads:      []string{"container.livenessProbe", "container.readinessProbe", "container.ports"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
				if !c.Serves() {
					return nil
				}
				var complaints []rule.Complaint
				if c.LivenessProbe == nil {
					complaints = append(complaints, rule.Complain(c.Path+".livenessProbe", "container %s has none", c.Name)...)
				}
				if c.ReadinessProbe == nil {
					complaints = append(complaints, rule.Complain(c.Path+".readinessProbe", "container %s has none", c.Name)...)
				}
				return complaints
			}),
			Admission: &rule.Admission{Holds: `variables.running.all(c,
  !c.?ports.orValue([]).exists(p, !p.?name.orValue("").contains("metrics")) || (has(c.livenessProbe) && has(c.readinessProbe)))`},
			Example: rule.Example{Resource: web, Set: map[string]any{container + ".livenessProbe": nil}},
		},
		{
			ID: "probes-differ", Title: "Being alive and being ready are asked differently",
			Why:        "When both ask the same, a pod that waits for its database is killed instead of left out, and a slow database becomes an outage.",
			Remedy:     "Let liveness ask only whether the process turns, and readiness whether it can serve; or give liveness a larger failureThreshold.",
			References: []string{"https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"},
			Types:      rule.Servers,
			Reads:      []string{"container.livenessProbe", "container.readinessProbe"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
				live, ready := c.LivenessProbe, c.ReadinessProbe
				if live == nil || ready == nil || !reflect.DeepEqual(live.ProbeHandler, ready.ProbeHandler) || patience(live) > patience(ready) {
					return nil
				}
				return rule.Complain(c.Path+".livenessProbe", "container %s is killed as soon as it is not ready: both probes ask the same", c.Name)
			}),
			Example: rule.Example{Resource: web, Unknown: container + ".livenessProbe.httpGet.path",
				Set: map[string]any{container + ".livenessProbe": map[string]any{"httpGet": map[string]any{"path": "/healthz/ready", "port": "http"}, "periodSeconds": 2, "failureThreshold": 2}}},
		},
		{
			ID: "no-bare-pods", Title: "Every pod belongs to a workload that replaces it",
			Why:        "A pod by itself is gone for good when its node is.",
			Remedy:     "Use a Deployment, StatefulSet, DaemonSet or Job.",
			References: []string{"https://kubernetes.io/docs/concepts/configuration/overview/#naked-pods-vs-replicasets-deployments-and-jobs"},
			Types:      []string{rule.PodType},
			Reads:      []string{"metadata.ownerReferences"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, p *corev1.Pod, _ rule.Limits) []rule.Complaint {
				if len(p.OwnerReferences) == 0 {
					return rule.Complain("metadata.ownerReferences", "nothing will replace this pod")
				}
				return nil
			}),
			Example: rule.Example{Resource: "Pod/shop/owned", Set: map[string]any{"metadata.ownerReferences": nil}},
		},
		{
			ID: "cronjob-bounded", Title: "A CronJob that misses its time gives up, and its runs do not pile up",
			Why:        "Without startingDeadlineSeconds a CronJob that missed 100 times never runs again; without activeDeadlineSeconds a hung run lasts for ever.",
			Remedy:     "Set startingDeadlineSeconds, concurrencyPolicy Forbid or Replace, and activeDeadlineSeconds in the job's template.",
			References: []string{"https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#starting-deadline"},
			Types:      []string{rule.CronJob},
			Reads:      []string{"spec.startingDeadlineSeconds", "spec.concurrencyPolicy", "spec.jobTemplate.spec.activeDeadlineSeconds"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, job *batchv1.CronJob, _ rule.Limits) []rule.Complaint {
				switch {
				case job.Spec.StartingDeadlineSeconds == nil:
					return rule.Complain("spec.startingDeadlineSeconds", "is not set: a missed run is never given up")
				case job.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent && job.Spec.ConcurrencyPolicy != batchv1.ReplaceConcurrent:
					return rule.Complain("spec.concurrencyPolicy", "lets runs overlap")
				case job.Spec.JobTemplate.Spec.ActiveDeadlineSeconds == nil:
					return rule.Complain("spec.jobTemplate.spec.activeDeadlineSeconds", "is not set: a hung run lasts for ever")
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `has(object.spec.startingDeadlineSeconds) &&
object.spec.?concurrencyPolicy.orValue("Allow") in ["Forbid", "Replace"] && has(object.spec.jobTemplate.spec.activeDeadlineSeconds)`},
			Example: rule.Example{Resource: "CronJob/shop/cleanup", Set: map[string]any{"spec.startingDeadlineSeconds": nil}},
		},
		{
			ID: "job-restart-policy", Title: "Jobs say what happens to a run that fails",
			Why:        "OnFailure repeats in the same pod and keeps no log of the failure; Never leaves the failed pod to be read. The default of a pod, Always, is refused by the API server.",
			Remedy:     "Set restartPolicy: Never, and backoffLimit to the number of attempts.",
			References: []string{"https://kubernetes.io/docs/concepts/workloads/controllers/job/#handling-pod-and-container-failures"},
			Types:      []string{rule.Job, rule.CronJob},
			Reads:      []string{"pod.restartPolicy"},
			Check: rule.Pods(func(p *rule.Pod, _ rule.Limits) []rule.Complaint {
				if p.Spec.RestartPolicy != corev1.RestartPolicyNever && p.Spec.RestartPolicy != corev1.RestartPolicyOnFailure {
					return rule.Complain(p.Path+".restartPolicy", "is not Never or OnFailure")
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `variables.pod.?restartPolicy.orValue("Always") in ["Never", "OnFailure"]`},
			Example:   rule.Example{Resource: "CronJob/shop/cleanup", Set: map[string]any{"spec.jobTemplate.spec.template.spec.restartPolicy": "Always"}},
		},
	}
}

// patience is how many seconds a probe goes unanswered before anything happens.
func patience(probe *corev1.Probe) int32 {
	period, threshold := probe.PeriodSeconds, probe.FailureThreshold
	if period == 0 {
		period = 10
	}
	if threshold == 0 {
		threshold = 3
	}
	return period * threshold
}
