// Command benchmark measures the platform from inside its cluster: it sends
// requests to the service through the ingress at a fixed rate, over verified
// HTTPS, and fails when they are slower or fail more often than they may.
//
// What it is doing goes to standard error, the result to standard output as one
// line of JSON, and to the file -report, from which Kubernetes takes it into the
// pod's status. Exit codes: 0 passed, 1 a limit was broken or it could not be
// measured, 2 it was asked for wrongly.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"slipway.dev/slipway/images/benchmark/load"
)

// Parts of a run around what is measured. Package components/benchmark gives the
// pod time for them.
const (
	// answering is how long the service may take to answer at all: a new pod's way
	// out is opened some time after it has started.
	answering = time.Minute
	// warming is sent as the rest is and not measured: it opens the connections.
	warming = 5 * time.Second
	// cleaning bounds deleting what was stored.
	cleaning = 30 * time.Second
	// timeout bounds one request.
	timeout = 10 * time.Second
	// reporting is how often it says how far it is.
	reporting = 5 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command runs a benchmark and returns the exit code.
func command(ctx context.Context, args []string, out, log io.Writer) int {
	asked, err := parse(args, log)
	if err != nil {
		fmt.Fprintln(log, err)
		return 2
	}
	return perform(ctx, asked, out, log)
}

// perform carries out what was asked for.
func perform(ctx context.Context, asked request, out, log io.Writer) int {
	client, err := asked.client()
	if err != nil {
		fmt.Fprintln(log, err)
		return 2
	}
	defer client.CloseIdleConnections()
	result, err := measure(ctx, asked, load.NewItems(client, asked.url), log)
	if err == nil {
		err = asked.publish(result, out)
	}
	if err != nil {
		fmt.Fprintln(log, "benchmark:", err)
		return 1
	}
	for _, broken := range result.Broken {
		fmt.Fprintln(log, "broken:", broken)
	}
	if len(result.Broken) > 0 {
		return 1
	}
	return 0
}

// measure sends the requests and deletes what they stored, also when it is
// stopped in the middle.
func measure(ctx context.Context, asked request, items *load.Items, log io.Writer) (result load.Result, err error) {
	if err := answers(ctx, items, asked.answering); err != nil {
		return result, fmt.Errorf("%s does not answer: %w", asked.url, err)
	}
	plan, send := asked.plan(log), items.Send(asked.mix)
	var measured *load.Measured
	err = items.Prepare(ctx)
	if err == nil {
		warm := plan
		warm.Duration, warm.Watch = asked.warming, nil
		load.Run(ctx, warm, send)
		fmt.Fprintf(log, "measuring %s at %d requests a second for %s\n", asked.mix, plan.Rate, plan.Duration)
		measured = load.Run(ctx, plan, send)
	}
	clean, stop := context.WithTimeout(context.WithoutCancel(ctx), cleaning)
	defer stop()
	left := items.Clean(clean)
	if left > 0 {
		fmt.Fprintln(log, load.Left(left))
	}
	if err != nil {
		return result, err
	}
	return load.Judge(plan, asked.mix, measured, left, asked.limits), nil
}

// answers waits for the first answer.
func answers(ctx context.Context, items *load.Items, limit time.Duration) error {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	const pause = 500 * time.Millisecond
	var last error
	for {
		err := items.Answers(ctx)
		if err == nil {
			return nil
		}
		// What ends the waiting says less than what was waited for.
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(pause):
		}
	}
}

// plan is what is measured, saying now and then how far it is.
func (r request) plan(log io.Writer) load.Plan {
	return load.Plan{
		Rate: r.rate, Duration: r.duration, Workers: connections, Overtime: timeout, Every: reporting,
		Watch: func(elapsed time.Duration, so *load.Measured) {
			all := so.All()
			fmt.Fprintf(log, "%3.0f s of %.0f: %d requests, %d failed, p50 %.1f ms, p99 %.1f ms\n", elapsed.Seconds(), r.duration.Seconds(),
				all.Count(), all.Failed, load.Milliseconds(all.Quantile(0.5)), load.Milliseconds(all.Quantile(0.99)))
		},
	}
}

// publish writes the result where it is asked for.
func (r request) publish(result load.Result, out io.Writer) error {
	line, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	_, err = out.Write(append(line, '\n'))
	if r.report != "" {
		err = errors.Join(err, os.WriteFile(r.report, line, 0o600))
	}
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
