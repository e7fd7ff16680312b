package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/trace"
)

func TestTracesAreAskedForWithSense(t *testing.T) {
	id := strings.Repeat("a", 32)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no number":            {[]string{"abc"}, "a trace's number has 32 hexadecimal digits"},
		"no time":              {[]string{"--since=yesterday"}, `--since "yesterday"`},
		"a time to come":       {[]string{"--since=-1h"}, `--since "-1h"`},
		"longer than any kept": {[]string{"--since=91d"}, "at most 90d"},
		"none at all":          {[]string{"--limit=0"}, "--limit 0: must be at least 1"},
		"the slowest of one":   {[]string{id, "--slowest"}, "--slowest has no effect on one trace"},
		"two":                  {[]string{id, id}, "accepts at most 1 arg"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := traceCommand()
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(c.args)
			require.ErrorContains(t, cmd.Execute(), c.says)
		})
	}
}

func TestTracesAreChosen(t *testing.T) {
	at := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	one := func(id string, begun, seconds int, failed bool) trace.Span {
		return trace.Span{Trace: id, Span: id, Name: id, Timestamp: at.Add(time.Duration(begun) * time.Minute), Seconds: float64(seconds), Error: failed}
	}
	spans := []trace.Span{one("first", 1, 9, false), one("second", 2, 3, true), one("third", 3, 5, true)}
	for name, c := range map[string]struct {
		t    tracing
		want []string
	}{
		"the newest first":  {tracing{limit: 9}, []string{"third", "second", "first"}},
		"some":              {tracing{limit: 2}, []string{"third", "second"}},
		"the slowest first": {tracing{limit: 9, slowest: true}, []string{"first", "third", "second"}},
		"those that failed": {tracing{limit: 9, failed: true, slowest: true}, []string{"third", "second"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, listed := range c.t.listed(trace.Group(spans)) {
				got = append(got, listed.ID)
			}
			assert.Equal(t, c.want, got)
		})
	}
	var out strings.Builder
	require.ErrorContains(t, (&tracing{since: "2h"}).show(&out, "gone", nil), "there is no span of trace gone from the last 2h")
	require.NoError(t, (&tracing{since: "2h"}).show(&out, "", nil))
	require.Equal(t, "No request was followed in the last 2h.\n", out.String())
}
