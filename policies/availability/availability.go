// Package availability holds the rules that keep a service up while pods, nodes
// and zones come and go, and while a release replaces its pods.
package availability

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"slipway.dev/slipway/policies/ingress"
	"slipway.dev/slipway/policies/rule"
)

const (
	web       = "Deployment/shop/web"
	container = "spec.template.spec.containers[0]"
	scaler    = "HorizontalPodAutoscaler/shop/web"
	budget    = "PodDisruptionBudget/shop/web"
)

var replicated = []string{rule.Deployment, rule.StatefulSet}

// Rules are the package's rules.
func Rules() []*rule.Rule {
	return rule.Group("availability", append(numbers(), links()...)...)
}

// sizes are what rules about budgets ask of workloads.
var sizes = []string{"spec.replicas", "template.metadata.labels", "metadata.name", "metadata.namespace"}

func numbers() []*rule.Rule {
	scalers := map[string][]string{rule.HorizontalPodAutoscaler: {"metadata.namespace", "spec.scaleTargetRef", "spec.minReplicas"}}
	return []*rule.Rule{
		{
			ID: "two-replicas", Title: "A server has two pods or more",
			Why:        "With one pod every drain, crash and update is an outage.",
			Remedy:     "Set spec.replicas, or minReplicas of its HorizontalPodAutoscaler, to 2 or more.",
			References: []string{"https://kubernetes.io/docs/concepts/workloads/pods/disruptions/"},
			Types:      replicated, Reads: []string{"spec.replicas", "metadata.name", "metadata.namespace"}, Consults: scalers,
			Check: func(s *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				if scalerOf(s, r) != nil {
					return nil // hpa-target-and-minimum asks for its minimum
				}
				if n := replicas(r); n < limits.MinReplicas {
					return rule.Complain("spec.replicas", "is %d, needs %d", n, limits.MinReplicas)
				}
				return nil
			},
			Example: rule.Example{Resource: "Deployment/shop/worker", Set: map[string]any{"spec.replicas": 1}},
		},
		{
			ID: "rolling-update", Title: "An update replaces pods one after another and never takes one away first",
			Why:        "Recreate stops all pods before the first new one starts; a large maxUnavailable does the same to a few pods.",
			Remedy:     "Use RollingUpdate with maxUnavailable: 0 for a Deployment and RollingUpdate for a StatefulSet or DaemonSet.",
			References: []string{"https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#strategy"},
			Types:      rule.Servers, Reads: []string{"spec.strategy", "spec.updateStrategy"},
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if d := rule.As[appsv1.Deployment](r); d != nil {
					if d.Spec.Strategy.Type != "" && d.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
						return rule.Complain("spec.strategy.type", "is %s: all pods stop before the first new one starts", d.Spec.Strategy.Type)
					}
					if u := d.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable == nil || u.MaxUnavailable.String() != "0" && u.MaxUnavailable.String() != "0%" {
						return rule.Complain("spec.strategy.rollingUpdate.maxUnavailable", "lets an update take pods away before new ones are ready; set it to 0")
					}
				}
				if s := rule.As[appsv1.StatefulSet](r); s != nil && s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
					return rule.Complain("spec.updateStrategy.type", "is OnDelete: an update changes nothing until somebody deletes pods")
				}
				if d := rule.As[appsv1.DaemonSet](r); d != nil && d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
					return rule.Complain("spec.updateStrategy.type", "is OnDelete: an update changes nothing until somebody deletes pods")
				}
				return nil
			},
			Admission: &rule.Admission{Holds: `object.kind == "Deployment" ?
  object.spec.?strategy.?type.orValue("RollingUpdate") == "RollingUpdate" &&
  [object.spec.?strategy.?rollingUpdate.?maxUnavailable.orValue(1)].all(n, n == 0 || n == "0" || n == "0%") :
  object.spec.?updateStrategy.?type.orValue("RollingUpdate") != "OnDelete"`},
			Example: rule.Example{Resource: web, Unknown: "spec.strategy.rollingUpdate.maxUnavailable",
				Set: map[string]any{"spec.strategy.rollingUpdate.maxUnavailable": 1}},
		},
		{
			ID: "hpa-owns-replicas", Title: "What an autoscaler scales does not fix its number of pods",
			Why:        "Every update would set the number back, in the middle of the load that raised it.",
			Remedy:     "Remove spec.replicas from the workload.",
			References: []string{"https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#migrating-deployments-and-statefulsets-to-horizontal-autoscaling"},
			Types:      replicated, Reads: []string{"spec.replicas", "metadata.name", "metadata.namespace"}, Consults: scalers, Exhaustive: true,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if scalerOf(s, r) != nil && r.Value("spec", "replicas") != nil {
					return rule.Complain("spec.replicas", "is fixed although %s scales it", scalerOf(s, r).ID())
				}
				return nil
			},
			Example: rule.Example{Resource: web, Set: map[string]any{"spec.replicas": 3}},
		},
		{
			ID: "hpa-target-and-minimum", Title: "An autoscaler has a target that exists, two pods or more, room to grow, and CPU and memory to go by",
			Why:        "One that scales nothing, to one pod, or by one signal only, fails on the day it is needed.",
			Remedy:     "Name an existing workload, set minReplicas to 2 or more, maxReplicas above it, and metrics for cpu and memory.",
			References: []string{"https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/"},
			Types:      []string{rule.HorizontalPodAutoscaler}, Reads: []string{"spec", "metadata.namespace"},
			Consults: map[string][]string{rule.Deployment: {"metadata.name", "metadata.namespace"}, rule.StatefulSet: {"metadata.name", "metadata.namespace"}},
			Check:    rule.On(scalerSound),
			Example:  rule.Example{Resource: scaler, Set: map[string]any{"spec.minReplicas": 1}},
		},
		{
			ID: "pdb-allows-disruption", Title: "A disruption budget lets at least one pod go",
			Why:        "One that lets none go makes a node's drain, and so every node upgrade, wait for ever.",
			Remedy:     "Use maxUnavailable of 1 or more, or minAvailable below the number of pods.",
			References: []string{"https://kubernetes.io/docs/tasks/run-application/configure-pdb/"},
			Types:      []string{rule.PodDisruptionBudget}, Reads: []string{"spec.maxUnavailable", "spec.minAvailable", "spec.selector", "metadata.namespace"},
			Consults: map[string][]string{
				rule.Deployment: sizes, rule.StatefulSet: sizes, rule.HorizontalPodAutoscaler: {"spec.scaleTargetRef", "metadata.namespace"},
			}, EitherWay: true,
			Check:   rule.On(budgetAllows),
			Example: rule.Example{Resource: budget, Set: map[string]any{"spec.maxUnavailable": 0}},
		},
	}
}

