//go:build soak

package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDevRecovers: what AWS refuses for a while stops an update of dev with its
// name, or not at all, and the next update gets done. The short form is of a
// sample, beside the rehearsal.
func TestDevRecovers(t *testing.T) {
	for title, test := range map[string]struct {
		settings []string
		want     string
	}{
		"throttled now and then": {[]string{"SLIPWAY_SIMULATION_THROTTLE=3"}, ""},
		"a quota":                {[]string{"SLIPWAY_SIMULATION_QUOTAS=natGateways=0"}, "LimitExceeded"},
		"half a cluster":         {[]string{"SLIPWAY_SIMULATION_FAIL_RESOURCE=cluster-cluster", "SLIPWAY_SIMULATION_FAIL_MODE=halfway"}, "SLIPWAY_SIMULATION_FAIL_RESOURCE"},
	} {
		t.Run(title, func(t *testing.T) {
			said, err := rehearse(t, "dev").Recover(context.Background(), test.settings...)
			require.NoError(t, err)
			if test.want == "" {
				assert.Empty(t, said)
			} else {
				assert.Contains(t, said, test.want)
			}
		})
	}
}
