package main

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/images/benchmark/load"
	"slipway.dev/slipway/internal/benchmark"
	"slipway.dev/slipway/internal/platform"
)

// measured is a run of an hour of some day, nil result when p99 is 0.
func measured(hour int, p99 float64) *platform.Run {
	run := &platform.Run{Job: "benchmark-" + string(rune('a'+hour)), Began: time.Date(2026, 12, 6, hour, 0, 0, 0, time.UTC), Ended: true}
	if p99 > 0 {
		run.Result = &load.Result{
			Started: run.Began, Mix: load.Mixed, Rate: 20, DurationSeconds: 60,
			All: load.Figures{Requests: 1200, P99: p99}, Limits: load.Limits{P99Milliseconds: 500},
		}
	}
	return run
}

func reported(t *testing.T, b benching, now *platform.Run, kept ...*platform.Run) (stdout, stderr string, err error) {
	t.Helper()
	cmd := &cobra.Command{}
	var out, log bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&log)
	err = b.report(cmd, now, kept)
	return out.String(), log.String(), err
}

func TestARunIsComparedWithTheLastOneLikeIt(t *testing.T) {
	now, other := measured(9, 12), measured(7, 99)
	other.Result.Rate = 50
	out, log, err := reported(t, benching{}, now, measured(10, 1), now, measured(8, 0), other, measured(6, 10), measured(5, 1))
	require.NoError(t, err)
	require.Contains(t, out, "before: the run begun 2026-12-06 06:00:00Z")
	require.Contains(t, out, "+20 %")
	require.Contains(t, out, "passed: p99 is 12.0 ms and may be 500 ms; 0 requests failed and 0 may\n")
	require.Empty(t, log)

	_, log, err = reported(t, benching{slower: 10}, now, now)
	require.NoError(t, err)
	require.Contains(t, log, "nothing to compare with")

	out, _, err = reported(t, benching{slower: 10}, now, now, measured(6, 10))
	require.ErrorIs(t, err, benchmark.ErrFailed)
	require.Contains(t, out, "+20 %", "the figures are shown all the same")
}

func TestTheRunIsPrintedAsJSON(t *testing.T) {
	now := measured(9, 12)
	now.Result.Broken = []string{"p99 is 12.0 ms, above 10 ms"}
	out, _, err := reported(t, benching{asJSON: true}, now, now, measured(6, 10))
	require.ErrorIs(t, err, benchmark.ErrFailed)
	var printed map[string]struct {
		Job    string
		Result load.Result
	}
	require.NoError(t, json.Unmarshal([]byte(out), &printed))
	require.Equal(t, now.Job, printed["run"].Job)
	require.InDelta(t, 10, printed["before"].Result.All.P99, 0)
}

func TestFlagsThatDoNotGoTogether(t *testing.T) {
	for want, args := range map[string][]string{
		"give one":                       {"--in-cluster", "--from-nothing"},
		"takes no arguments":             {"--in-cluster", "--", "-only", "requests"},
		"--max-slower is -1":             {"--in-cluster", "--max-slower", "-1"},
		"--stack is for --in-cluster":    {"--stack", "prod"},
		"--json is for --in-cluster":     {"--json"},
		"--max-slower is for --in-clust": {"--max-slower", "5"},
	} {
		cmd := benchCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		require.ErrorContains(t, cmd.Execute(), want)
	}
}
