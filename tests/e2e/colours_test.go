//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

// TestSwitchingColoursLosesNoRequest goes from rolling to two colours, moves
// the requests from one to the other, and returns to rolling, all from a copy of the checkout whose settings say so, while rows are written.
func TestSwitchingColoursLosesNoRequest(t *testing.T) {
	healthy(t)
	copied := copyCheckout(t)
	settings := filepath.Join(copied, "Pulumi.local.yaml")
	original, err := os.ReadFile(settings)
	require.NoError(t, err)
	const rolling = "    strategy: rolling"
	require.Equal(t, 1, strings.Count(string(original), rolling), "the local stack's settings have changed their shape")
	colour := func(active string) {
		t.Helper()
		changed := strings.Replace(string(original), rolling, "    blueGreen: {active: "+active+"}\n    strategy: blueGreen", 1)
		changed = strings.Replace(changed, " # or blueGreen, see components/fastapi/doc.go", "", 1)
		require.NoError(t, os.WriteFile(settings, []byte(changed), 0o600))
		update(t, copied)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		_, err := harness.Slipway(ctx, live.Checkout, "update")
		require.NoError(t, err)
	})

	ledger := live.StartLedger(t.Context(), t.Name(), writesPerSecond)
	defer ledger.Stop()
	require.NoError(t, ledger.Await(within(t, time.Minute), writesPerSecond))
	for _, active := range colours {
		colour(active)
		require.Equal(t, "api-"+active, answering(t, ledger))
	}
	update(t, live.Checkout)
	require.Equal(t, "api", answering(t, ledger))
	require.NoError(t, ledger.Await(within(t, time.Minute), writesPerSecond))
	result := ledger.Stop()
	t.Logf("%d requests, %d failed, longest pause %.2f s", result.Sent, len(result.Failures), result.Gap.Seconds())
	require.Empty(t, result.Failures, result.Causes())
}

// update runs the program of a checkout with the CLI of the one under test:
// another build of it would restart the doors that requests come in by.
func update(t *testing.T, checkout string) {
	t.Helper()
	cmd := exec.CommandContext(within(t, 10*time.Minute), filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), "update")
	cmd.Dir = checkout
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// copyCheckout copies what a clone would hold, changes not yet committed
// included.
func copyCheckout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = live.Checkout
	names, err := list.Output()
	require.NoError(t, err)
	pack := exec.CommandContext(t.Context(), "tar", "--create", "--null", "--files-from=-", "--ignore-failed-read", "--file", filepath.Join(dir, "checkout.tar"))
	pack.Dir, pack.Stdin = live.Checkout, strings.NewReader(string(names))
	out, err := pack.CombinedOutput()
	require.NoError(t, err, string(out))
	checkout := filepath.Join(dir, "checkout")
	require.NoError(t, os.Mkdir(checkout, 0o700))
	out, err = exec.CommandContext(t.Context(), "tar", "--extract", "--file", filepath.Join(dir, "checkout.tar"), "--directory", checkout).CombinedOutput()
	require.NoError(t, err, string(out))
	return checkout
}

// answering names the releases whose pods have answered writes in the last
// while, by their own count.
func answering(t *testing.T, ledger *harness.Ledger) string {
	t.Helper()
	before := writesByRelease(t)
	require.NoError(t, ledger.Await(within(t, time.Minute), 2*writesPerSecond))
	var names []string
	for release, after := range writesByRelease(t) {
		if after > before[release] {
			names = append(names, release)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// writesByRelease sums the requests that the pods of each release have
// answered. Pods that are leaving are not asked.
func writesByRelease(t *testing.T) map[string]int {
	t.Helper()
	const read = `import re, urllib.request
text = urllib.request.urlopen("http://127.0.0.1:8000/metrics", timeout=5).read().decode()
print(sum(int(float(n)) for n in re.findall(r'http_requests_total\{.*method="POST".*\} (\S+)', text)))`
	pods, err := live.Pods(within(t, time.Minute), harness.API, "app.kubernetes.io/name=api,app.kubernetes.io/component=web")
	require.NoError(t, err)
	sums := map[string]int{}
	for _, pod := range pods {
		if !pod.Ready() || pod.Metadata.DeletionTimestamp != "" {
			continue
		}
		out, err := live.Kubectl(within(t, time.Minute), "exec", "-n", harness.API, pod.Metadata.Name, "--", "python", "-c", read)
		require.NoError(t, err)
		count, err := strconv.Atoi(strings.TrimSpace(out))
		require.NoError(t, err, out)
		sums[pod.Metadata.Labels["app.kubernetes.io/instance"]] += count
	}
	require.NotEmpty(t, sums, "no pod of the API is ready")
	return sums
}
