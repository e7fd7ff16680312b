package fastapi

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// load is that of one release under any demand.
func (b *builder) load() component.Load {
	r := b.plan.Resources
	return component.Load{Pods: b.plan.Scaling.Max, Rolls: true, CPU: r.CPU, Memory: r.Memory, MemoryLimit: r.MemoryLimit}
}

// bound declares what the namespace may take of the cluster: both colours at
// their largest, and the migration of each.
func (b *builder) bound() ([]pulumi.Resource, error) {
	migrations := b.load()
	migrations.Pods, migrations.Rolls = len(b.plan.releases), false
	loads := []component.Load{migrations}
	for range b.plan.releases {
		loads = append(loads, b.load())
	}
	return component.Bound(b.ctx, b.api, b.name, b.namespace, loads...)
}
