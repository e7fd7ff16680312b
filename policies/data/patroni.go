package data

import (
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/rule"
)

func itoa(i int) string { return strconv.Itoa(i) }

// The files of a Patroni cluster's ConfigMap.
const (
	dynamicFile = "dynamic.yaml"
	localFile   = "patroni.yaml"
)

// dynamic is the part of Patroni's shared configuration that rules ask for.
type dynamic struct {
	ttl, loopWait, retryTimeout float64
	synchronous                 bool
	parameters                  map[string]any
}

// clusterOf reads the shared configuration in a ConfigMap; ok is false when it
// has none.
func clusterOf(c *corev1.ConfigMap) (dynamic, bool, error) {
	text, ok := c.Data[dynamicFile]
	if !ok {
		return dynamic{}, false, nil
	}
	tree, err := parse(text)
	if err != nil {
		return dynamic{}, true, err
	}
	number := func(key string, standard float64) float64 {
		if value, ok := tree[key].(float64); ok {
			return value
		}
		return standard
	}
	d := dynamic{ttl: number("ttl", 30), loopWait: number("loop_wait", 10), retryTimeout: number("retry_timeout", 10)}
	switch mode := tree["synchronous_mode"].(type) {
	case bool:
		d.synchronous = mode
	case string:
		d.synchronous = mode == "quorum" || mode == "on"
	}
	if postgresql, ok := tree["postgresql"].(map[string]any); ok {
		d.parameters, _ = postgresql["parameters"].(map[string]any)
	}
	return d, true, nil
}

// Parameters are the PostgreSQL parameters in a Patroni ConfigMap; ok is false
// when it is not one.
func Parameters(c *corev1.ConfigMap) (map[string]any, bool) {
	d, ok, err := clusterOf(c)
	return d.parameters, ok && err == nil
}

// settingsOf is the Patroni configuration that a pod mounts.
func settingsOf(s *rule.Stack, r *rule.Resource) (*corev1.ConfigMap, dynamic, bool) {
	pod := rule.PodOf(r)
	if pod == nil {
		return nil, dynamic{}, false
	}
	var names []string
	for _, volume := range pod.Spec.Volumes {
		if volume.ConfigMap != nil {
			names = append(names, volume.ConfigMap.Name)
		}
		if volume.Projected != nil {
			for _, source := range volume.Projected.Sources {
				if source.ConfigMap != nil {
					names = append(names, source.ConfigMap.Name)
				}
			}
		}
	}
	for _, name := range names {
		config := rule.As[corev1.ConfigMap](s.Named(rule.ConfigMap, r.Namespace(), name))
		if config == nil {
			continue
		}
		if d, ok, err := clusterOf(config); ok && err == nil {
			return config, d, true
		}
	}
	return nil, dynamic{}, false
}

// unseen is what to say of a workload without a configuration to read: nothing,
// unless it speaks of Patroni, whose settings must then be somewhere else.
func unseen(r *rule.Resource) []rule.Complaint {
	pod := rule.PodOf(r)
	if pod == nil {
		return nil
	}
	for _, c := range pod.Containers {
		words := append([]string{c.Name, c.Image}, append(c.Command, c.Args...)...)
		for _, env := range c.Env {
			words = append(words, env.Name)
		}
		if strings.Contains(strings.ToLower(strings.Join(words, " ")), "patroni") {
			return []rule.Complaint{{Path: c.Path, Undecided: true,
				Message: "runs Patroni, and no ConfigMap that it mounts holds " + dynamicFile + ": nobody can say how it is set up"}}
		}
	}
	return nil
}

