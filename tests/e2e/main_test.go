//go:build e2e

// Package e2e uses the platform as its users do and breaks it as their days
// do: pods deleted, nodes drained and cut off, updates killed, under load.
//
// The tests share one running platform and each leaves it healthy.
package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"slipway.dev/slipway/tests/harness"
)

// live is the platform under test.
var live *harness.Platform

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "the lab needs root; run the end-to-end tests as root")
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	var err error
	live, err = harness.Up(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bringing the platform up:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// within bounds one wait; the bound is there to end a hang with a message, not
// to measure.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// vain counts the tests in a row that waited in vain for the platform, and first
// names the first of them. Those after it wait for as long as a node takes to
// come back, and after some in a row for a moment only: all of them waiting would
// take hours and say nothing more.
var (
	vain  int
	first string
)

// healthy waits until every pod of the platform is ready and the API answers
// through the whole line.
func healthy(t *testing.T) {
	t.Helper()
	if vain > 0 {
		patience := 90 * time.Second
		if vain > 3 {
			patience = 10 * time.Second
		}
		if err := harness.Eventually(within(t, patience), time.Second, live.Healthy); err != nil {
			vain++
			t.Fatalf("the platform is not healthy since %s: %v", first, err)
		}
		vain = 0
	}
	err := harness.Eventually(within(t, 5*time.Minute), time.Second, live.Healthy)
	if err != nil {
		vain, first = 1, t.Name()
		t.Fatalf("the platform did not become healthy: %v\n%s", err, live.Symptoms(within(t, time.Minute)))
	}
}

// eventually asks every half second.
func eventually(ctx context.Context, check func() error) error {
	return harness.Eventually(ctx, 500*time.Millisecond, func(context.Context) error { return check() })
}

// gone tells of the first of the pods there were that is still there. One that
// goes is ready for as long as it does.
func gone(ctx context.Context, namespace, selector string, were []harness.Pod) error {
	pods, err := live.Pods(ctx, namespace, selector)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if slices.ContainsFunc(were, func(w harness.Pod) bool { return w.Metadata.UID == pod.Metadata.UID }) {
			return fmt.Errorf("%s is still there", pod.Metadata.Name)
		}
	}
	return nil
}
