package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"slipway.dev/slipway/internal/trace"
)

// ErrNoTraces is returned for a stack that follows no requests, or whose collectors
// do not run.
var ErrNoTraces = errors.New("nobody keeps spans")

// Spans are the spans of a stack's last while that keep wants, from every node that
// has a collector. What a node failed at is in missing, and does not keep the others.
func (s *Stack) Spans(ctx context.Context, while time.Duration, keep func(trace.Span) bool) (spans []trace.Span, missing []error, err error) {
	outputs, k, done, err := s.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	pods, err := k.runningIn(ctx, collectorPods, outputs["namespaces"])
	if err != nil {
		return nil, nil, s.reached(err)
	}
	if len(pods) == 0 {
		return nil, nil, fmt.Errorf("%w of stack %s, or none is ready: look at pods with the labels %s; tracing.perThousand has to be above 0 and logging.sink not off, and a branch preview keeps none",
			ErrNoTraces, s.Name, collectorPods)
	}
	for _, pod := range pods {
		found, err := k.spans(ctx, pod, while, keep)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			missing = append(missing, fmt.Errorf("reading the spans on %s: %w", pod[2], err))
		}
		spans = append(spans, found...)
	}
	return spans, missing, nil
}

// spans reads the archive of one node as it comes: it may be larger than memory.
func (k kube) spans(ctx context.Context, pod [3]string, while time.Duration, keep func(trace.Span) bool) ([]trace.Span, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.kubectl, "--kubeconfig", k.kubeconfig, "exec", "-n", pod[0], pod[1], "--",
		"/collector", "records", "--since", while.String(), "traces")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	spans, err := trace.Read(out, pod[2], keep)
	if err != nil {
		cancel()
	}
	_, _ = io.Copy(io.Discard, out)
	if ended := cmd.Wait(); ended != nil && err == nil {
		err = fmt.Errorf("%w: %s", ended, strings.TrimSpace(complaint.String()))
	}
	return spans, err
}
