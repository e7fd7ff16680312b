package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// The recommended labels of Kubernetes that Slipway sets.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelInstance  = "app.kubernetes.io/instance"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"
)

// Platform is what every object of Slipway is part of.
const Platform = "slipway"

// Selector returns the labels by which one workload finds its pods. They are
// immutable in Deployments and StatefulSets, so nothing that changes between
// releases may be among them: a version in a selector replaces the workload on
// every release. An empty component is left out.
func Selector(name, instance, component string) map[string]string {
	labels := map[string]string{LabelName: name, LabelInstance: instance}
	if component != "" {
		labels[LabelComponent] = component
	}
	return labels
}

// Labels returns the labels of an object: its Selector, and what it is part of
// and managed by. Each call returns a map of its own, which the caller may
// extend, with app.kubernetes.io/version for instance.
func Labels(name, instance, component string) map[string]string {
	labels := Selector(name, instance, component)
	labels[LabelPartOf] = Platform
	labels[LabelManagedBy] = "pulumi"
	return labels
}

// StringMap turns plain strings into inputs.
func StringMap(m map[string]string) pulumi.StringMap {
	inputs := make(pulumi.StringMap, len(m))
	for key, value := range m {
		inputs[key] = pulumi.String(value)
	}
	return inputs
}
