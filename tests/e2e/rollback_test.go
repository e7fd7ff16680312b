//go:build e2e && soak

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// edit replaces text in a file, which must hold it.
func (r *release) edit(file, old, replacement string) {
	r.t.Helper()
	path := filepath.Join(r.dir, file)
	text, err := os.ReadFile(path)
	require.NoError(r.t, err)
	require.Contains(r.t, string(text), old, "%s", file)
	require.NoError(r.t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o600))
}

// images are those of the API's pods, once the pods that are leaving have left.
func images(t *testing.T) []string {
	t.Helper()
	ctx := within(t, 3*time.Minute)
	var out string
	require.NoError(t, eventually(ctx, func() error {
		leaving, err := live.Kubectl(ctx, "get", "pods", "-n", harness.API, "-l", "app.kubernetes.io/component=web",
			"-o", "jsonpath={.items[?(@.metadata.deletionTimestamp)].metadata.name}")
		if err != nil {
			return err
		}
		if leaving != "" {
			return errors.New("still leaving: " + leaving)
		}
		out, err = live.Kubectl(ctx, "get", "pods", "-n", harness.API, "-l", "app.kubernetes.io/component=web",
			"-o", "jsonpath={range .items[*]}{.spec.containers[0].image}{\"\\n\"}{end}")
		return err
	}))
	found := strings.Fields(out)
	require.NotEmpty(t, found, "no pod of the API was found")
	slices.Sort(found)
	return slices.Compact(found)
}

// TestRollbackUnderLoad goes from one version to the next, back and forward
// again, while rows are written: none is lost and no request fails.
func TestRollbackUnderLoad(t *testing.T) {
	healthy(t)
	r := newRelease(t)
	r.must("up")
	first := r.newest()
	require.True(t, first.Good(), first.Unfit())
	old := images(t)

	const perSecond = 20
	ledger := live.StartLedger(t.Context(), "rollback", perSecond)
	require.NoError(t, ledger.Await(within(t, time.Minute), perSecond))

	file := "app/src/slipway_api/__init__.py"
	text, err := os.ReadFile(filepath.Join(r.dir, file))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, file), append(text, "\nRELEASE = \"second\"\n"...), 0o600))
	second := r.commit("second version")
	r.must("up")
	require.NotEqual(t, old, images(t))

	begun := time.Now()
	out := r.must("rollback", "--to", fmt.Sprint(first.Number), "--yes")
	t.Logf("rollback took %.1f s\n%s", time.Since(begun).Seconds(), out)
	require.Equal(t, old, images(t), "the image rolls back with the commit")
	back := r.newest()
	require.Equal(t, first.Number, back.RollbackTo)
	require.Equal(t, first.Commit, back.Commit)

	r.must("rollback", "--to", second[:12], "--yes")
	require.NotEqual(t, old, images(t))

	require.NoError(t, ledger.Await(within(t, time.Minute), perSecond))
	result := ledger.Stop()
	lost, err := ledger.Lost(within(t, 5*time.Minute))
	require.NoError(t, err)
	t.Logf("%d rows acknowledged, longest pause %.2f s, %d lost, %d failed", result.Acked, result.Gap.Seconds(), len(lost), len(result.Failures))
	require.Empty(t, lost)
	require.Empty(t, result.Failures)
}

// TestRollbackNeverDropsTheDatabase offers entries whose programs would. They
// are made up: none of them could have run here without doing it.
func TestRollbackNeverDropsTheDatabase(t *testing.T) {
	healthy(t)
	r := newRelease(t)
	r.must("up")
	base := r.newest()
	members := func() string {
		out, err := live.Kubectl(within(t, time.Minute), "get", "statefulsets,persistentvolumeclaims", "-n", harness.Database,
			"-o", "jsonpath={range .items[*]}{.metadata.uid}{\"\\n\"}{end}")
		require.NoError(t, err)
		return out
	}
	before := members()
	for name, change := range map[string]struct{ file, old, replacement string }{
		"another namespace": {"stacks/platform.go", `"slipway-database"`, `"slipway-elsewhere"`},
		"renamed token":     {"components/postgres/postgres.go", `"slipway:postgres:Cluster"`, `"slipway:postgres:Formerly"`},
		"immutable field":   {"components/postgres/members.go", `"Parallel"`, `"OrderedReady"`},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			r.git("checkout", "-q", base.Commit)
			r.edit(change.file, change.old, change.replacement)
			number := r.pretend(base, r.commit(name))
			out, err := r.slipway("rollback", "--to", fmt.Sprint(number), "--yes")
			require.Error(t, err)
			require.Contains(t, out, "data would be lost")
			require.Contains(t, out, "StatefulSet")
			require.Equal(t, before, members())
		})
	}
	healthy(t)
}

// pretend writes an entry that says that a commit ran here, and returns its
// number.
func (r *release) pretend(base history.Entry, commit string) int {
	r.t.Helper()
	dir := filepath.Join(paths.Pulumi(), ".pulumi", "history", "slipway", "local")
	from := filepath.Join(dir, fmt.Sprintf("local-%d", base.Recorded.UnixNano()))
	to := filepath.Join(dir, fmt.Sprintf("local-%d", time.Now().UnixNano()))
	for _, end := range []string{".history.json", ".checkpoint.json"} {
		text, err := os.ReadFile(from + end)
		require.NoError(r.t, err)
		require.NoError(r.t, os.WriteFile(to+end, []byte(strings.ReplaceAll(string(text), base.Commit, commit)), 0o600))
		r.t.Cleanup(func() { _ = os.Remove(to + end) })
	}
	entry := r.newest()
	require.Equal(r.t, commit, entry.Commit)
	return entry.Number
}

// TestDriftIsFoundAndBroughtBack changes a rule by hand.
func TestDriftIsFoundAndBroughtBack(t *testing.T) {
	healthy(t)
	ctx := within(t, 10*time.Minute)
	begun := time.Now()
	out, err := harness.Slipway(ctx, live.Checkout, "drift")
	t.Logf("drift without any took %.1f s\n%s", time.Since(begun).Seconds(), out)
	require.NoError(t, err)

	name, err := live.Kubectl(ctx, "get", "networkpolicies", "-n", harness.API, "-o", "jsonpath={.items[0].metadata.name}")
	require.NoError(t, err)
	_, err = live.Kubectl(ctx, "patch", "networkpolicy", name, "-n", harness.API, "--type=merge", "-p", `{"spec":{"podSelector":{"matchLabels":{"nobody":"here"}}}}`)
	require.NoError(t, err)
	out, err = harness.Slipway(ctx, live.Checkout, "drift")
	require.Error(t, err)
	require.Contains(t, out, "security relevant")
	require.Contains(t, out, name)
	_, err = harness.Slipway(ctx, live.Checkout, "drift", "--fix")
	require.NoError(t, err)
	_, err = harness.Slipway(ctx, live.Checkout, "drift")
	require.NoError(t, err, "it was not brought back")
	healthy(t)
}
