package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	begun := time.Now().Add(-while)
	late := func(span trace.Span) bool { return !span.Timestamp.Before(begun) && keep(span) }
	for _, pod := range pods {
		found, err := k.spans(ctx, pod, while, late)
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
	from, to := io.Pipe()
	var failed error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = k.exec(ctx, to, object{pod[0], pod[1]}, "/collector", "records", "--since", while.String(), "traces")
		_ = to.Close() // never fails
	}()
	spans, err := trace.Read(from, pod[2], keep)
	if err != nil {
		// Nobody reads the rest, and that it was cut off says nothing more.
		cancel()
		_ = from.Close()
	}
	<-ended
	if err != nil {
		return nil, err
	}
	return spans, failed
}