func patroni() []*rule.Rule {
	mounted := map[string][]string{rule.ConfigMap: {`data["dynamic.yaml"]`, "metadata.name", "metadata.namespace"}}
	return []*rule.Rule{
		{
			ID: "patroni-ttl", Title: "Patroni's timings leave a leader time to renew its lock",
			Why:        "When loop_wait + 2 × retry_timeout exceeds ttl, one slow answer of the API server takes the leader's lock away and makes a failover of a hiccup.",
			Remedy:     "Keep loop_wait + 2*retry_timeout <= ttl, ttl at 20 or more, loop_wait at 1 or more, retry_timeout at 3 or more.",
			References: []string{patroniQA + "dynamic_configuration.html"},
			Types:      []string{rule.ConfigMap}, Reads: []string{`data["dynamic.yaml"]`},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, c *corev1.ConfigMap, _ rule.Limits) []rule.Complaint {
				at := `data["dynamic.yaml"]`
				d, ok, err := clusterOf(c)
				switch {
				case err != nil:
					return rule.Complain(at, "is no YAML: %v", err)
				case !ok:
					return nil
				case d.ttl < 20 || d.loopWait < 1 || d.retryTimeout < 3:
					return rule.Complain(at, "ttl %g, loop_wait %g or retry_timeout %g is below what Patroni accepts (20, 1, 3)", d.ttl, d.loopWait, d.retryTimeout)
				case d.loopWait+2*d.retryTimeout > d.ttl:
					return rule.Complain(at, "loop_wait %g + 2 × retry_timeout %g exceeds ttl %g", d.loopWait, d.retryTimeout, d.ttl)
				}
				return nil
			}),
			Example: rule.Example{Resource: settings, Set: map[string]any{`data["dynamic.yaml"]`: "ttl: 20\nloop_wait: 5\nretry_timeout: 10\nsynchronous_mode: quorum\npostgresql:\n  parameters: {log_parameter_max_length: 0, log_parameter_max_length_on_error: 0, log_min_error_statement: panic}\n"}},
		},
		{
			ID: "patroni-three-members", Title: "A synchronous cluster has three members, and is synchronous",
			Why:        "With two, the loss of one stops all writes; without synchronous replication, a failover loses what was acknowledged.",
			Remedy:     "Set replicas to 3 or more and synchronous_mode to quorum or on.",
			References: []string{patroniQA + "replication_modes.html"},
			Types:      []string{rule.StatefulSet}, Reads: []string{"spec.replicas", "pod.volumes", "metadata.namespace"}, Consults: mounted, Exhaustive: true,
			Check: func(s *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				_, d, ok := settingsOf(s, r)
				if !ok {
					return unseen(r)
				}
				if n := rule.As[appsv1.StatefulSet](r).Spec.Replicas; n == nil || int(*n) < limits.PatroniMembers {
					return rule.Complain("spec.replicas", "is below %d", limits.PatroniMembers)
				}
				if !d.synchronous {
					return rule.Complain("", "its %s does not make replication synchronous", dynamicFile)
				}
				return nil
			},
			Example: rule.Example{Resource: members, Set: map[string]any{"spec.replicas": 2}},
		},
		{
			ID: "patroni-volume", Title: "A member's data lies on a volume",
			Why:        "On an emptyDir every restart on another node is a restore, and three at once are a loss.",
			Remedy:     "Declare volumeClaimTemplates and mount the claim where data_dir lies.",
			References: []string{"https://kubernetes.io/docs/concepts/storage/volumes/#emptydir"},
			Types:      []string{rule.StatefulSet}, Reads: []string{"pod.volumes", "container.volumeMounts", "spec.volumeClaimTemplates", "metadata.namespace"},
			Consults: map[string][]string{rule.ConfigMap: {"data", "metadata.name", "metadata.namespace"}}, Exhaustive: true,
			Check: onVolume,
			Example: rule.Example{Resource: members, Unknown: "spec.template.spec.containers[0].volumeMounts[1].name",
				Set: map[string]any{"spec.template.spec.containers[0].volumeMounts[1].name": "tmp"}},
		},
		{
			ID: "patroni-configmaps", Title: "Patroni keeps its state in ConfigMaps, not in Endpoints",
			Why:        "The Endpoints API is deprecated since Kubernetes 1.33, and writing Endpoints is a right nobody should have.",
			Remedy:     "Set kubernetes.use_endpoints: false.",
			References: []string{"https://github.com/patroni/patroni/issues/3529"},
			Types:      []string{rule.ConfigMap}, Reads: []string{`data["patroni.yaml"]`},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, c *corev1.ConfigMap, _ rule.Limits) []rule.Complaint {
				text, ok := c.Data[localFile]
				if !ok {
					return nil
				}
				at := `data["patroni.yaml"]`
				tree, err := parse(text)
				if err != nil {
					return rule.Complain(at, "is no YAML: %v", err)
				}
				kubernetes, ok := tree["kubernetes"].(map[string]any)
				if use, _ := kubernetes["use_endpoints"].(bool); ok && use {
					return rule.Complain(at, "has kubernetes.use_endpoints: true")
				}
				return nil
			}),
			Example: rule.Example{Resource: settings, Set: map[string]any{`data["patroni.yaml"]`: "kubernetes:\n  use_endpoints: true\npostgresql:\n  data_dir: /var/lib/postgresql/data/pgdata\n"}},
		},
		{
			ID: "patroni-probes", Title: "A member is not killed while Patroni may still recover by itself",
			Why:        "Liveness that gives up before ttl ends turns an API server's hiccup into a restart of the database; without a grace period the leader cannot hand over.",
			Remedy:     "Let liveness fail for ttl seconds or more (period × threshold) and set terminationGracePeriodSeconds above ttl.",
			References: []string{patroniQA + "rest_api.html#health-check-endpoints"},
			Types:      []string{rule.StatefulSet}, Reads: []string{"container.livenessProbe", "pod.terminationGracePeriodSeconds", "pod.volumes", "metadata.namespace"},
			Consults: mounted, Exhaustive: true,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				_, d, ok := settingsOf(s, r)
				if !ok {
					return unseen(r)
				}
				pod := rule.PodOf(r)
				if grace := pod.Spec.TerminationGracePeriodSeconds; grace == nil || float64(*grace) <= d.ttl {
					return rule.Complain(pod.Path+".terminationGracePeriodSeconds", "must exceed ttl %g for the leader to hand over", d.ttl)
				}
				for _, c := range pod.Containers {
					if p := c.LivenessProbe; p != nil && float64(max(p.PeriodSeconds, 1)*max(p.FailureThreshold, 1)) < d.ttl {
						return rule.Complain(c.Path+".livenessProbe", "gives up after %d s, before ttl %g", max(p.PeriodSeconds, 1)*max(p.FailureThreshold, 1), d.ttl)
					}
				}
				return nil
			},
			Example: rule.Example{Resource: members, Set: map[string]any{"spec.template.spec.containers[0].livenessProbe.failureThreshold": 1}},
		},
	}
}

// onVolume asks what the directory that Patroni keeps data in is mounted from.
func onVolume(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	config, _, ok := settingsOf(s, r)
	if !ok {
		return unseen(r)
	}
	tree, err := parse(config.Data[localFile])
	if err != nil {
		return nil // patroni-configmaps says so
	}
	postgresql, _ := tree["postgresql"].(map[string]any)
	dir, _ := postgresql["data_dir"].(string)
	claims := map[string]bool{}
	for _, claim := range rule.As[appsv1.StatefulSet](r).Spec.VolumeClaimTemplates {
		claims[claim.Name] = true
	}
	pod := rule.PodOf(r)
	best, claimed, at := "", false, pod.Path
	for _, c := range pod.Containers {
		for i, mount := range c.VolumeMounts {
			if (dir == mount.MountPath || strings.HasPrefix(dir, mount.MountPath+"/")) && len(mount.MountPath) > len(best) {
				best, claimed, at = mount.MountPath, claims[mount.Name], c.Path+".volumeMounts["+itoa(i)+"].name"
			}
		}
	}
	if !claimed {
		return rule.Complain(at, "%s is not on a claim", dir)
	}
	return nil
}
