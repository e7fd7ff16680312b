package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"slipway.dev/slipway/images/benchmark/load"
	"slipway.dev/slipway/internal/platform"
)

// rounds is how often each way is measured.
const rounds = 3

const (
	// pacedRate leaves two cores, shared with the load, room to breathe; mixedRate
	// does where requests write, which two members of the database flush, or get
	// whole pages.
	pacedRate = 100
	mixedRate = 50
	// busy is how many requests are under way at full speed. More connections than
	// that are there for what is late at a fixed rate.
	busy        = 16
	connections = 64
)

// way is one road to the service, with rows of its own to read.
type way struct {
	name  string
	items *load.Items
	// clean deletes the rows.
	clean func() error
}

// way stores what is read over it.
func (b *bench) way(ctx context.Context, name, base string, how load.Connecting) (way, error) {
	how.Connections, how.Timeout = connections, 10*time.Second
	client := how.Client()
	w := way{name: name, items: load.NewItems(client, base)}
	w.clean = func() error {
		defer client.CloseIdleConnections()
		if left := w.items.Clean(context.WithoutCancel(ctx)); left > 0 {
			return errors.New(load.Left(left))
		}
		return nil
	}
	if err := w.items.Prepare(ctx); err != nil {
		return way{}, errors.Join(fmt.Errorf("%s: %w", name, err), w.clean())
	}
	return w, nil
}

// requests measures the one-row read through Traefik, closed loop at full
// speed, then at a fixed rate for the latencies, which mean something only
// below saturation. One pod is then asked directly, from where Traefik stands,
// in turns, so that both see the same noise. What else clients do is measured
// through Traefik alone.
func (b *bench) requests(ctx context.Context) (err error) {
	verified, err := load.Trusting(b.platform.CA)
	if err != nil {
		return fmt.Errorf("reading the platform's CA certificate: %w", err)
	}
	through, err := b.way(ctx, "through Traefik", b.platform.URL, load.Connecting{Dial: load.To(platform.Door), TLS: verified})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, through.clean()) }()
	base, dial, err := b.beside(ctx)
	if err != nil {
		return err
	}
	direct, err := b.way(ctx, "one pod directly", base, load.Connecting{Dial: dial})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, direct.clean()) }()
	ways := []way{through, direct}
	full, paced := map[string][]float64{}, map[string][]load.Operation{}
	for range rounds {
		for _, w := range ways {
			measured, err := w.measure(ctx, load.Reads, load.Plan{Duration: b.load / rounds, Workers: busy})
			if err != nil {
				return err
			}
			full[w.name] = append(full[w.name], float64(measured.Due)/measured.Took.Seconds())
			if measured, err = w.measure(ctx, load.Reads, load.Plan{Rate: pacedRate, Duration: b.load / rounds, Workers: connections}); err != nil {
				return err
			}
			paced[w.name] = append(paced[w.name], measured.All())
		}
	}
	for _, w := range ways {
		slices.Sort(full[w.name])
		if w.name == through.name {
			b.answered = median(full[w.name])
		}
		b.add("one-row read, "+w.name+", full speed", fmt.Sprintf("%.0f requests/s", median(full[w.name])), "")
		b.add(fmt.Sprintf("one-row read, %s, at %d requests/s", w.name, pacedRate), latencies(paced[w.name]), "")
	}
	for _, mix := range []load.Mix{load.Writes, load.Streaming, load.Mixed} {
		var runs []load.Operation
		for range rounds {
			measured, err := through.measure(ctx, mix, load.Plan{Rate: mixedRate, Duration: b.load / rounds, Workers: connections})
			if err != nil {
				return err
			}
			runs = append(runs, measured.All())
		}
		b.add(fmt.Sprintf("%s, %s, at %d requests/s", mix, through.name, mixedRate), latencies(runs), "")
	}
	return nil
}

// measure returns an error when any request failed: a figure for requests that
// were refused would be a fine one.
func (w way) measure(ctx context.Context, mix load.Mix, plan load.Plan) (*load.Measured, error) {
	plan.Overtime = plan.Duration
	measured := load.Run(ctx, plan, w.items.Send(mix))
	if all := measured.All(); all.Failed > 0 {
		return nil, fmt.Errorf("%s, %s: %d of %d requests failed: %v", mix, w.name, all.Failed, all.Count(), measured.Failures)
	}
	return measured, ctx.Err()
}

// latencies are those of the run in the middle.
func latencies(runs []load.Operation) string {
	slices.SortFunc(runs, func(a, b load.Operation) int { return int(a.Quantile(0.99) - b.Quantile(0.99)) })
	mid := median(runs)
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", load.Milliseconds(mid.Quantile(0.5)), load.Milliseconds(mid.Quantile(0.99)))
}
