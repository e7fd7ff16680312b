package graph

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/rule"
)

// manyNodes is a cluster larger than most: a pod on each of its nodes must find
// room as well.
const manyNodes = 60

// demand sums up what pods take of a quota.
type demand map[string]*resource.Quantity

func (d demand) add(key string, amount resource.Quantity, times int) {
	if d[key] == nil {
		d[key] = &resource.Quantity{}
	}
	for range times {
		d[key].Add(amount)
	}
}

// pods adds a number of pods as the API server counts them: containers
// together, or the largest init container.
func (d demand) pods(pod *rule.Pod, number int) {
	sums := map[string]resource.Quantity{}
	largest := map[string]resource.Quantity{}
	for _, c := range pod.Containers {
		for key, amount := range map[string]resource.Quantity{
			"requests.cpu": *c.Resources.Requests.Cpu(), "requests.memory": *c.Resources.Requests.Memory(), "limits.memory": *c.Resources.Limits.Memory(),
		} {
			if !c.Init {
				sum := sums[key]
				sum.Add(amount)
				sums[key] = sum
			} else if most := largest[key]; amount.Cmp(most) > 0 {
				largest[key] = amount
			}
		}
	}
	for _, key := range []string{"requests.cpu", "requests.memory", "limits.memory"} {
		amount := sums[key]
		if most := largest[key]; most.Cmp(amount) > 0 {
			amount = most
		}
		d.add(key, amount, number)
	}
	d.add("pods", resource.MustParse("1"), number)
}

// largest is the most that the workloads of a namespace can ask for at once: all
// of them at their largest, all of them rolled, one whole set of pods still
// draining, a second one on its way out because it turned out bad.
func largest(t *testing.T, stack *rule.Stack, namespace string) demand {
	t.Helper()
	need := demand{}
	most := map[string]int{}
	for _, r := range stack.In(namespace, rule.HorizontalPodAutoscaler) {
		scaler := rule.As[autoscalingv2.HorizontalPodAutoscaler](r)
		most[scaler.Spec.ScaleTargetRef.Name] = int(scaler.Spec.MaxReplicas)
	}
	for _, r := range stack.In(namespace, rule.Workloads...) {
		pod := rule.PodOf(r)
		if pod == nil {
			t.Fatalf("%s is not readable", r.ID())
		}
		switch r.Type {
		case rule.Deployment:
			spec := rule.As[appsv1.Deployment](r).Spec
			number := most[r.ObjectName()]
			if number == 0 {
				number = int(*spec.Replicas)
			}
			need.pods(pod, 3*number+spec.Strategy.RollingUpdate.MaxSurge.IntValue())
		case rule.StatefulSet:
			spec := rule.As[appsv1.StatefulSet](r).Spec
			need.pods(pod, int(*spec.Replicas))
			for _, claim := range spec.VolumeClaimTemplates {
				need.add("persistentvolumeclaims", resource.MustParse("1"), int(*spec.Replicas))
				need.add("requests.storage", *claim.Spec.Resources.Requests.Storage(), int(*spec.Replicas))
			}
		case rule.DaemonSet:
			need.pods(pod, manyNodes)
		case rule.Job:
			parallel := rule.As[batchv1.Job](r).Spec.Parallelism
			if parallel != nil && *parallel > 1 {
				t.Fatalf("%s runs %d pods at once, which is not counted here", r.ID(), *parallel)
			}
			need.pods(pod, 1)
		default:
			need.pods(pod, 1)
		}
	}
	for _, r := range stack.In(namespace, rule.PersistentVolumeClaim) {
		claim := rule.As[corev1.PersistentVolumeClaim](r)
		need.add("persistentvolumeclaims", resource.MustParse("1"), 1)
		need.add("requests.storage", *claim.Spec.Resources.Requests.Storage(), 1)
	}
	return need
}

// TestEveryNamespaceHasRoom: each namespace of ours is bounded, what a stack
// declares fits at its largest in the middle of a rollback, and not much more
// does.
func TestEveryNamespaceHasRoom(t *testing.T) {
	const much = 3 // times what is needed, with a little for people
	little := map[string]string{"pods": "8", "requests.cpu": "500m", "requests.memory": "512Mi", "limits.memory": "1Gi"}
	for _, stack := range environments {
		t.Run(stack, func(t *testing.T) {
			doc, err := document.Read(stack, recorded(t, stack, false))
			if err != nil {
				t.Fatal(err)
			}
			declaredStack := rule.NewStack(stack, doc.Resources...)
			g := declared(t, stack, false)
			for _, r := range declaredStack.Of(rule.Namespace) {
				namespace := r.ObjectName()
				quota, found := inNamespaceOf(g, "kubernetes:core/v1:ResourceQuota", namespace)
				if !found {
					t.Errorf("namespace %s has no ResourceQuota; declare one with component.Bound", namespace)
					continue
				}
				limits, found := inNamespaceOf(g, "kubernetes:core/v1:LimitRange", namespace)
				if !found {
					t.Errorf("namespace %s has no LimitRange; declare one with component.Bound", namespace)
					continue
				}
				need := largest(t, declaredStack, namespace)
				for _, key := range []string{"pods", "requests.cpu", "requests.memory", "limits.memory", "persistentvolumeclaims", "requests.storage"} {
					hard, err := resource.ParseQuantity(quota.Text(fmt.Sprintf("spec.hard[%q]", key)))
					if err != nil {
						t.Errorf("namespace %s: %s: %v", namespace, key, err)
						continue
					}
					wanted, most := resource.Quantity{}, resource.Quantity{}
					if need[key] != nil {
						wanted = *need[key]
					}
					for range much {
						most.Add(wanted)
					}
					if extra := little[key]; extra != "" {
						most.Add(resource.MustParse(extra))
					}
					if hard.Cmp(wanted) < 0 {
						t.Errorf("namespace %s: %s is %s, and its workloads may need %s", namespace, key, hard.String(), wanted.String())
					}
					if hard.Cmp(most) > 0 {
						t.Errorf("namespace %s: %s is %s, far more than the %s its workloads may need", namespace, key, hard.String(), wanted.String())
					}
				}
				bound := resource.MustParse(limits.Text("spec.limits[0].max.memory"))
				for _, w := range declaredStack.In(namespace, rule.Workloads...) {
					for _, c := range rule.PodOf(w).Containers {
						if c.Resources.Limits.Memory().Cmp(bound) > 0 {
							t.Errorf("%s: container %s may use more memory than any in %s: %s", w.ID(), c.Name, namespace, bound.String())
						}
					}
				}
			}
		})
	}
}

// TestDemandCanExceedARoom: the arithmetic above notices what does not fit.
func TestDemandCanExceedARoom(t *testing.T) {
	need := demand{}
	need.pods(&rule.Pod{Containers: []rule.Container{
		{Container: container("100m", "64Mi")}, {Container: container("50m", "64Mi")}, {Container: container("1", "32Mi"), Init: true},
	}}, 3)
	got := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(need)) {
		got[key] = need[key].String()
	}
	want := map[string]string{"pods": "3", "requests.cpu": "3", "requests.memory": "384Mi", "limits.memory": "0"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func container(cpu, memory string) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}}
}

func inNamespaceOf(g *componenttest.Graph, token, namespace string) (componenttest.Node, bool) {
	for _, node := range g.Of(token) {
		if node.Text("metadata.namespace") == namespace {
			return node, true
		}
	}
	return componenttest.Node{}, false
}
