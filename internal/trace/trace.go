package trace

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Span is one step of a request, as the collectors' archive has it.
type Span struct {
	Timestamp time.Time
	// Trace and Span are numbers in hexadecimal; Parent is empty for the first of
	// a trace.
	Trace, Span, Parent string
	Name                string
	// Kind is server, client, internal, producer or consumer.
	Kind    string
	Seconds float64
	Error   bool           `json:",omitempty"`
	Service string         `json:"-"`
	Node    string         `json:"-"`
	About   map[string]any `json:"Attributes,omitempty"`
}

// End is when the step was over.
func (s Span) End() time.Time { return s.Timestamp.Add(s.length()) }

func (s Span) length() time.Duration { return time.Duration(s.Seconds * float64(time.Second)) }

// Trace is what is known of one request, in order of time. Spans of it may be
// missing: those that are still to be sent, and those of a node that has gone.
type Trace struct {
	ID    string
	Spans []Span
}

// Begin is when its first step began.
func (t Trace) Begin() time.Time { return t.Spans[0].Timestamp }

// Seconds is the time from its first step's beginning to its last one's end.
func (t Trace) Seconds() float64 {
	end := t.Begin()
	for _, span := range t.Spans {
		if span.End().After(end) {
			end = span.End()
		}
	}
	return end.Sub(t.Begin()).Seconds()
}

// Failed says whether any step failed.
func (t Trace) Failed() bool {
	return slices.ContainsFunc(t.Spans, func(s Span) bool { return s.Error })
}

// Title names the request: by its route where a step knows it.
func (t Trace) Title() string {
	for _, span := range t.Spans {
		if span.About["http.route"] != nil {
			return span.Name
		}
	}
	return t.Spans[0].Name
}

// ErrID is returned for what is no trace's number.
var ErrID = errors.New("a trace's number has 32 hexadecimal digits")

var number = regexp.MustCompile(`^[0-9a-f]{32}$`)

// ID checks the number of a trace that somebody gave.
func ID(given string) (string, error) {
	id := strings.ToLower(strings.TrimSpace(given))
	if !number.MatchString(id) {
		return "", fmt.Errorf("%w, as in the logs' trace_id: %q is none", ErrID, given)
	}
	return id, nil
}

// Read reads spans, one JSON object a line, and returns those that keep wants. A
// last line without an end is being written, and left out.
func Read(from io.Reader, node string, keep func(Span) bool) ([]Span, error) {
	var spans []Span
	lines := bufio.NewReader(from)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return spans, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the archive on %s: %w", node, err)
		}
		var line struct {
			Span
			Resource map[string]any
		}
		if err := json.Unmarshal(text, &line); err != nil || line.Trace == "" {
			return nil, fmt.Errorf("the archive on %s has a line that is no span; are the collectors of this version? (%w)", node, cmp.Or(err, ErrID))
		}
		line.Node = node
		line.Service, _ = line.Resource["service.name"].(string)
		if keep(line.Span) {
			spans = append(spans, line.Span)
		}
	}
}

// Group puts spans together by trace, the newest trace first.
func Group(spans []Span) []Trace {
	byID := map[string]*Trace{}
	for _, span := range spans {
		t := byID[span.Trace]
		if t == nil {
			t = &Trace{ID: span.Trace}
			byID[span.Trace] = t
		}
		t.Spans = append(t.Spans, span)
	}
	traces := make([]Trace, 0, len(byID))
	for _, t := range byID {
		t.order()
		traces = append(traces, *t)
	}
	slices.SortFunc(traces, func(a, b Trace) int { return cmp.Or(b.Begin().Compare(a.Begin()), strings.Compare(a.ID, b.ID)) })
	return traces
}

// order sorts spans by time, and drops those that a sender sent twice.
func (t *Trace) order() {
	slices.SortFunc(t.Spans, func(a, b Span) int {
		return cmp.Or(a.Timestamp.Compare(b.Timestamp), cmp.Compare(b.Seconds, a.Seconds), strings.Compare(a.Span, b.Span))
	})
	seen := map[string]bool{}
	t.Spans = slices.DeleteFunc(t.Spans, func(s Span) bool {
		twice := seen[s.Span]
		seen[s.Span] = true
		return twice
	})
}

// step is a span and how deep it lies.
type step struct {
	Span
	depth int
}

// steps are the spans as a tree: children follow their parent. A span whose parent
// is not known lies at the top.
func (t Trace) steps() []step {
	known := map[string]bool{}
	for _, span := range t.Spans {
		known[span.Span] = true
	}
	children := map[string][]Span{}
	for _, span := range t.Spans {
		parent := span.Parent
		if !known[parent] || parent == span.Span {
			parent = ""
		}
		children[parent] = append(children[parent], span)
	}
	var steps []step
	listed := map[string]bool{}
	var walk func(parent string, depth int)
	walk = func(parent string, depth int) {
		for _, span := range children[parent] {
			if listed[span.Span] {
				continue
			}
			listed[span.Span] = true
			steps = append(steps, step{span, depth})
			walk(span.Span, depth+1)
		}
	}
	walk("", 0)
	// Spans that are each other's parents are under nobody.
	for _, span := range t.Spans {
		if !listed[span.Span] {
			listed[span.Span] = true
			steps = append(steps, step{span, 0})
		}
	}
	return steps
}
