package component

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Load is one workload at its largest.
type Load struct {
	// Pods is how many there are, at an autoscaler's maximum.
	Pods int
	// EachNode says that there is one on every node, whose number nobody knows
	// beforehand; Pods is ignored, and mostNodes counted.
	EachNode bool
	// Rolls says that a rollout starts new pods before the old ones are gone. A
	// pod that drains counts until it has ended, so the room is that of three
	// sets and one pod: the release that leaves, one that turns out bad, and the
	// one that takes its place. Without it pods are replaced in place.
	Rolls bool
	// CPU and Memory are what one pod requests, MemoryLimit what it may use.
	CPU, Memory, MemoryLimit string
	// Storage is the size of a volume of each pod. Empty: it has none. Volumes
	// are not doubled by a rollout.
	Storage string
}

const (
	// sets is how many whole sets of pods a rollout has room for.
	sets = 3
	// mostNodes bounds the pods of which every node has one.
	mostNodes = 100
)

// spare is what people may run beside the workloads to look into them, and what
// one such container gets when it asks for nothing.
var spare = Load{Pods: 4, CPU: "50m", Memory: "64Mi", MemoryLimit: "128Mi"}

// number is how many pods of the load there may be at once.
func (l Load) number() int {
	pods := l.Pods
	if l.EachNode {
		pods = mostNodes
	}
	if l.Rolls {
		return sets*pods + 1
	}
	return pods
}

// Resources are those of one container that is alone in its pod.
func (l Load) Resources() corev1.ResourceRequirementsArgs {
	return corev1.ResourceRequirementsArgs{
		Requests: pulumi.StringMap{"cpu": pulumi.String(l.CPU), "memory": pulumi.String(l.Memory)},
		Limits:   pulumi.StringMap{"memory": pulumi.String(l.MemoryLimit)},
	}
}

// Bound declares how much of the cluster namespace may take, "<name>-quota",
// and what one container in it may, "<name>-limits". Both follow from loads, and
// what none of them has, such as a volume, is not to be had at all. The result
// is what pods have to wait for: with less room than before they would be
// refused, and tried again later and later.
func Bound(
	ctx *pulumi.Context, parent pulumi.Resource, name string, namespace pulumi.StringPtrInput, loads ...Load,
) ([]pulumi.Resource, error) {
	sums := map[string]*resource.Quantity{}
	for _, key := range []string{"pods", "requests.cpu", "requests.memory", "limits.memory", "persistentvolumeclaims", "requests.storage"} {
		sums[key] = &resource.Quantity{}
	}
	largest := resource.Quantity{}
	for i, load := range append(loads[:len(loads):len(loads)], spare) {
		number := int64(load.number())
		for _, part := range []struct {
			field, text, key string
			times            int64
		}{
			{"pods", "1", "pods", number},
			{"cpu", load.CPU, "requests.cpu", number},
			{"memory", load.Memory, "requests.memory", number},
			{"memoryLimit", load.MemoryLimit, "limits.memory", number},
			{"storage", load.Storage, "requests.storage", int64(load.Pods)},
		} {
			if part.field == "storage" && part.text == "" {
				continue
			}
			amount, err := resource.ParseQuantity(part.text)
			if err != nil {
				return nil, fmt.Errorf("bounding %s: load %d: %s: %q: %w", name, i, part.field, part.text, err)
			}
			if part.field == "memoryLimit" && amount.Cmp(largest) > 0 {
				largest = amount.DeepCopy()
			}
			if part.field == "storage" {
				sums["persistentvolumeclaims"].Add(*resource.NewQuantity(part.times, resource.DecimalSI))
			}
			if !amount.Mul(part.times) {
				return nil, fmt.Errorf("bounding %s: load %d: %s: %d times %s is more than can be counted", name, i, part.field, part.times, part.text)
			}
			sums[part.key].Add(amount)
		}
	}
	hard := pulumi.StringMap{}
	for key, sum := range sums {
		hard[key] = canonical(*sum)
	}
	labels := func(part string) pulumi.StringMap {
		return StringMap(Labels(name, name, part))
	}
	quota, err := corev1.NewResourceQuota(ctx, name+"-quota", &corev1.ResourceQuotaArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("quota"), Namespace: namespace, Labels: labels("quota")},
		Spec:     corev1.ResourceQuotaSpecArgs{Hard: hard},
	}, Under(parent)...)
	if err != nil {
		return nil, fmt.Errorf("creating quota %s-quota: %w", name, err)
	}
	limits, err := corev1.NewLimitRange(ctx, name+"-limits", &corev1.LimitRangeArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("limits"), Namespace: namespace, Labels: labels("limits")},
		Spec: corev1.LimitRangeSpecArgs{Limits: corev1.LimitRangeItemArray{corev1.LimitRangeItemArgs{
			Type:           pulumi.String("Container"),
			DefaultRequest: pulumi.StringMap{"cpu": pulumi.String(spare.CPU), "memory": pulumi.String(spare.Memory)},
			// A bound on CPU would become the limit of every container without one.
			Default: pulumi.StringMap{"memory": pulumi.String(spare.MemoryLimit)},
			Max:     pulumi.StringMap{"memory": canonical(largest)},
		}}},
	}, Under(parent)...)
	if err != nil {
		return nil, fmt.Errorf("creating limits %s-limits: %w", name, err)
	}
	return []pulumi.Resource{quota, limits}, nil
}

// canonical is an amount as the API server writes it, so that reading it back
// shows no difference.
func canonical(amount resource.Quantity) pulumi.String {
	amount.Add(resource.Quantity{}) // forgets how it was written
	return pulumi.String(amount.String())
}
