package rehearsal

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What AWS refuses for a while stops an update with its name, or not at all, and
// the next update gets done.
func TestUpdatesRecover(t *testing.T) {
	for title, test := range map[string]struct {
		settings []string
		want     string
	}{
		"throttled now and then": {[]string{"SLIPWAY_SIMULATION_THROTTLE=2"}, ""},
		"throttled for long":     {[]string{"SLIPWAY_SIMULATION_THROTTLE=1"}, "exceeded the maximum of 25 attempts"},
		"a quota":                {[]string{"SLIPWAY_SIMULATION_QUOTAS=nodeGroupsOfCluster=0"}, "ResourceLimitExceeded"},
		"half a cluster":         {[]string{"SLIPWAY_SIMULATION_FAIL_RESOURCE=cluster", "SLIPWAY_SIMULATION_FAIL_MODE=halfway"}, "SLIPWAY_SIMULATION_FAIL_RESOURCE"},
		"half the nodes":         {[]string{"SLIPWAY_SIMULATION_FAIL_RESOURCE=nodes", "SLIPWAY_SIMULATION_FAIL_MODE=halfway"}, "SLIPWAY_SIMULATION_FAIL_RESOURCE"},
	} {
		t.Run(title, func(t *testing.T) {
			said, err := small(t).Recover(context.Background(), test.settings...)
			require.NoError(t, err)
			if test.want == "" {
				assert.Empty(t, said)
			} else {
				assert.Contains(t, said, test.want)
			}
		})
	}
}

func TestTheNewestReleaseIsTaken(t *testing.T) {
	r := &Rehearsal{Project: t.TempDir(), Stack: "dev"}
	_, err := r.Release()
	require.ErrorIs(t, err, ErrNoRelease)
	assert.ErrorContains(t, err, "slipway rehearse --stack dev --short --record")
	dir := filepath.Join(r.Project, filepath.FromSlash(Releases))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, name := range []string{"0.9.dev", "0.10.dev", "0.2.dev", "0.11.prod"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".json.gz"), nil, 0o600))
	}
	newest, err := r.Release()
	require.NoError(t, err)
	assert.Equal(t, "0.10.dev.json.gz", filepath.Base(newest))
}
