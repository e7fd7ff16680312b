package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// spanLine is one span as it is stored.
type spanLine struct {
	// Timestamp is when it began.
	Timestamp string
	// Trace, Span and Parent are identifiers, in hexadecimal digits.
	Trace, Span string
	Parent      string `json:",omitempty"`
	Name        string
	// Kind is server, client, internal, producer or consumer.
	Kind string
	// Seconds is how long it took.
	Seconds              float64
	Error                bool `json:",omitempty"`
	Resource, Attributes map[string]any
	Events               []eventLine `json:",omitempty"`
}

// eventLine is what happened during a span.
type eventLine struct {
	Timestamp  string
	Name       string
	Attributes map[string]any `json:",omitempty"`
}

// encodeSpans writes each span of a batch as a line.
func encodeSpans(traces ptrace.Traces) ([]byte, error) {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, resource := range traces.ResourceSpans().All() {
		of := fields(resource.Resource().Attributes())
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				if err := encoder.Encode(spanLine{
					Timestamp: instant(span.StartTimestamp()), Trace: span.TraceID().String(), Span: span.SpanID().String(),
					Parent: span.ParentSpanID().String(), Name: span.Name(), Kind: kind(span.Kind()), Seconds: seconds(span),
					Error: span.Status().Code() == ptrace.StatusCodeError, Resource: of, Attributes: fields(span.Attributes()),
					Events: events(span),
				}); err != nil {
					return nil, fmt.Errorf("writing a span as JSON: %w", err)
				}
			}
		}
	}
	return lines.Bytes(), nil
}

func events(span ptrace.Span) []eventLine {
	var lines []eventLine
	for _, event := range span.Events().All() {
		lines = append(lines, eventLine{instant(event.Timestamp()), event.Name(), fields(event.Attributes())})
	}
	return lines
}

func instant(at pcommon.Timestamp) string { return at.AsTime().Format(time.RFC3339Nano) }

// seconds is how long a span took: nothing where a clock was set back.
func seconds(span ptrace.Span) float64 {
	return max(0, span.EndTimestamp().AsTime().Sub(span.StartTimestamp().AsTime()).Seconds())
}

// kind is internal where the sender did not say, as the protocol has it.
func kind(of ptrace.SpanKind) string {
	switch of {
	case ptrace.SpanKindServer:
		return "server"
	case ptrace.SpanKindClient:
		return "client"
	case ptrace.SpanKindProducer:
		return "producer"
	case ptrace.SpanKindConsumer:
		return "consumer"
	}
	return "internal"
}

// fields are attributes as JSON can hold them.
func fields(attributes pcommon.Map) map[string]any {
	raw := attributes.AsRaw()
	for name, value := range raw {
		raw[name] = finite(value)
	}
	return raw
}

// finite writes numbers that JSON has none for as text. One of them would have
// its whole batch refused, each time that it is sent.
func finite(value any) any {
	switch value := value.(type) {
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return strconv.FormatFloat(value, 'g', -1, 64)
		}
	case []any:
		for i, item := range value {
			value[i] = finite(item)
		}
	case map[string]any:
		for name, item := range value {
			value[name] = finite(item)
		}
	}
	return value
}
