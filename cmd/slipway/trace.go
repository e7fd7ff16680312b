package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/trace"
)

func init() { commands = append(commands, traceCommand) }

// tracing is what `slipway trace` is asked for.
type tracing struct {
	stack           string
	since           string
	limit           int
	slowest, failed bool
	asJSON          bool
}

// longestTracing is how far --since may look back: no setting keeps spans longer.
const longestTracing = 90 * 24 * time.Hour

func traceCommand() *cobra.Command {
	t := tracing{}
	cmd := &cobra.Command{
		Use: "trace [ID]", Short: "How requests went through the platform, step by step",
		Long: `Without an argument, lists the requests that were followed; with the number of one, which
the logs have as trace_id (Traefik: TraceId), draws its steps: the proxy, the service, each
statement of the database.

How many requests are followed is the setting tracing.perThousand; which, the trace's number
decides. One that has 0000 behind its first 16 digits always is:

  curl -H "traceparent: 00-$(openssl rand -hex 8)0000$(openssl rand -hex 6)-$(openssl rand -hex 8)-01" ...

Spans arrive some seconds after their request. Those of nodes that are gone are in the
bucket of logs, where logging.sink is s3.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd, args) },
	}
	cmd.Flags().StringVarP(&t.stack, "stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.Flags().StringVar(&t.since, "since", "1h", "how far to look back, such as 20m, 6h or 7d")
	cmd.Flags().IntVar(&t.limit, "limit", 20, "how many to list")
	cmd.Flags().BoolVar(&t.slowest, "slowest", false, "list the slowest first, instead of the newest")
	cmd.Flags().BoolVar(&t.failed, "failed", false, "list those only that failed")
	cmd.Flags().BoolVar(&t.asJSON, "json", false, "print JSON")
	return cmd
}

// check returns how far to look back and, where one trace is asked for, its number.
func (t *tracing) check(cmd *cobra.Command, args []string) (while time.Duration, id string, err error) {
	if while, err = days(t.since); err != nil || while <= 0 || while > longestTracing {
		return 0, "", fmt.Errorf("--since %q: must be more than 0 and at most 90d, such as 20m, 6h or 7d", t.since)
	}
	if t.limit < 1 {
		return 0, "", fmt.Errorf("--limit %d: must be at least 1", t.limit)
	}
	if len(args) == 0 {
		return while, "", nil
	}
	for _, name := range []string{"limit", "slowest", "failed"} {
		if cmd.Flags().Changed(name) {
			return 0, "", fmt.Errorf("--%s has no effect on one trace", name)
		}
	}
	id, err = trace.ID(args[0])
	return while, id, err
}

func (t *tracing) run(cmd *cobra.Command, args []string) error {
	while, id, err := t.check(cmd, args)
	if err != nil {
		return err
	}
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	s, err := platform.OpenStack(w.checkout, t.stack, w.tools)
	if err != nil {
		return err
	}
	spans, missing, err := s.Spans(cmd.Context(), while, func(s trace.Span) bool { return id == "" || s.Trace == id })
	if err != nil {
		return err
	}
	failed := errors.Join(missing...)
	// That there is nothing can be said only where everybody answered.
	if failed != nil && len(spans) == 0 {
		return failed
	}
	return errors.Join(t.show(cmd.OutOrStdout(), id, trace.Group(spans)), failed)
}

// show prints one trace, or the list that was asked for.
func (t *tracing) show(out io.Writer, id string, traces []trace.Trace) error {
	if id != "" && len(traces) == 0 {
		return fmt.Errorf("there is no span of trace %s from the last %s; its request was not followed, is older, or ended some seconds ago only", id, t.since)
	}
	if id == "" {
		traces = t.listed(traces)
	}
	switch {
	case t.asJSON:
		return trace.JSON(out, traces)
	case id != "":
		return traces[0].Write(out)
	case len(traces) == 0:
		_, err := fmt.Fprintf(out, "No request was followed in the last %s.\n", t.since)
		return err
	}
	return trace.List(out, traces)
}

func (t *tracing) listed(traces []trace.Trace) []trace.Trace {
	if t.failed {
		traces = slices.DeleteFunc(traces, func(one trace.Trace) bool { return !one.Failed() })
	}
	if t.slowest {
		slices.SortStableFunc(traces, func(a, b trace.Trace) int { return cmp.Compare(b.Seconds(), a.Seconds()) })
	}
	return traces[:min(t.limit, len(traces))]
}
