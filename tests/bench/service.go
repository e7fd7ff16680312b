package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// target is one app's part in a workload of app/bench/compare.py: medians over
// the rounds.
type target struct {
	Median struct {
		Rate float64 `json:"rate"` // requests per second
		P50  float64 `json:"p50"`  // milliseconds
		P99  float64 `json:"p99"`
		CPU  float64 `json:"cpu"` // microseconds of processor time per request
	} `json:"median"`
	// Ratio is the service's rate divided by this app's, as measured in pairs.
	Ratio float64 `json:"ratio"`
}

// comparison is by workload and app.
type comparison map[string]map[string]target

// service runs the app's own comparison with a bare ASGI app doing the same
// SQL, which starts its own PostgreSQL on loopback.
func (b *bench) service(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the comparison of the app with a bare one: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "comparison.json")
	cmd := exec.CommandContext(ctx, filepath.Join(b.platform.Checkout, "scripts", "app-test"), "bench", "--json", file)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.platform.Checkout, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("comparing the app with a bare one: %w", err)
	}
	result, err := readComparison(file)
	if err != nil {
		return err
	}
	for _, f := range result.figures() {
		b.add(f.what, f.value, f.bar)
	}
	return nil
}

// The names that compare.py gives to what it measures.
const (
	ours = "service"
	bare = "bare"
)

// workloads are those of compare.py with what they do.
var workloads = []struct{ name, does string }{
	{"read", "one-row read"}, {"list", "list of one page"}, {"create", "create"},
}

// readComparison fails where a workload or an app is missing: its zeros would
// read as figures.
func readComparison(file string) (comparison, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the comparison of the app with a bare one: %w", err)
	}
	var result comparison
	if err := json.Unmarshal(raw, &result); err != nil {
		return nil, fmt.Errorf("reading the comparison of the app with a bare one: %w", err)
	}
	for _, workload := range workloads {
		for _, name := range []string{ours, bare} {
			if t := result[workload.name][name]; t.Median.Rate <= 0 || t.Median.P99 <= 0 || t.Ratio <= 0 {
				return nil, fmt.Errorf("the comparison of the app with a bare one has no figures for %q of %q; app/bench/compare.py writes others than tests/bench reads",
					name, workload.name)
			}
		}
	}
	return result, nil
}

func (c comparison) figures() []figure {
	var all []figure
	show := func(t target) string {
		return fmt.Sprintf("%.0f requests/s, p50 %.1f ms, p99 %.1f ms, %.0f µs of processor each", t.Median.Rate, t.Median.P50, t.Median.P99, t.Median.CPU)
	}
	for _, workload := range workloads {
		targets := c[workload.name]
		all = append(all,
			figure{"app alone, one worker, " + workload.does, show(targets[ours]), ""},
			figure{"bare ASGI app, same SQL, " + workload.does, show(targets[bare]), ""},
			figure{"app to bare, median of pairs, " + workload.does, fmt.Sprintf("%.2f", targets[bare].Ratio), "0.5"})
	}
	return all
}