func links() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "pdb-present", Title: "Every Deployment and StatefulSet of more than one pod has a disruption budget",
			Why:        "Without one a drain may take all its pods at once.",
			Remedy:     "Declare a PodDisruptionBudget whose selector picks its pods.",
			References: []string{"https://kubernetes.io/docs/tasks/run-application/configure-pdb/"},
			Types:      replicated, Reads: []string{"template.metadata.labels", "metadata.name", "metadata.namespace", "spec.replicas"},
			Consults: map[string][]string{
				rule.PodDisruptionBudget: {"spec.selector", "metadata.namespace"}, rule.HorizontalPodAutoscaler: {"spec.scaleTargetRef", "metadata.namespace"},
			}, EitherWay: true,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if len(budgetsOf(s, r)) == 0 && (replicas(r) > 1 || scalerOf(s, r) != nil) {
					return rule.Complain("", "no PodDisruptionBudget in namespace %s selects its pods", r.Namespace())
				}
				return nil
			},
			Example: rule.Example{Resource: web, Remove: []string{budget}, Unknown: "spec.selector.matchLabels", UnknownIn: "PodDisruptionBudget/shop/worker"},
		},
		{
			ID: "hpa-present", Title: "Every stateless server behind a route is scaled by load",
			Why:        "A fixed number of pods is too many at night and too few at noon.",
			Remedy:     "Declare a HorizontalPodAutoscaler for it on CPU and memory.",
			References: []string{"https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/"},
			Types:      []string{rule.Deployment}, Reads: []string{"template.metadata.labels", "metadata.name", "metadata.namespace"},
			Consults: map[string][]string{
				rule.HorizontalPodAutoscaler: {"spec.scaleTargetRef", "metadata.namespace"}, rule.Service: {"spec.selector", "metadata.namespace"},
				ingress.RouteType: {"spec.routes", "metadata.namespace"}, ingress.WeightedType: {"spec.weighted", "metadata.name", "metadata.namespace"},
			}, EitherWay: true,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if scalerOf(s, r) == nil && routed(s, r) {
					return rule.Complain("", "it is behind a route and no HorizontalPodAutoscaler scales it")
				}
				return nil
			},
			Example: rule.Example{Resource: "Deployment/shop/web-green", Set: map[string]any{"spec.replicas": 2}, Remove: []string{"HorizontalPodAutoscaler/shop/web-green"},
				Unknown: "spec.scaleTargetRef.name", UnknownIn: scaler},
		},
		{
			ID: "service-present", Title: "Pods that open a port are reached through a Service",
			Why:        "Pod addresses change with every restart; whoever uses one is cut off.",
			Remedy:     "Declare a Service whose selector picks the pods, or remove the container's ports.",
			References: []string{"https://kubernetes.io/docs/concepts/services-networking/service/"},
			Types:      replicated, Reads: []string{"template.metadata.labels", "container.ports", "metadata.namespace"},
			Consults: map[string][]string{rule.Service: {"spec.selector", "metadata.namespace"}},
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				pod := rule.PodOf(r)
				if pod == nil || !serves(pod) {
					return nil
				}
				for _, service := range s.In(r.Namespace(), rule.Service) {
					if rule.Contains(pod.Meta.Labels, rule.As[corev1.Service](service).Spec.Selector) {
						return nil
					}
				}
				return rule.Complain("spec.template.metadata.labels", "no Service in namespace %s selects its pods", r.Namespace())
			},
			Example: rule.Example{Resource: "Deployment/shop/worker", Unknown: "spec.selector", UnknownIn: "Service/shop/web",
				Set: map[string]any{container + ".ports": []any{map[string]any{"name": "http", "containerPort": 8000}},
					container + ".livenessProbe": map[string]any{"tcpSocket": map[string]any{"port": "http"}, "periodSeconds": 20}, container + ".readinessProbe": map[string]any{"tcpSocket": map[string]any{"port": "http"}, "periodSeconds": 2}}},
		},
		{
			ID: "pods-spread", Title: "A workload's pods are kept apart, over zones or at least over nodes",
			Why:        "Two pods on one node, or all in one zone, fail together.",
			Remedy:     "Set topologySpreadConstraints over topology.kubernetes.io/zone, or podAntiAffinity over kubernetes.io/hostname.",
			References: []string{"https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/"},
			Types:      replicated, Reads: []string{"pod.topologySpreadConstraints", "pod.affinity", "template.metadata.labels"},
			Check: rule.Pods(func(p *rule.Pod, _ rule.Limits) []rule.Complaint {
				for _, c := range p.Spec.TopologySpreadConstraints {
					if (c.TopologyKey == corev1.LabelTopologyZone || c.TopologyKey == corev1.LabelHostname) && rule.Selects(c.LabelSelector, p.Meta.Labels) {
						return nil
					}
				}
				if a := p.Spec.Affinity; a != nil && a.PodAntiAffinity != nil {
					terms := a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
					for _, weighted := range a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
						terms = append(terms, weighted.PodAffinityTerm)
					}
					for _, term := range terms {
						if (term.TopologyKey == corev1.LabelTopologyZone || term.TopologyKey == corev1.LabelHostname) && rule.Selects(term.LabelSelector, p.Meta.Labels) {
							return nil
						}
					}
				}
				return rule.Complain(p.Path+".topologySpreadConstraints", "nothing keeps its pods apart, or what does selects other pods")
			}),
			Example: rule.Example{Resource: web, Set: map[string]any{"spec.template.spec.topologySpreadConstraints": nil}},
		},
		{
			ID: "drain-chain", Title: "A pod that leaves loses no request",
			Why: "From SIGTERM on every link must outlast the one before: Traefik hears of the end, the server drains, finishes, and only then the kubelet kills. " +
				"A server that closes idle connections before Traefik does loses what was just sent into one.",
			Remedy:     "Give containers behind a Service a preStop pause, as sleep or as a command that only sleeps; keep preStop + SLIPWAY_DRAIN_SECONDS + SLIPWAY_SHUTDOWN_SECONDS below terminationGracePeriodSeconds, readiness period × threshold below the drain, and Traefik's idleConnTimeout below SLIPWAY_KEEPALIVE_SECONDS.",
			References: []string{"https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination", "https://github.com/traefik/traefik/issues/12417"},
			Types:      []string{rule.Deployment}, Reads: []string{"pod.terminationGracePeriodSeconds", "container.lifecycle", "container.readinessProbe", "container.env", "container.envFrom",
				"container.ports", "template.metadata.labels", "metadata.namespace"},
			Consults: map[string][]string{
				rule.ConfigMap: {"data", "metadata.name", "metadata.namespace"}, ingress.TransportType: {"spec", "metadata.namespace"},
				rule.Service:      {"spec.selector", "metadata.name", "metadata.namespace"},
				ingress.RouteType: {"spec.routes", "metadata.namespace"}, ingress.WeightedType: {"spec.weighted", "metadata.name", "metadata.namespace"},
			}, Exhaustive: true,
			Check:   drains,
			Example: rule.Example{Resource: web, Set: map[string]any{"spec.template.spec.terminationGracePeriodSeconds": 15}},
		},
	}
}

