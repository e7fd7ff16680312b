//go:build e2e

package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

// TestAFullVolumeIsNamedAndLosesNoRow fills the volume of the leader while rows
// are written: writes are refused by name, reads go on, and once there is room
// again everything goes on as before.
func TestAFullVolumeIsNamedAndLosesNoRow(t *testing.T) {
	healthy(t)
	kept := store(t, "before the volume was full", 1)
	victim, err := leader(within(t, time.Minute))
	require.NoError(t, err)
	ledger := live.StartLedger(t.Context(), t.Name(), writesPerSecond)
	defer ledger.Stop()
	require.NoError(t, ledger.Await(within(t, time.Minute), 2*writesPerSecond))

	inside := func(ctx context.Context, script string) error {
		_, err := live.Kubectl(ctx, "exec", "-n", harness.Database, victim.Metadata.Name, "--", "sh", "-c", script)
		return err
	}
	const makeRoom = `rm -f /var/lib/postgresql/data/e2e-fill*`
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, inside(ctx, makeRoom))
	})
	// Reserving costs no writing; the last blocks are written, since a
	// reservation of exactly what is left is refused.
	require.NoError(t, inside(within(t, time.Minute), `set -eu
dir=/var/lib/postgresql/data
left=$(df --output=avail -B1 "$dir" | tail -n 1)
fallocate -l $((left - 1048576)) "$dir/e2e-fill"
dd if=/dev/zero of="$dir/e2e-fill-rest" bs=4096 2>/dev/null || true
test "$(df --output=avail -B1 "$dir" | tail -n 1)" -lt 65536`))
	ctx := within(t, 2*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		if said := ledger.LastFailure(); !strings.Contains(said, "problem/database-full") {
			return errors.New(said)
		}
		return nil
	}), "a full volume is not named to clients")
	require.Equal(t, 200, ask(t, "GET", "/v1/items/"+kept, nil, nil).status, "reads need no room")

	require.NoError(t, inside(within(t, time.Minute), makeRoom))
	require.NoError(t, ledger.Await(within(t, 2*time.Minute), 5*writesPerSecond), "writes did not resume")
	healthy(t)
	replicating(t)
	result := ledger.Stop()
	lost, err := ledger.Lost(within(t, 5*time.Minute))
	require.NoError(t, err)
	t.Logf("%d rows acknowledged, %d requests refused, %d lost", result.Acked, len(result.Failures), len(lost))
	require.Empty(t, lost, "acknowledged rows are gone")
}
