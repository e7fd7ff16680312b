//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backup"
	"slipway.dev/slipway/tests/harness"
)

// repository selects the pod that keeps backups.
const repository = "app.kubernetes.io/component=repository"

// backedUp waits until there is a backup, and returns all.
func backedUp(t *testing.T) []backup.Backup {
	t.Helper()
	var all []backup.Backup
	require.NoError(t, eventually(within(t, 5*time.Minute), func() error {
		out, err := slipway(t, time.Minute, "backup", "list", "--json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		all = nil
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if len(all) == 0 {
			return backup.ErrNone
		}
		return nil
	}))
	return all
}

// lastLine is what a command printed last: before it stands what it is doing.
func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// restored asks how many rows of an id there were at a moment.
func restored(t *testing.T, id string, at ...string) string {
	t.Helper()
	args := append([]string{"backup", "query", fmt.Sprintf("select count(*) from items where id = '%s'", id)}, at...)
	out, err := slipway(t, 5*time.Minute, args...)
	require.NoError(t, err, out)
	return lastLine(out)
}

// A row is written after the last backup and deleted: the archive has it back.
func TestARowThatWasDeletedIsInTheArchive(t *testing.T) {
	healthy(t)
	backedUp(t)
	id := store(t, "deleted by mistake", 7)
	// The moment is a whole second, between the row and its deletion.
	time.Sleep(time.Second)
	there := time.Now().UTC().Format(time.RFC3339)
	time.Sleep(time.Second)
	require.Equal(t, http.StatusNoContent, ask(t, http.MethodDelete, "/v1/items/"+id, nil, nil).status)

	before := backedUp(t)
	out, err := slipway(t, 5*time.Minute, "backup", "now")
	require.NoError(t, err, out)
	after := backedUp(t)
	require.Len(t, after, len(before)+1)
	assert.Equal(t, "incr", after[len(after)-1].Type)
	assert.Contains(t, out, after[len(after)-1].Label)

	assert.Equal(t, "1", restored(t, id, "--at", there))
	// Nor is the row there at every moment, or the above would say nothing.
	assert.Equal(t, "0", restored(t, id))

	out, err = slipway(t, 5*time.Minute, "backup", "dump", "--at", there)
	require.NoError(t, err, out)
	assert.Contains(t, out, id)

	out, err = slipway(t, 5*time.Minute, "backup", "drill")
	require.NoError(t, err, out)
	assert.Contains(t, out, "drill: restored and read api")
	pods, err := live.Pods(within(t, time.Minute), harness.Database, repository)
	require.NoError(t, err)
	require.Len(t, pods, 1)
	left, err := live.Kubectl(within(t, time.Minute), "exec", "-n", harness.Database, pods[0].Metadata.Name, "--",
		"sh", "-c", "ls -A /var/lib/postgresql/data/scratch 2>/dev/null; ls /tmp")
	require.NoError(t, err)
	assert.NotContains(t, left, "pgdata")
	assert.Equal(t, "pgbackrest", strings.TrimSpace(left), "a drill left something")
}

// With the repository away, writes go on, and what was written is archived
// afterwards, also when the leader that wrote it is lost before.
func TestTheRepositoryMayBeAway(t *testing.T) {
	healthy(t)
	backedUp(t)
	ctx := within(t, 8*time.Minute)
	pods, err := live.Pods(ctx, harness.Database, repository)
	require.NoError(t, err)
	_, err = live.Kubectl(ctx, "scale", "-n", harness.Database, "statefulset/postgres-repository", "--replicas=0")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := live.Kubectl(context.Background(), "scale", "-n", harness.Database, "statefulset/postgres-repository", "--replicas=1")
		assert.NoError(t, err)
	})
	require.NoError(t, eventually(ctx, func() error { return gone(ctx, harness.Database, repository, pods) }))
	out, err := slipway(t, time.Minute, "backup", "list")
	require.Error(t, err)
	require.Contains(t, out, "no pod keeps backups of the database of stack local")

	ledger := live.StartLedger(ctx, "repository-away", 20)
	require.NoError(t, ledger.Await(ctx, 40))
	lead, err := leader(ctx)
	require.NoError(t, err)
	deleted := store(t, "deleted before its leader was lost", 1)
	// The moment is a whole second, between the row and its deletion.
	time.Sleep(time.Second)
	there := time.Now().UTC().Format(time.RFC3339)
	time.Sleep(time.Second)
	require.Equal(t, http.StatusNoContent, ask(t, http.MethodDelete, "/v1/items/"+deleted, nil, nil).status)
	_, err = live.Kubectl(ctx, "exec", "-n", harness.Database, lead.Metadata.Name, "--", "psql", "-XAtqc", "select pg_switch_wal()")
	require.NoError(t, err)
	require.NoError(t, ledger.Await(ctx, 40))
	result := ledger.Stop()
	require.Empty(t, result.Failures, result.Causes())

	_, err = live.Kubectl(ctx, "delete", "pod", lead.Metadata.Name, "-n", harness.Database, "--force", "--grace-period=0")
	require.NoError(t, err)
	takenOver(t, lead)
	_, err = live.Kubectl(ctx, "scale", "-n", harness.Database, "statefulset/postgres-repository", "--replicas=1")
	require.NoError(t, err)
	healthy(t)
	// It returns once the archive has all that a backup needs.
	require.NoError(t, eventually(ctx, func() error {
		out, err := slipway(t, 2*time.Minute, "backup", "now")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}))
	id := store(t, "after the repository came back", 1)
	out, err = slipway(t, 5*time.Minute, "backup", "now")
	require.NoError(t, err, out)
	require.Equal(t, "1", restored(t, id))
	require.Equal(t, "1", restored(t, deleted, "--at", there), "the next leader archived it")
	require.Equal(t, "0", restored(t, deleted))
}

func TestBadMomentsAreRefusedBeforeAnythingIsRestored(t *testing.T) {
	for at, want := range map[string]string{
		"yesterday":            `--at: "yesterday" is not a moment such as`,
		"2999-01-01T00:00:00Z": `--at: "2999-01-01T00:00:00Z" is still to come`,
	} {
		out, err := slipway(t, time.Minute, "backup", "drill", "--at", at)
		require.Error(t, err, out)
		require.Contains(t, out, want)
	}
	backedUp(t)
	out, err := slipway(t, 5*time.Minute, "backup", "drill", "--at", "2020-01-01T00:00:00Z")
	require.Error(t, err)
	require.Contains(t, out, "unable to find backup set with stop time less than")
}