// replicas is how many pods a workload asks for; the API server's default is 1.
func replicas(r *rule.Resource) int {
	var n *int32
	if d := rule.As[appsv1.Deployment](r); d != nil {
		n = d.Spec.Replicas
	}
	if s := rule.As[appsv1.StatefulSet](r); s != nil {
		n = s.Spec.Replicas
	}
	if n == nil {
		return 1
	}
	return int(*n)
}

func scalerOf(s *rule.Stack, r *rule.Resource) *rule.Resource {
	for _, other := range s.In(r.Namespace(), rule.HorizontalPodAutoscaler) {
		if h := rule.As[autoscalingv2.HorizontalPodAutoscaler](other); h != nil &&
			h.Spec.ScaleTargetRef.Kind == r.Kind() && h.Spec.ScaleTargetRef.Name == r.ObjectName() {
			return other
		}
	}
	return nil
}

func budgetsOf(s *rule.Stack, r *rule.Resource) []*rule.Resource {
	pod := rule.PodOf(r)
	var found []*rule.Resource
	for _, other := range s.In(r.Namespace(), rule.PodDisruptionBudget) {
		if b := rule.As[policyv1.PodDisruptionBudget](other); b != nil && pod != nil && rule.Selects(b.Spec.Selector, pod.Meta.Labels) {
			found = append(found, other)
		}
	}
	return found
}

