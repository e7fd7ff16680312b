package rule

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Workloads are the types that make pods, Pod included.
var Workloads = []string{Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob, PodType}

// Servers are the types whose pods run for ever.
var Servers = []string{Deployment, StatefulSet, DaemonSet}

// podPath is where a type keeps the pod's spec.
func podPath(token string) string {
	switch token {
	case PodType:
		return "spec"
	case CronJob:
		return "spec.jobTemplate.spec.template.spec"
	default:
		return "spec.template.spec"
	}
}

// Pod is the pod that a resource makes.
type Pod struct {
	// Path is where in the resource the spec lies.
	Path      string
	Namespace string
	Meta      metav1.ObjectMeta
	Spec      corev1.PodSpec
	// Containers are all of them, init containers last.
	Containers []Container
}

// Container is one container of a pod.
type Container struct {
	corev1.Container
	// Path is where in the resource it lies.
	Path string
	// Init says that it runs to its end before the others start. A sidecar, an
	// init container that restarts always, is none.
	Init bool
}

// Serves tells whether the container opens a port that somebody sends requests
// to. Metrics are fetched from each pod by its own address.
func (c Container) Serves() bool {
	return !c.Init && slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return !strings.Contains(p.Name, "metrics") })
}

// PodOf is the pod a resource makes, or nil when it makes none.
func PodOf(r *Resource) *Pod {
	if r.pod != nil || r.decode() != nil {
		return r.pod
	}
	var template corev1.PodTemplateSpec
	switch object := r.decoded.(type) {
	case *appsv1.Deployment:
		template = object.Spec.Template
	case *appsv1.StatefulSet:
		template = object.Spec.Template
	case *appsv1.DaemonSet:
		template = object.Spec.Template
	case *appsv1.ReplicaSet:
		template = object.Spec.Template
	case *batchv1.Job:
		template = object.Spec.Template
	case *batchv1.CronJob:
		template = object.Spec.JobTemplate.Spec.Template
	case *corev1.Pod:
		template = corev1.PodTemplateSpec{ObjectMeta: object.ObjectMeta, Spec: object.Spec}
	default:
		return nil
	}
	pod := &Pod{Path: podPath(r.Type), Namespace: r.Namespace(), Meta: template.ObjectMeta, Spec: template.Spec}
	for i, c := range template.Spec.Containers {
		pod.Containers = append(pod.Containers, Container{c, item(pod.Path+".containers", i), false})
	}
	for i, c := range template.Spec.InitContainers {
		sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		pod.Containers = append(pod.Containers, Container{c, item(pod.Path+".initContainers", i), !sidecar})
	}
	r.pod = pod
	return pod
}

// Pods makes a check of a question about a pod.
func Pods(ask func(p *Pod, limits Limits) []Complaint) Check {
	return func(_ *Stack, r *Resource, limits Limits) []Complaint {
		if pod := PodOf(r); pod != nil {
			return ask(pod, limits)
		}
		return nil
	}
}

// Containers makes a check of a question about each container.
func Containers(ask func(p *Pod, c Container, limits Limits) []Complaint) Check {
	return Pods(func(p *Pod, limits Limits) []Complaint {
		var complaints []Complaint
		for _, c := range p.Containers {
			complaints = append(complaints, ask(p, c, limits)...)
		}
		return complaints
	})
}

// On makes a check of a question about a resource of one Go type.
func On[T any](ask func(s *Stack, r *Resource, object *T, limits Limits) []Complaint) Check {
	return func(s *Stack, r *Resource, limits Limits) []Complaint {
		if object := As[T](r); object != nil {
			return ask(s, r, object, limits)
		}
		return nil
	}
}

// Selects tells whether a selector picks a set of labels. A nil selector picks
// nothing, an empty one everything.
func Selects(selector *metav1.LabelSelector, set map[string]string) bool {
	if selector == nil {
		return false
	}
	for key, value := range selector.MatchLabels {
		if set[key] != value {
			return false
		}
	}
	if len(selector.MatchExpressions) == 0 {
		return true
	}
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && compiled.Matches(labels.Set(set))
}

// Contains tells whether every pair of part is in whole. An empty part picks
// nothing, as a Service without selector does.
func Contains(whole, part map[string]string) bool {
	for key, value := range part {
		if got, ok := whole[key]; !ok || got != value {
			return false
		}
	}
	return len(part) > 0
}
