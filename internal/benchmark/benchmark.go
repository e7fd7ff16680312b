// Package benchmark compares runs of a benchmark and writes them down.
package benchmark

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"slipway.dev/slipway/images/benchmark/load"
)

// ErrFailed is returned for a run that broke a limit.
var ErrFailed = errors.New("the benchmark failed")

// Comparable says whether two runs asked for the same, so that one is slower than
// the other and not only busier.
func Comparable(a, b load.Result) bool {
	return a.Mix == b.Mix && a.Rate == b.Rate && a.DurationSeconds == b.DurationSeconds
}

// Slower is how many percent the p99 of a run is above that of another one; below
// it is less than 0. Without a p99 to compare with it is 0.
func Slower(now, before load.Figures) float64 {
	if before.P99 <= 0 {
		return 0
	}
	return (now.P99/before.P99 - 1) * 100
}

// Write writes a run as a table, beside the one before it unless that is nil.
func Write(out io.Writer, now load.Result, before *load.Result) error {
	fmt.Fprintf(out, "%s, %d requests a second for %d s, begun %s\n", now.Mix, now.Rate, now.DurationSeconds, now.Started.Format("2006-01-02 15:04:05Z"))
	if before != nil {
		fmt.Fprintf(out, "before: the run begun %s\n", before.Started.Format("2006-01-02 15:04:05Z"))
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	head := "OPERATION\tREQUESTS\tFAILED\tP50 ms\tP90 ms\tP99 ms\tP99.9 ms\tLONGEST ms\t"
	if before != nil {
		head += "P99 BEFORE\tCHANGE\t"
	}
	fmt.Fprintln(table, head)
	row := func(name string, f load.Figures, old load.Figures, known bool) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t", name, f.Requests, f.Failed, f.P50, f.P90, f.P99, f.P999, f.Max)
		switch {
		case before != nil && known:
			fmt.Fprintf(table, "%.1f\t%+.0f %%\t", old.P99, Slower(f, old))
		case before != nil:
			fmt.Fprint(table, "-\t-\t")
		}
		fmt.Fprintln(table)
	}
	old := load.Result{}
	if before != nil {
		old = *before
	}
	for _, name := range slices.Sorted(maps.Keys(now.Operations)) {
		was, known := old.Operations[name]
		row(name, now.Operations[name], was, known)
	}
	row("all", now.All, old.All, true)
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	if len(now.Failures) > 0 {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(now.Failures)) {
			kinds = append(kinds, fmt.Sprintf("%s: %d", kind, now.Failures[kind]))
		}
		fmt.Fprintf(out, "failures: %s\n", strings.Join(kinds, ", "))
	}
	if now.RowsLeft > 0 {
		fmt.Fprintln(out, load.Left(now.RowsLeft))
	}
	return nil
}

// Judge says in a line how a run ended, and returns ErrFailed when it broke a
// limit or is more percent slower than the one before; 0 percent forbids nothing.
func Judge(now load.Result, before *load.Result, percent float64) (string, error) {
	broken := slices.Clone(now.Broken)
	if before != nil && percent > 0 {
		if slower := Slower(now.All, before.All); slower > percent {
			broken = append(broken, fmt.Sprintf("p99 is %.0f %% above the run before, %.0f %% may be", slower, percent))
		}
	}
	if len(broken) > 0 {
		return "", fmt.Errorf("%w: %s", ErrFailed, strings.Join(broken, "; "))
	}
	return fmt.Sprintf("passed: p99 is %.1f ms and may be %d ms; %d requests failed and %d may",
		now.All.P99, now.Limits.P99Milliseconds, now.All.Failed, now.Limits.Failures), nil
}
