package monitoring

import "slipway.dev/slipway/components/component"

// Loads of what is not replicated by a setting.
var (
	// nodeLoad is that of the exporters, one on each node.
	nodeLoad = component.Load{EachNode: true, CPU: "5m", Memory: "16Mi", MemoryLimit: "48Mi"}
	// stateLoad is that of the one that reads the state of objects.
	stateLoad = component.Load{Pods: 1, Rolls: true, CPU: "10m", Memory: "32Mi", MemoryLimit: "128Mi"}
	// besideLoad is what runs beside each Prometheus, in its pod.
	besideLoad = component.Load{CPU: "5m", Memory: "24Mi", MemoryLimit: "24Mi"}
)

// prometheusLoad is that of the Prometheus servers, each with a volume of its
// own. One is replaced after the other, in place.
func (p plan) prometheusLoad() component.Load {
	return component.Load{Pods: p.Replicas, CPU: "50m", Memory: p.Memory, MemoryLimit: p.Memory, Storage: p.Storage}
}

func (p plan) alertmanagerLoad() component.Load {
	return component.Load{Pods: p.Replicas, Rolls: true, CPU: "10m", Memory: "24Mi", MemoryLimit: "64Mi"}
}

// bound declares what the namespace may take of the cluster.
func (b *builder) bound() error {
	beside := besideLoad
	beside.Pods = b.plan.Replicas
	_, err := component.Bound(b.ctx, b.monitoring, b.name, b.namespace,
		b.plan.prometheusLoad(), beside, b.plan.alertmanagerLoad(), stateLoad, nodeLoad)
	return err
}
