package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// width is how many characters the longest bar has.
const width = 40

// Write draws a trace: one line for each step, indented below the step that it is
// part of, with a bar where in the whole it lies.
func (t Trace) Write(out io.Writer) error {
	whole := t.Seconds()
	fmt.Fprintf(out, "%s  %s  %s\n\n", t.ID, t.Begin().UTC().Format(time.RFC3339Nano), length(whole))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range t.steps() {
		failed := ""
		if s.Error {
			failed = " FAILED"
		}
		fmt.Fprintf(table, "%s%s%s\t%s\t%s\t%s\t%s\n", strings.Repeat("  ", s.depth), s.Name, failed, s.Service, length(s.Seconds),
			bar(s.Timestamp.Sub(t.Begin()).Seconds(), s.Seconds, whole), about(s.About))
	}
	return table.Flush()
}

// bar is a part of the whole as a bar of at least one character.
func bar(from, long, whole float64) string {
	if whole <= 0 {
		return "|" + strings.Repeat("#", width) + "|"
	}
	begin := min(int(from/whole*width), width-1)
	length := min(max(int(long/whole*width+0.5), 1), width-begin)
	return "|" + strings.Repeat(" ", begin) + strings.Repeat("#", length) + strings.Repeat(" ", width-begin-length) + "|"
}

// about are attributes, without what the name says already.
func about(attributes map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		if key == "http.request.method" || key == "http.route" {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s=%v", strings.TrimPrefix(key, "slipway."), attributes[key]))
	}
	return strings.Join(parts, " ")
}

func length(seconds float64) string {
	return fmt.Sprintf("%.1f ms", seconds*1000)
}

// List prints traces, one a line.
func List(out io.Writer, traces []Trace) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TRACE\tBEGAN\tTOOK\tSTEPS\tRESULT\tREQUEST")
	for _, t := range traces {
		result := "ok"
		if t.Failed() {
			result = "failed"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", t.ID, t.Begin().UTC().Format("2006-01-02 15:04:05.000"), length(t.Seconds()), len(t.Spans), result, t.Title())
	}
	return table.Flush()
}

// JSON prints traces as an array, each with its spans in order of time.
func JSON(out io.Writer, traces []Trace) error {
	type span struct {
		Span
		Service string
		Node    string
	}
	type whole struct {
		Trace   string
		Seconds float64
		Failed  bool
		Spans   []span
	}
	all := []whole{}
	for _, t := range traces {
		one := whole{Trace: t.ID, Seconds: t.Seconds(), Failed: t.Failed()}
		for _, s := range t.Spans {
			one.Spans = append(one.Spans, span{s, s.Service, s.Node})
		}
		all = append(all, one)
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(all)
}
