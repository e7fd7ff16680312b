package postgres

import "slipway.dev/slipway/components/component"

// reconcileLoad is that of the Job, and of the one it replaces.
var reconcileLoad = component.Load{Pods: 2, CPU: "50m", Memory: "64Mi", MemoryLimit: "64Mi"}

// memberLoad is that of the members, each with a volume of its own. One is
// replaced after the other, in place.
func (p plan) memberLoad() component.Load {
	return component.Load{Pods: p.Members, CPU: p.CPU, Memory: p.Memory, MemoryLimit: p.Memory, Storage: p.Storage}
}

// poolerLoad is that of one of the poolers.
func (p plan) poolerLoad() component.Load {
	return component.Load{Pods: p.Pooler.Replicas, Rolls: true, CPU: "20m", Memory: "32Mi", MemoryLimit: "64Mi"}
}

// bound declares what the namespace may take of the cluster. Members come and
// go with the settings, their volumes stay: where fewer are declared than there
// are, the quota refuses more and takes none away.
func (b *builder) bound() error {
	loads := []component.Load{b.plan.memberLoad(), reconcileLoad}
	if b.plan.watched() {
		loads = append(loads, beside(memberExporterLoad, b.plan.memberLoad()))
	}
	for range b.plan.poolers() {
		loads = append(loads, b.plan.poolerLoad())
		if b.plan.watched() {
			loads = append(loads, beside(poolerExporterLoad, b.plan.poolerLoad()))
		}
	}
	if b.plan.Backups != nil {
		loads = append(loads, b.plan.repositoryLoad())
	}
	bounds, err := component.Bound(b.ctx, b.cluster, b.plan.name, b.namespace, loads...)
	b.prepared = append(b.prepared, bounds...)
	return err
}
