package load

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Plan says how many requests are sent, and when.
type Plan struct {
	// Rate is requests a second; 0 sends as many as Workers can.
	Rate int
	// Duration is how long requests are due. What is under way then is awaited.
	Duration time.Duration
	// Workers is how many requests may be under way at once.
	Workers int
	// Overtime is how long after Duration requests that were due and found no
	// worker are still sent. What is not sent by then has failed.
	Overtime time.Duration
	// Watch, when set, is told every Every how far the run is.
	Watch func(elapsed time.Duration, so *Measured)
	Every time.Duration
}

// Send carries out one request and says what kind of operation it was. Numbers
// count from 0. A request that failed returns an error, which Kind sorts.
type Send func(ctx context.Context, number int) (operation string, err error)

// Unsent is the kind of failure of a request that never found a worker.
const Unsent = "not sent"

// Measured is what came of a run.
type Measured struct {
	// Started is when the first request was due, Took the time to the last answer.
	Started time.Time
	Took    time.Duration
	// Operations holds latencies by operation, those of failures included.
	Operations map[string]*Operation
	// Failures counts failures of all operations by kind.
	Failures map[string]int
	// Due is how many requests the run should have sent. It is more than were when
	// the run was stopped. At full speed it is what was sent.
	Due int
}

// Operation is what came of one kind of request.
type Operation struct {
	Histogram
	Failed int
}

func newMeasured() *Measured {
	return &Measured{Operations: map[string]*Operation{}, Failures: map[string]int{}}
}

func (m *Measured) add(operation string, latency time.Duration, err error) {
	o := m.Operations[operation]
	if o == nil {
		o = &Operation{}
		m.Operations[operation] = o
	}
	o.Add(latency)
	if err != nil {
		o.Failed++
		m.Failures[Kind(err)]++
	}
}

// All is every operation together.
func (m *Measured) All() Operation {
	var all Operation
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		all.Merge(&m.Operations[name].Histogram)
		all.Failed += m.Operations[name].Failed
	}
	return all
}

// Run sends requests by plan until it ends or ctx does.
func Run(ctx context.Context, plan Plan, send Send) *Measured {
	r := &run{plan: plan, send: send, measured: newMeasured(), start: time.Now()}
	r.measured.Started = r.start
	if plan.Rate > 0 {
		r.total = int(plan.Duration.Seconds() * float64(plan.Rate))
		r.measured.Due = r.total
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	if plan.Watch != nil {
		watching.Go(func() { r.watch(done) })
	}
	var workers sync.WaitGroup
	for range plan.Workers {
		workers.Go(func() { r.work(ctx) })
	}
	workers.Wait()
	close(done)
	watching.Wait()
	r.measured.Took = time.Since(r.start)
	if plan.Rate == 0 {
		all := r.measured.All()
		r.measured.Due = all.Count()
	}
	return r.measured
}

// run is one run under way.
type run struct {
	plan  Plan
	send  Send
	start time.Time
	// total is how many requests are due.
	total int
	next  atomic.Int64

	mu       sync.Mutex
	measured *Measured
}

// work sends one request after the other, each as soon as it is due.
func (r *run) work(ctx context.Context) {
	for {
		number := int(r.next.Add(1)) - 1
		if r.plan.Rate == 0 {
			if ctx.Err() != nil || time.Since(r.start) >= r.plan.Duration {
				return
			}
			r.one(ctx, number, time.Now())
			continue
		}
		if number >= r.total {
			return
		}
		due := r.start.Add(time.Duration(number) * time.Second / time.Duration(r.plan.Rate))
		if !sleep(ctx, time.Until(due)) {
			return
		}
		if time.Since(r.start) > r.plan.Duration+r.plan.Overtime {
			r.note(Unsent, time.Since(due), errUnsent)
			continue
		}
		r.one(ctx, number, due)
	}
}

// one sends a request. One that was cut off because the run was stopped says
// nothing about the service.
func (r *run) one(ctx context.Context, number int, due time.Time) {
	operation, err := r.send(ctx, number)
	latency := time.Since(due)
	if err != nil && ctx.Err() != nil {
		return
	}
	r.note(operation, latency, err)
}

func (r *run) note(operation string, latency time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measured.add(operation, latency, err)
}

func (r *run) watch(done <-chan struct{}) {
	tick := time.NewTicker(r.plan.Every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			r.mu.Lock()
			r.plan.Watch(time.Since(r.start), r.measured)
			r.mu.Unlock()
		}
	}
}

// sleep waits, and says whether it came to the end of that.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
