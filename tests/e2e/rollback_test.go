//go:build e2e && soak

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// release is a clone of the checkout, in which tests commit what they like. It
// shares the machine's stack with the checkout.
type release struct {
	t   *testing.T
	dir string
}

func newRelease(t *testing.T) *release {
	t.Helper()
	r := &release{t: t, dir: filepath.Join(t.TempDir(), "clone")}
	clone := exec.Command("git", "clone", "--quiet", "--no-hardlinks", live.Checkout, r.dir)
	out, err := clone.CombinedOutput()
	require.NoError(t, err, string(out))
	// The clone has the last commit; what runs may be newer. The first update
	// from the clone makes them the same.
	bin := filepath.Join(r.dir, ".slipway", "bin")
	require.NoError(t, os.MkdirAll(bin, 0o755))
	require.NoError(t, os.Symlink(filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), filepath.Join(bin, "slipway")))
	t.Cleanup(func() {
		// The platform as the checkout has it, for the tests that follow.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		defer cancel()
		_, err := harness.Slipway(ctx, live.Checkout, "up")
		assert.NoError(t, err, "bringing the checkout's own version back")
	})
	return r
}

func (r *release) slipway(args ...string) (string, error) {
	return harness.Slipway(within(r.t, 20*time.Minute), r.dir, args...)
}

func (r *release) must(args ...string) string {
	r.t.Helper()
	out, err := r.slipway(args...)
	require.NoError(r.t, err)
	return out
}

func (r *release) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.test"}, args...)...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, "git %v\n%s", args, out)
	return strings.TrimSpace(string(out))
}

// edit replaces text in a file, which must hold it.
func (r *release) edit(file, old, replacement string) {
	r.t.Helper()
	path := filepath.Join(r.dir, file)
	text, err := os.ReadFile(path)
	require.NoError(r.t, err)
	require.Contains(r.t, string(text), old, "%s", file)
	require.NoError(r.t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o600))
}

func (r *release) commit(message string) string {
	r.t.Helper()
	r.git("commit", "-q", "-a", "-m", message)
	return r.git("rev-parse", "HEAD")
}

// newest is the newest entry of the stack's history.
func (r *release) newest() history.Entry {
	r.t.Helper()
	var entries []history.Entry
	require.NoError(r.t, json.Unmarshal([]byte(r.must("history", "--json", "--limit", "1")), &entries))
	require.NotEmpty(r.t, entries)
	return entries[0]
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
