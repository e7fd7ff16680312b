package benchmark

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/images/benchmark/load"
)

func result(p99 float64) load.Result {
	figures := load.Figures{Requests: 70, P50: 2.5, P90: 4, P99: p99, P999: 20, Max: 21.04}
	all := figures
	all.Requests = 100
	return load.Result{
		Started: time.Date(2026, 12, 6, 4, 30, 0, 0, time.UTC), Mix: load.Mixed, Rate: 20, DurationSeconds: 5,
		All: all, Operations: map[string]load.Figures{load.Read: figures, load.Write: {Requests: 30, P99: 30}},
		Limits: load.Limits{P99Milliseconds: 50, Failures: 1},
	}
}

func TestTheTableShowsTheRunBefore(t *testing.T) {
	now, before := result(12), result(10)
	before.Started = before.Started.AddDate(0, 0, -7)
	delete(before.Operations, load.Write)
	now.Failures, now.RowsLeft = map[string]int{"timeout": 2, "503": 1}, 3
	var out bytes.Buffer
	require.NoError(t, Write(&out, now, &before))
	require.Equal(t, `mixed, 20 requests a second for 5 s, begun 2026-12-06 04:30:00Z
before: the run begun 2026-11-29 04:30:00Z

  OPERATION  REQUESTS  FAILED  P50 ms  P90 ms  P99 ms  P99.9 ms  LONGEST ms  P99 BEFORE  CHANGE
       read        70       0     2.5     4.0    12.0      20.0        21.0        10.0   +20 %
      write        30       0     0.0     0.0    30.0       0.0         0.0           -       -
        all       100       0     2.5     4.0    12.0      20.0        21.0        10.0   +20 %
failures: 503: 1, timeout: 2
3 rows called slipway-benchmark may be left; slipway erase slipway-benchmark --stack STACK, with the stack's name, removes them
`, out.String())
}

func TestTheTableOfTheFirstRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Write(&out, result(12), nil))
	require.NotContains(t, out.String(), "BEFORE")
	require.NotContains(t, out.String(), "failures")
}

func TestTheVerdict(t *testing.T) {
	before := result(10)
	line, err := Judge(result(12), &before, 20)
	require.NoError(t, err)
	require.Equal(t, "passed: p99 is 12.0 ms and may be 50 ms; 0 requests failed and 1 may", line)

	_, err = Judge(result(12.1), &before, 20)
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "p99 is 21 % above the run before, 20 % may be")
	for name, lenient := range map[string]func() error{
		"nothing is forbidden": func() error { _, err := Judge(result(30), &before, 0); return err },
		"there is none before": func() error { _, err := Judge(result(30), nil, 20); return err },
		"the one before had no figures": func() error {
			_, err := Judge(result(30), &load.Result{}, 20)
			return err
		},
	} {
		require.NoError(t, lenient(), name)
	}

	broken := result(80)
	broken.Broken = []string{"p99 is 80.0 ms, above 50 ms"}
	_, err = Judge(broken, nil, 0)
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorContains(t, err, "p99 is 80.0 ms, above 50 ms")
}

func TestOnlyRunsOfOneKindAreCompared(t *testing.T) {
	now := result(10)
	require.True(t, Comparable(now, result(20)))
	for name, change := range map[string]func(*load.Result){
		"mix": func(r *load.Result) { r.Mix = load.Reads }, "rate": func(r *load.Result) { r.Rate++ },
		"duration": func(r *load.Result) { r.DurationSeconds++ },
	} {
		other := result(10)
		change(&other)
		require.False(t, Comparable(now, other), name)
	}
}
