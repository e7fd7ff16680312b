package load

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Limits are what a run has to keep.
type Limits struct {
	// P99Milliseconds is what 99 of 100 requests must not exceed.
	P99Milliseconds int `json:"p99Milliseconds"`
	// Failures is how many requests may fail.
	Failures int `json:"failures"`
}

// Result is what a run is reported as: one line of JSON.
type Result struct {
	// Level and Message are how programs of the platform say what a line is about.
	Level   string `json:"level"`
	Message string `json:"msg"`

	Started         time.Time `json:"started"`
	Mix             Mix       `json:"mix"`
	Rate            int       `json:"rate"`
	DurationSeconds int       `json:"durationSeconds"`
	// All is every operation together, which the limits are about.
	All        Figures            `json:"all"`
	Operations map[string]Figures `json:"operations"`
	// Failures counts failed requests by kind.
	Failures map[string]int `json:"failures"`
	// RowsLeft is how many rows of the run may still be there.
	RowsLeft int    `json:"rowsLeft"`
	Limits   Limits `json:"limits"`
	// Broken says what was not kept, in words; empty when the run passed.
	Broken []string `json:"broken"`
}

// Figures are those of some requests. Latencies are in milliseconds.
type Figures struct {
	Requests int     `json:"requests"`
	Failed   int     `json:"failed"`
	P50      float64 `json:"p50"`
	P90      float64 `json:"p90"`
	P99      float64 `json:"p99"`
	P999     float64 `json:"p999"`
	Max      float64 `json:"max"`
}

// Messages of a Result.
const (
	Passed = "benchmark passed"
	Failed = "benchmark failed"
)

func figures(o Operation) Figures {
	return Figures{
		Requests: o.Count(), Failed: o.Failed,
		P50: Milliseconds(o.Quantile(0.5)), P90: Milliseconds(o.Quantile(0.9)),
		P99: Milliseconds(o.Quantile(0.99)), P999: Milliseconds(o.Quantile(0.999)), Max: Milliseconds(o.Max()),
	}
}

// Milliseconds is a duration to the microsecond.
func Milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond).Microseconds()) / 1000
}

// Judge says what a run came to and which limits it broke.
func Judge(plan Plan, mix Mix, m *Measured, rowsLeft int, limits Limits) Result {
	r := Result{
		Level: "info", Message: Passed,
		Started: m.Started.UTC().Truncate(time.Second), Mix: mix, Rate: plan.Rate, DurationSeconds: int(plan.Duration.Seconds()),
		All: figures(m.All()), Operations: map[string]Figures{}, Failures: maps.Clone(m.Failures), RowsLeft: rowsLeft,
		Limits: limits, Broken: []string{},
	}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		r.Operations[name] = figures(*m.Operations[name])
	}
	broken := func(format string, values ...any) {
		r.Level, r.Message = "error", Failed
		r.Broken = append(r.Broken, fmt.Sprintf(format, values...))
	}
	if r.All.Requests < m.Due {
		broken("it was stopped: %d of %d requests were sent", r.All.Requests, m.Due)
	}
	if r.All.P99 > float64(limits.P99Milliseconds) {
		broken("p99 is %.1f ms, above %d ms", r.All.P99, limits.P99Milliseconds)
	}
	if r.All.Failed > limits.Failures {
		broken("%d requests failed, %d may", r.All.Failed, limits.Failures)
	}
	return r
}
