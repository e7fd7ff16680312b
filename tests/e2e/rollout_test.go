//go:build e2e

package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

var errNotReached = errors.New("not reached")

const (
	rolloutRate = 100
	deployment  = "deployment/api"
)

// rollUnderLoad restarts every API pod, one generation after another, while
// rows are written through new and kept-alive connections.
func rollUnderLoad(t *testing.T) harness.Result {
	t.Helper()
	ledger := live.StartLedger(t.Context(), t.Name(), rolloutRate)
	defer ledger.Stop()
	require.NoError(t, ledger.Await(within(t, time.Minute), rolloutRate))
	_, err := live.Kubectl(within(t, time.Minute), "rollout", "restart", deployment, "-n", harness.API)
	require.NoError(t, err)
	_, err = live.Kubectl(within(t, 5*time.Minute), "rollout", "status", deployment, "-n", harness.API, "--timeout=4m")
	require.NoError(t, err)
	// The last of the old pods are still draining when the rollout is done.
	ctx := within(t, 3*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		out, err := live.Kubectl(ctx, "get", "pods", "-n", harness.API, "-l", "app.kubernetes.io/name=api",
			"-o", `jsonpath={.items[?(@.metadata.deletionTimestamp)].metadata.name}`)
		if err != nil {
			return err
		}
		if out != "" {
			return errors.New("still draining: " + out)
		}
		return nil
	}))
	require.NoError(t, ledger.Await(within(t, time.Minute), rolloutRate))
	return ledger.Stop()
}

func TestARollingUpdateLosesNoRequest(t *testing.T) {
	healthy(t)
	result := rollUnderLoad(t)
	t.Logf("%d requests, %d failed, longest pause %.2f s", result.Sent, len(result.Failures), result.Gap.Seconds())
	require.Empty(t, result.Failures, result.Causes())
}

// TestWithoutDrainingARollingUpdateLosesRequests is the negative control: the
// same load and rollout with the drain switched off must fail, or the test
// above could not.
func TestWithoutDrainingARollingUpdateLosesRequests(t *testing.T) {
	healthy(t)
	before, err := live.Kubectl(within(t, time.Minute), "get", deployment, "-n", harness.API, "-o", "jsonpath={.spec.template.spec}")
	require.NoError(t, err)
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		out, err := harness.Slipway(ctx, live.Checkout, "refresh")
		require.NoError(t, err, out)
		out, err = harness.Slipway(ctx, live.Checkout, "up")
		require.NoError(t, err, out)
		require.NoError(t, harness.Eventually(ctx, time.Second, live.Healthy))
		after, err := live.Kubectl(ctx, "get", deployment, "-n", harness.API, "-o", "jsonpath={.spec.template.spec}")
		require.NoError(t, err)
		require.Equal(t, before, after, "the update did not put the drain settings back")
	})
	_, err = live.Kubectl(within(t, time.Minute), "set", "env", deployment, "-n", harness.API,
		"SLIPWAY_DRAIN_SECONDS=0", "SLIPWAY_SHUTDOWN_SECONDS=1")
	require.NoError(t, err)
	_, err = live.Kubectl(within(t, time.Minute), "patch", deployment, "-n", harness.API, "--type=json",
		"-p", `[{"op":"remove","path":"/spec/template/spec/containers/0/lifecycle"},{"op":"replace","path":"/spec/template/spec/terminationGracePeriodSeconds","value":1}]`)
	require.NoError(t, err)
	_, err = live.Kubectl(within(t, 5*time.Minute), "rollout", "status", deployment, "-n", harness.API, "--timeout=4m")
	require.NoError(t, err)
	// One rollout may be lucky; six in a row are not.
	failed := 0
	for range 6 {
		result := rollUnderLoad(t)
		failed += len(result.Failures)
		if failed > 0 {
			break
		}
	}
	t.Logf("%d requests failed without draining", failed)
	require.Positive(t, failed)
}
