//go:build dash

package dash

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/cost"
)

// What slipway cost --usage asks, asked of a real Prometheus: pods are taken for
// their workloads, and the world's figures come back.
func TestUsageIsThatOfTheWorld(t *testing.T) {
	containers, err := cost.Usage(context.Background(), ask(t, platform.address), 7*24*time.Hour, platform.end)
	require.NoError(t, err)
	require.Len(t, containers, len(workloads))
	for i, one := range containers {
		want := workloads[i] // both stand in the order of namespace and name
		assert.Equal(t, want.namespace+"/"+want.name, one.Namespace+"/"+one.Workload)
		assert.Equal(t, len(want.pods), one.Pods, one.Workload)
		assert.InDelta(t, 24.5, one.Hours, 0.2, one.Workload)
		assert.InDelta(t, want.cpu, *one.CPUUsed, want.cpu*0.1, one.Workload)
		assert.InDelta(t, want.memory, *one.MemoryUsed, want.memory*0.1, one.Workload)
		assert.InDelta(t, want.cpuRequest, *one.CPURequest, 1e-9, one.Workload)
		assert.InDelta(t, want.memoryLimit, *one.MemoryLimit, 1, one.Workload)
		assert.Nil(t, one.CPULimit, one.Workload)
	}
	review := cost.Judge(containers, 7*24*time.Hour, 24*time.Hour)
	found := map[string]string{}
	for _, s := range review.Suggestions {
		found[s.Setting] = s.From + " -> " + s.To
	}
	assert.Equal(t, map[string]string{
		"slipway:api.resources.cpu": "100m -> 50m", "slipway:api.resources.memory": "128Mi -> 96Mi",
		"slipway:database.cpu": "50m -> 90m", "slipway:database.memory": "384Mi -> 304Mi",
	}, found)
	short := cost.Judge(containers, 7*24*time.Hour, 48*time.Hour)
	assert.Empty(t, short.Suggestions, "not for a day of data when two are wanted")
}
