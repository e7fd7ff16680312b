//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
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
