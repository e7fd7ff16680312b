package dash

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/prometheus"
)

// State is what came of a question.
type State string

const (
	// Answered: there is something to draw.
	Answered State = "answered"
	// Empty: Prometheus answered that there is nothing; Message says what that
	// means.
	Empty State = "empty"
	// Failed: there is no answer; Message says why.
	Failed State = "failed"
)

// Answer is what the page draws a panel from.
type Answer struct {
	Panel   string `json:"panel"`
	State   State  `json:"state"`
	Message string `json:"message,omitempty"`
	// Start is the first point's time, in seconds since 1970; the others follow
	// every Step seconds.
	Start int64 `json:"start,omitempty"`
	Step  int64 `json:"step,omitempty"`
	// Lines are the series of Lines and Bands. More were left out.
	Lines []Line `json:"lines,omitempty"`
	More  int    `json:"more,omitempty"`
	// Columns and Rows are a table's.
	Columns []Heading `json:"columns,omitempty"`
	Rows    [][]any   `json:"rows,omitempty"`
	// Value or Word is a figure's, Note stands below it.
	Value *float64 `json:"value,omitempty"`
	Word  string   `json:"word,omitempty"`
	Note  string   `json:"note,omitempty"`
	Tone  string   `json:"tone,omitempty"`
}

// Line is one series. A point that there is no sample for is null.
type Line struct {
	Name   string     `json:"name"`
	Tone   string     `json:"tone,omitempty"`
	Points []*float64 `json:"points"`
}

// Heading is a table's column.
type Heading struct {
	Title string `json:"title"`
	Unit  Unit   `json:"unit"`
}

// Bounds of what one panel shows; a page of ten thousand lines shows nothing.
const (
	maxLines = 20
	maxRows  = 100
)

// asking is one question about one panel.
type asking struct {
	prometheus *prometheus.Client
	cost       func() Cost
	panel      Panel
	span       Span
	now        time.Time
}

// answerer computes a panel's answer; an answer without a State is Answered.
type answerer func(ctx context.Context, a asking) (Answer, error)

func (a asking) answer(ctx context.Context) Answer {
	compute := a.panel.answer
	if compute == nil {
		switch a.panel.Kind {
		case Figure:
			compute = figure
		case Table:
			compute = table
		default:
			compute = lines
		}
	}
	got, err := compute(ctx, a)
	if err == nil && got.State == Empty && got.Message == "" {
		got.Message, err = a.emptiness(ctx)
	}
	if err != nil {
		got = Answer{State: Failed, Message: explain(err)}
	}
	got.Panel, got.State = a.panel.ID, cmp.Or(got.State, Answered)
	return got
}

// emptiness says what it means that nothing was found.
func (a asking) emptiness(ctx context.Context) (string, error) {
	if a.panel.Proof == "" {
		return "Prometheus has no such series. " + a.panel.Missing, nil
	}
	there, err := a.prometheus.Instant(ctx, `count(`+a.panel.Proof+`)`, a.now)
	if err != nil {
		return "", err
	}
	if len(there) > 0 {
		return a.panel.Fine, nil
	}
	return "Prometheus has no such series. " + a.panel.Missing, nil
}

// explain makes a sentence of a failure that says what to do next, where the
// failure itself does not.
func explain(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, prometheus.ErrRefused):
		text += ". This page's queries are fixed: is this Prometheus older than 2.30?"
	case errors.Is(err, prometheus.ErrForeign):
		text += ". Does --prometheus name Prometheus itself, not Grafana or a login page?"
	case errors.Is(err, prometheus.ErrSlow):
		text += ". A shorter time range asks for less."
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// instant asks one query as of now; the first expression with a result counts.
func (a asking) instant(ctx context.Context, q Query) ([]prometheus.Series, error) {
	for _, expr := range q.Ask {
		series, err := a.prometheus.Instant(ctx, a.span.Expand(expr), a.now)
		if err != nil || len(series) > 0 {
			return series, err
		}
	}
	return nil, nil
}