func serves(p *rule.Pod) bool {
	for _, c := range p.Containers {
		if c.Serves() {
			return true
		}
	}
	return false
}

// routed tells whether a route of Traefik leads to a Service of the pods.
func routed(s *rule.Stack, r *rule.Resource) bool {
	pod := rule.PodOf(r)
	if pod == nil {
		return false
	}
	for _, service := range s.In(r.Namespace(), rule.Service) {
		if object := rule.As[corev1.Service](service); object != nil && rule.Contains(pod.Meta.Labels, object.Spec.Selector) &&
			ingress.Routed(s, r.Namespace(), service.ObjectName()) {
			return true
		}
	}
	return false
}

func scalerSound(s *rule.Stack, r *rule.Resource, h *autoscalingv2.HorizontalPodAutoscaler, limits rule.Limits) []rule.Complaint {
	target := h.Spec.ScaleTargetRef
	token := rule.Deployment
	if target.Kind == "StatefulSet" {
		token = rule.StatefulSet
	}
	minimum := 1
	if h.Spec.MinReplicas != nil {
		minimum = int(*h.Spec.MinReplicas)
	}
	measured := map[corev1.ResourceName]bool{}
	for _, metric := range h.Spec.Metrics {
		if metric.Resource != nil {
			measured[metric.Resource.Name] = true
		}
	}
	switch {
	case s.Named(token, r.Namespace(), target.Name) == nil:
		return rule.Complain("spec.scaleTargetRef", "there is no %s %s in namespace %s", target.Kind, target.Name, r.Namespace())
	case minimum < limits.MinReplicas:
		return rule.Complain("spec.minReplicas", "is %d, needs %d", minimum, limits.MinReplicas)
	case int(h.Spec.MaxReplicas) <= minimum:
		return rule.Complain("spec.maxReplicas", "is %d: there is no room above minReplicas %d", h.Spec.MaxReplicas, minimum)
	case !measured[corev1.ResourceCPU] || !measured[corev1.ResourceMemory]:
		return rule.Complain("spec.metrics", "do not name both cpu and memory")
	}
	return nil
}

func budgetAllows(s *rule.Stack, r *rule.Resource, b *policyv1.PodDisruptionBudget, _ rule.Limits) []rule.Complaint {
	if most := b.Spec.MaxUnavailable; most != nil {
		if most.String() == "0" || most.String() == "0%" {
			return rule.Complain("spec.maxUnavailable", "lets no pod go")
		}
		return nil
	}
	least := b.Spec.MinAvailable
	if least == nil {
		return rule.Complain("spec", "has neither maxUnavailable nor minAvailable")
	}
	if least.String() == "100%" {
		return rule.Complain("spec.minAvailable", "lets no pod go")
	}
	for _, other := range s.In(r.Namespace(), replicated...) {
		pod := rule.PodOf(other)
		if pod == nil || !rule.Selects(b.Spec.Selector, pod.Meta.Labels) || scalerOf(s, other) != nil {
			continue
		}
		if n := replicas(other); least.IntValue() >= n && least.StrVal == "" {
			return rule.Complain("spec.minAvailable", "is %d and %s has %d pods: none may go", least.IntValue(), other.ID(), n)
		}
	}
	return nil
}
