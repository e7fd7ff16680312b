package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Ledger writes numbered rows at a constant rate and remembers which were
// acknowledged, so that a test can ask afterwards whether any is gone.
type Ledger struct {
	platform *Platform
	client   *http.Client
	run      string
	every    time.Duration

	mu       sync.Mutex
	acked    map[int]string // number -> id
	failures []Failure
	sent     int
	lastAck  time.Time
	gap      time.Duration

	stop chan struct{}
	done chan struct{}
}

// Failure is a request that was not acknowledged.
type Failure struct {
	Number int
	At     time.Time
	Err    string
}

// StartLedger begins to write perSecond rows a second, open loop: a slow
// answer delays no later request. Names begin with run.
func (p *Platform) StartLedger(ctx context.Context, run string, perSecond int) *Ledger {
	client := *p.HTTP
	client.Timeout = 10 * time.Second
	l := &Ledger{
		platform: p, client: &client, run: fmt.Sprintf("%s-%d", run, time.Now().UnixNano()), every: time.Second / time.Duration(perSecond),
		acked: map[int]string{}, lastAck: time.Now(), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go l.loop(ctx)
	return l
}

func (l *Ledger) loop(ctx context.Context) {
	defer close(l.done)
	var inFlight sync.WaitGroup
	defer inFlight.Wait()
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-l.stop:
			return
		case <-tick.C:
		}
		l.mu.Lock()
		l.sent++
		l.mu.Unlock()
		inFlight.Add(1)
		go func() {
			defer inFlight.Done()
			id, err := l.write(ctx, n)
			l.record(n, id, err)
		}()
	}
}

func (l *Ledger) write(ctx context.Context, n int) (string, error) {
	body, err := json.Marshal(map[string]any{"name": fmt.Sprintf("%s-%d", l.run, n), "quantity": n})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.platform.URL+"/v1/items", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("%s: %s", res.Status, raw)
	}
	var row struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return "", err
	}
	return row.ID, nil
}

func (l *Ledger) record(n int, id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := time.Now()
	if err != nil {
		l.failures = append(l.failures, Failure{Number: n, At: at, Err: err.Error()})
		return
	}
	l.gap = max(l.gap, at.Sub(l.lastAck))
	l.lastAck = at
	l.acked[n] = id
}

// Acked is how many rows have been acknowledged.
func (l *Ledger) Acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// Await waits until more further rows have been acknowledged.
func (l *Ledger) Await(ctx context.Context, more int) error {
	want := l.Acked() + more
	return Eventually(ctx, 50*time.Millisecond, func(context.Context) error {
		if got := l.Acked(); got < want {
			return fmt.Errorf("%d of %d rows acknowledged; %s", got, want, l.LastFailure())
		}
		return nil
	})
}

// LastFailure tells the most recent error, for messages.
func (l *Ledger) LastFailure() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) == 0 {
		return "no request failed"
	}
	return "last failure: " + l.failures[len(l.failures)-1].Err
}

// Result is what a ledger saw.
type Result struct {
	Sent     int
	Acked    int
	Failures []Failure
	// Gap is the longest time between two acknowledgements.
	Gap time.Duration
}

// Causes says how often each error was seen, and when first and last.
func (r Result) Causes() string {
	type cause struct {
		count       int
		first, last time.Time
	}
	causes := map[string]*cause{}
	for _, f := range r.Failures {
		// Ports of this side differ with every request and say nothing.
		text := localPort.ReplaceAllString(f.Err, "")
		c := causes[text]
		if c == nil {
			c = &cause{first: f.At}
			causes[text] = c
		}
		c.count, c.last = c.count+1, f.At
	}
	lines := make([]string, 0, len(causes))
	for text, c := range causes {
		lines = append(lines, fmt.Sprintf("%d times from %s to %s: %s", c.count,
			c.first.Format("15:04:05.000"), c.last.Format("15:04:05.000"), text))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

var localPort = regexp.MustCompile(`127\.0\.0\.1:\d+->`)

// Stop ends the writing and waits for the requests under way.
func (l *Ledger) Stop() Result {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	<-l.done
	l.mu.Lock()
	defer l.mu.Unlock()
	return Result{Sent: l.sent, Acked: len(l.acked), Failures: l.failures, Gap: l.gap}
}

// Lost reads every acknowledged row back and returns the numbers that are
// gone or changed. Only the primary's answer counts.
func (l *Ledger) Lost(ctx context.Context) ([]int, error) {
	l.mu.Lock()
	acked := make(map[int]string, len(l.acked))
	for n, id := range l.acked {
		acked[n] = id
	}
	l.mu.Unlock()
	type question struct {
		n  int
		id string
	}
	questions := make(chan question)
	var mu sync.Mutex
	var lost []int
	var faults []error
	var readers sync.WaitGroup
	const parallel = 8
	for range parallel {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for q := range questions {
				found, err := l.read(ctx, q.n, q.id)
				mu.Lock()
				if err != nil {
					faults = append(faults, err)
				} else if !found {
					lost = append(lost, q.n)
				}
				mu.Unlock()
			}
		}()
	}
	for n, id := range acked {
		questions <- question{n, id}
	}
	close(questions)
	readers.Wait()
	return lost, errors.Join(faults...)
}

// read asks again while the platform is not answering: an error says nothing
// about the row.
func (l *Ledger) read(ctx context.Context, n int, id string) (found bool, err error) {
	const tries = 20
	for range tries {
		var res *http.Response
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, l.platform.URL+"/v1/items/"+id, nil); err != nil {
			return false, err
		}
		if res, err = l.client.Do(req); err == nil {
			var row struct {
				Name     string `json:"name"`
				Quantity int    `json:"quantity"`
			}
			decoding := json.NewDecoder(res.Body).Decode(&row)
			_ = res.Body.Close()
			switch {
			case res.StatusCode == http.StatusNotFound:
				return false, nil
			case res.StatusCode == http.StatusOK && decoding == nil:
				return row.Name == fmt.Sprintf("%s-%d", l.run, n) && row.Quantity == n, nil
			default:
				err = fmt.Errorf("reading row %d: %s", n, res.Status)
			}
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
	return false, err
}