func figure(ctx context.Context, a asking) (Answer, error) {
	series, err := a.instant(ctx, a.panel.Queries[0])
	if err != nil {
		return Answer{}, err
	}
	if len(series) == 0 {
		return Answer{State: Empty}, nil
	}
	value := finite(series[0].Samples[0].Value)
	if value == nil {
		return Answer{State: Empty}, nil
	}
	return Answer{Value: value}, nil
}

// finite is nil for what is no number to draw.
func finite(value float64) *float64 {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil
	}
	return &value
}

func lines(ctx context.Context, a asking) (Answer, error) {
	end := a.now.Truncate(a.span.Step)
	start := end.Add(-a.span.Long)
	points := int(a.span.Long/a.span.Step) + 1
	got := Answer{Start: start.Unix(), Step: int64(a.span.Step.Seconds())}
	for _, query := range a.panel.Queries {
		for _, expr := range query.Ask {
			series, err := a.prometheus.Range(ctx, a.span.Expand(expr), start, end, a.span.Step)
			if err != nil {
				return Answer{}, err
			}
			before := len(got.Lines)
			for _, one := range series {
				line := Line{Name: named(query.Name, one.Labels), Tone: query.Tone, Points: make([]*float64, points)}
				if onGrid(line.Points, one.Samples, start, a.span.Step) {
					got.Lines = append(got.Lines, line)
				}
			}
			if len(got.Lines) > before {
				slices.SortStableFunc(got.Lines[before:], func(a, b Line) int { return strings.Compare(a.Name, b.Name) })
				break
			}
		}
	}
	if len(got.Lines) == 0 {
		return Answer{State: Empty}, nil
	}
	if len(got.Lines) > maxLines {
		got.More = len(got.Lines) - maxLines
		got.Lines = largest(got.Lines, maxLines)
	}
	return got, nil
}

// onGrid puts samples at their points and tells whether there is a number among
// them.
func onGrid(points []*float64, samples []prometheus.Sample, start time.Time, step time.Duration) bool {
	some := false
	for _, sample := range samples {
		at := int(math.Round(float64(sample.Time.Sub(start)) / float64(step)))
		if at < 0 || at >= len(points) {
			continue
		}
		points[at] = finite(sample.Value)
		some = some || points[at] != nil
	}
	return some
}

// largest are the n lines that reach highest, in their order.
func largest(all []Line, n int) []Line {
	top := func(l Line) float64 {
		high := math.Inf(-1)
		for _, point := range l.Points {
			if point != nil {
				high = max(high, *point)
			}
		}
		return high
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(top(all[b]), top(all[a])) })
	order = order[:n]
	slices.Sort(order)
	kept := make([]Line, 0, n)
	for _, i := range order {
		kept = append(kept, all[i])
	}
	return kept
}

// named puts labels' values into a name.
func named(name string, labels map[string]string) string {
	for label, value := range labels {
		name = strings.ReplaceAll(name, "{"+label+"}", value)
	}
	return name
}

func table(ctx context.Context, a asking) (Answer, error) {
	got := Answer{}
	for _, key := range a.panel.Keys {
		got.Columns = append(got.Columns, Heading{key.Title, Text})
	}
	const separator = "\x00" // is in no label's value
	rows := map[string][]any{}
	for i, query := range a.panel.Queries {
		got.Columns = append(got.Columns, Heading{query.Name, cmp.Or(query.Unit, a.panel.Unit)})
		series, err := a.instant(ctx, query)
		if err != nil {
			return Answer{}, err
		}
		for _, one := range series {
			var keys []string
			for _, key := range a.panel.Keys {
				keys = append(keys, one.Labels[key.Label])
			}
			name := strings.Join(keys, separator)
			if rows[name] == nil {
				rows[name] = make([]any, len(a.panel.Keys)+len(a.panel.Queries))
				for j, key := range keys {
					rows[name][j] = key
				}
			}
			if value := finite(one.Samples[0].Value); value != nil {
				rows[name][len(keys)+i] = *value
			}
		}
	}
	if len(rows) == 0 {
		return Answer{State: Empty}, nil
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		got.Rows = append(got.Rows, rows[name])
	}
	if len(got.Rows) > maxRows {
		got.More, got.Rows = len(got.Rows)-maxRows, got.Rows[:maxRows]
	}
	return got, nil
}
