package dash

import (
	"fmt"
	"strings"
	"time"
)

// Kind is how a panel is drawn.
type Kind string

const (
	// Lines are series over time.
	Lines Kind = "lines"
	// Bands are spans of time in which a series is above zero, one row for each.
	Bands Kind = "bands"
	// Figure is one number, or one word, as of now.
	Figure Kind = "figure"
	// Table is rows as of now.
	Table Kind = "table"
)

// Unit is what a panel's numbers are; the page writes them by it.
type Unit string

const (
	PerSecond Unit = "per-second"
	Share     Unit = "share"
	Seconds   Unit = "seconds"
	Bytes     Unit = "bytes"
	Cores     Unit = "cores"
	Count     Unit = "count"
	Money     Unit = "money"
	Text      Unit = "text"
)

// Panel is one thing on the page.
type Panel struct {
	// ID is its name in addresses.
	ID string `json:"id"`
	// Section groups panels under a heading.
	Section string `json:"section"`
	Title   string `json:"title"`
	// Help says what is shown and what a bad value means.
	Help string `json:"help"`
	Kind Kind   `json:"kind"`
	Unit Unit   `json:"unit"`
	// Zero draws the vertical axis from zero.
	Zero bool `json:"zero,omitempty"`
	// Queries are what is asked. In a table each is a column, its rows joined by
	// Keys.
	Queries []Query `json:"queries,omitempty"`
	// Keys are the labels that name a table's row.
	Keys []Column `json:"keys,omitempty"`
	// Missing says, where nothing is found, what would have told it.
	Missing string `json:"missing"`
	// Proof is an expression that has a result where what Queries look at is
	// known and merely none of it there is; Fine is then said in place of Missing.
	Proof string `json:"proof,omitempty"`
	Fine  string `json:"fine,omitempty"`

	// answer computes what no query gives.
	answer answerer
}

// Query is one question to Prometheus, in PromQL. $window stands for the span
// that a rate is taken over, $range for the span that is shown.
type Query struct {
	// Name is the series' name, with {label} for a label's value; in a table the
	// column's.
	Name string `json:"name"`
	// Ask are expressions; the first that has a result is taken. Recorded series
	// stand before what they are recorded from.
	Ask []string `json:"ask"`
	// Unit of a table's column. Default: the panel's.
	Unit Unit `json:"unit,omitempty"`
	// Tone tells the page what a series means: good, warn, bad or plain (an
	// allowance, drawn dashed). Empty: a colour of its own.
	Tone string `json:"tone,omitempty"`
}

// Column is a label that a table shows.
type Column struct {
	Label string `json:"label"`
	Title string `json:"title"`
}

// Span is a length of time that can be shown.
type Span struct {
	Name string
	Long time.Duration
	// Step is between two points; Window is what rates are taken over: at least
	// four scrapes of the usual thirty seconds, and no less than a step, or
	// what happens between two points would not be seen.
	Step, Window time.Duration
}

// Spans are the choices, the first the page's default.
var Spans = []Span{
	{"1h", time.Hour, 30 * time.Second, 2 * time.Minute},
	{"15m", 15 * time.Minute, 15 * time.Second, 2 * time.Minute},
	{"6h", 6 * time.Hour, 2 * time.Minute, 4 * time.Minute},
	{"24h", 24 * time.Hour, 10 * time.Minute, 10 * time.Minute},
}

// spanOf finds a span by its name.
func spanOf(name string) (Span, bool) {
	for _, span := range Spans {
		if span.Name == name {
			return span, true
		}
	}
	return Span{}, false
}

// Expand puts a span's times into an expression.
func (s Span) Expand(expr string) string {
	return strings.NewReplacer("$window", promDuration(s.Window), "$range", promDuration(s.Long)).Replace(expr)
}

func promDuration(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }

// Panels are all, in the order of the page.
func Panels() []Panel {
	var all []Panel
	for _, group := range [][]Panel{figures(), requests(), database(), rollouts(), capacity()} {
		all = append(all, group...)
	}
	return all
}

// find returns a panel by its ID.
func find(id string) (Panel, bool) {
	for _, panel := range Panels() {
		if panel.ID == id {
			return panel, true
		}
	}
	return Panel{}, false
}
