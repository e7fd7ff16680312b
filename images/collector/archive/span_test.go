package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
)

// oneSpan is a batch with a span.
func oneSpan() (ptrace.Traces, ptrace.Span) {
	traces := ptrace.NewTraces()
	return traces, traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
}

func TestEncodeSpans(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	traces, first := oneSpan()
	traces.ResourceSpans().At(0).Resource().Attributes().PutStr("service.name", "api")
	first.SetTraceID(pcommon.TraceID{15: 0x0a})
	first.SetSpanID(pcommon.SpanID{7: 0x0b})
	first.SetParentSpanID(pcommon.SpanID{7: 0x0c})
	first.SetName("GET <b> & c\nd")
	first.SetKind(ptrace.SpanKindServer)
	first.SetStartTimestamp(pcommon.NewTimestampFromTime(begin))
	first.SetEndTimestamp(pcommon.NewTimestampFromTime(begin.Add(1500 * time.Millisecond)))
	first.Status().SetCode(ptrace.StatusCodeError)
	first.Attributes().PutInt("http.response.status_code", 503)
	for _, name := range []string{"exception", "retry"} {
		event := first.Events().AppendEmpty()
		event.SetName(name)
		event.SetTimestamp(pcommon.NewTimestampFromTime(begin.Add(time.Second)))
	}
	first.Events().At(0).Attributes().PutStr("error.type", "timeout")
	second := traces.ResourceSpans().At(0).ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	second.SetTraceID(pcommon.TraceID{15: 0x0a})
	second.SetSpanID(pcommon.SpanID{7: 0x0c})
	second.SetStartTimestamp(pcommon.NewTimestampFromTime(begin))
	lines, err := encodeSpans(traces)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Timestamp":"2026-01-02T03:04:05.000000006Z","Trace":"0000000000000000000000000000000a","Span":"000000000000000b",` +
		`"Parent":"000000000000000c","Name":"GET <b> & c\nd","Kind":"server","Seconds":1.5,"Error":true,"Resource":{"service.name":"api"},` +
		`"Attributes":{"http.response.status_code":503},"Events":[` +
		`{"Timestamp":"2026-01-02T03:04:06.000000006Z","Name":"exception","Attributes":{"error.type":"timeout"}},` +
		`{"Timestamp":"2026-01-02T03:04:06.000000006Z","Name":"retry"}]}
{"Timestamp":"2026-01-02T03:04:05.000000006Z","Trace":"0000000000000000000000000000000a","Span":"000000000000000c",` +
		`"Name":"","Kind":"internal","Seconds":0,"Resource":{"service.name":"api"},"Attributes":{}}
`
	if string(lines) != want {
		t.Errorf("they became\n%s", lines)
	}
}

func TestKindsOfSpans(t *testing.T) {
	for of, want := range map[ptrace.SpanKind]string{
		ptrace.SpanKindServer: "server", ptrace.SpanKindClient: "client", ptrace.SpanKindInternal: "internal",
		ptrace.SpanKindProducer: "producer", ptrace.SpanKindConsumer: "consumer", ptrace.SpanKindUnspecified: "internal", 4711: "internal",
	} {
		if got := kind(of); got != want {
			t.Errorf("%v is %s, want %s", of, got, want)
		}
	}
}

// What a sender may write and JSON has nothing for.
func TestOddSpansAreStored(t *testing.T) {
	traces, span := oneSpan()
	span.SetStartTimestamp(2e9)
	span.SetEndTimestamp(1e9)
	span.SetName("\xff")
	span.Attributes().PutDouble("slipway.ratio", math.NaN())
	list := span.Attributes().PutEmptySlice("slipway.ratios")
	list.AppendEmpty().SetDouble(math.Inf(1))
	list.AppendEmpty().SetEmptyMap().PutDouble("x", math.Inf(-1))
	lines, err := encodeSpans(traces)
	if err != nil {
		t.Fatal(err)
	}
	var got spanLine
	if err := json.Unmarshal(lines, &got); err != nil {
		t.Fatal(err)
	}
	const want = `"Seconds":0,"Resource":{},"Attributes":{"slipway.ratio":"NaN","slipway.ratios":["+Inf",{"x":"-Inf"}]}`
	if !strings.Contains(string(lines), want) || got.Name != "\uFFFD" || got.Kind != "internal" {
		t.Errorf("it became %s", lines)
	}
}

// Spans are kept, counted and printed as records are.
func TestSpansAreAClass(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	w := newWatched(t, dir)
	w.store.class = "traces"
	traces, span := oneSpan()
	span.SetName("GET")
	if err := w.ConsumeTraces(t.Context(), traces); err == nil {
		t.Fatal("a batch is written to a directory that is not there")
	}
	if err := w.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.ConsumeTraces(t.Context(), traces); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.ConsumeTraces(t.Context(), ptrace.NewTraces()); err != nil {
		t.Fatal(err)
	}
	lines, err := encodeSpans(traces)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.counts(); got["slipway_archive_failed_writes "] != 1 || got["slipway_archive_written "] != 2*int64(len(lines)) {
		t.Errorf("counted is %v", got)
	}
	if err := w.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := NewCommand()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"traces", "--directory", dir})
	if err := cmd.Execute(); err != nil || out.String() != string(lines)+string(lines) {
		t.Errorf("printed is %s, %v", out.String(), err)
	}
}

// A sender may fill a class's share of the disk many times between two sweeps.
func TestAFloodOfSpansStaysWithinItsShare(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	w := newWatched(t, dir)
	if err := w.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	name := make([]byte, 400<<10)
	for range 30 {
		for i := range name {
			name[i] = byte(' ' + random.IntN(95))
		}
		traces, span := oneSpan()
		span.SetName(string(name))
		// One that is refused is not sent again.
		if err := w.ConsumeTraces(t.Context(), traces); err != nil && !errors.Is(err, errBehind) {
			t.Fatal(err)
		}
	}
	// The next sweep by the clock is in an hour.
	var sum int64
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		sum = 0
		names, err := w.store.names()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
				sum += info.Size()
			}
		}
		if sum <= w.store.total {
			break
		}
	}
	if sum > w.store.total {
		t.Errorf("there are %d bytes, and %d are the share", sum, w.store.total)
	}
	if err := w.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Where nothing sweeps, a sender is refused at twice the share, and taken again
// behind the next sweep. Logs are not refused: they would be read again at once.
func TestSpansWaitForASweep(t *testing.T) {
	w := newWatched(t, t.TempDir())
	if err := w.store.open(); err != nil {
		t.Fatal(err)
	}
	traces, span := oneSpan()
	span.SetName(strings.Repeat("x", 400<<10))
	taken := 0
	for ; taken < 100; taken++ {
		if err := w.ConsumeTraces(t.Context(), traces); err != nil {
			if !errors.Is(err, errBehind) {
				t.Fatal(err)
			}
			break
		}
	}
	// Two fit into a segment of 1 MiB, and the share is 2 MiB.
	if taken != 7 || w.counts()["slipway_archive_failed_writes "] != 1 {
		t.Errorf("%d batches were taken, counted is %v", taken, w.counts())
	}
	if err := w.ConsumeLogs(t.Context(), batch()); err != nil {
		t.Error(err)
	}
	swept(t, w.store)
	if err := w.ConsumeTraces(t.Context(), traces); err != nil || w.store.unswept > 1<<20 {
		t.Errorf("after a sweep: %v, %d bytes are unswept", err, w.store.unswept)
	}
	if err := w.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Two exporters of a class would write over each other.
func TestAClassHasOneExporter(t *testing.T) {
	set := exporter.Settings{ID: component.NewID(component.MustNewType("archive")), TelemetrySettings: component.TelemetrySettings{
		Logger: zap.NewNop(), MeterProvider: noop.NewMeterProvider(),
	}}
	factory := NewFactory()
	configure := func(dir, class string) *Config {
		config, _ := factory.CreateDefaultConfig().(*Config)
		config.Directory, config.Class, config.Retention = dir, class, 24*time.Hour
		return config
	}
	dir := t.TempDir()
	logs, err := factory.CreateLogs(t.Context(), set, configure(dir, "access"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir, class string
		taken      bool
	}{
		{dir, "access", true}, {dir + "/.", "access", true}, {dir, "traces", false}, {filepath.Join(dir, "other"), "access", false},
	} {
		traces, err := factory.CreateTraces(t.Context(), set, configure(c.dir, c.class))
		if (err != nil) != c.taken {
			t.Errorf("%s in %s: %v", c.class, c.dir, err)
		}
		if err == nil {
			defer func() { _ = traces.Shutdown(context.Background()) }()
		}
	}
	// A configuration that is read again has the classes of the one before.
	if err := logs.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := factory.CreateTraces(t.Context(), set, configure(dir, "access"))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatOfASpanIsSearched(t *testing.T) {
	const frame = `{"Timestamp":"2026-01-02T03:04:05Z","Trace":"0af7651916cd43dd8448eb211c80319c","Span":"b7ad6b7169203331",` +
		`"Parent":"00f067aa0ba902b7","Name":NAME,"Kind":"server","Seconds":47110815,"Error":true,"Resource":{"k8s.pod.name":"api-17"},` +
		`"Attributes":ATTRIBUTES,"Events":[{"Timestamp":"2026-01-02T03:04:06Z","Name":"retry"},EVENT]}`
	const event = `{"Timestamp":"2026-01-02T03:04:06Z","Name":"exception","Attributes":{"error.type":"timeout"}}`
	for _, c := range []struct {
		subject, name, attributes, event string
		want                             bool
	}{
		{"api-17", `"GET"`, `{"http.route":"/v1"}`, event, false},
		{"server", `"GET"`, `{}`, event, false},
		{"Timestamp", `"GET"`, `{}`, event, false},
		{"Attributes", `""`, `{}`, event, false},
		{"47110815", `"GET"`, `{}`, event, false},
		{"b7ad6b7169203331", `"GET"`, `{}`, event, false},
		{"api-17", `"for api-17"`, `{}`, event, true},
		{"api-17", `"for api-170"`, `{}`, event, false},
		{"api-17", `""`, `{"slipway.job":["of API-17"]}`, event, true},
		{"47110815", `""`, `{"slipway.customer":47110815}`, event, true},
		{"api-17", `""`, `{"slipway.api-17":true}`, event, true},
		{"api-17", `""`, `{}`, `{"Name":"sent to api-17"}`, true},
		{"api-17", `""`, `{}`, `{"Name":"sent","Attributes":{"slipway.to":"%61pi-17"}}`, true},
		{"0af7651916cd43dd8448eb211c80319c", `"GET"`, `{}`, event, true},
		{"00f067aa0ba902b7", `"GET"`, `{}`, event, true},
		{"0af7651916cd43dd", `"GET"`, `{}`, event, false},
		{"api-17", `"x"`, `{}`, `"no event, of api-17"`, true},
	} {
		line := strings.NewReplacer("NAME", c.name, "ATTRIBUTES", c.attributes, "EVENT", c.event).Replace(frame)
		if got := subject(t, c.subject).InRecord([]byte(line)); got != c.want {
			t.Errorf("%s in %s: %v", c.subject, line, got)
		}
	}
}

// Spans go through an erasure as they are written, those without any attribute
// included.
func TestEraseTakesTheSubjectsSpans(t *testing.T) {
	s, at, _ := made(t, t.TempDir())
	s.class, s.segment = "traces", 1<<20
	var kept strings.Builder
	for _, name := range []string{"GET", "user-17", "for user-170", "of%20user-17", ""} {
		for _, in := range []string{"name", "attribute", "event"} {
			traces, span := oneSpan()
			traces.ResourceSpans().At(0).Resource().Attributes().PutStr("k8s.pod.name", "user-17")
			switch in {
			case "name":
				span.SetName(name)
			case "attribute":
				span.Attributes().PutStr("slipway.job", name)
			case "event":
				span.Events().AppendEmpty().Attributes().PutStr("slipway.job", name)
			}
			line, err := encodeSpans(traces)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.write(line); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "user-17") {
				kept.Write(line)
			}
		}
		at.at = at.at.Add(time.Hour)
		swept(t, s)
	}
	if got := erased(t, s.dir, true); got["traces"] != (Count{Found: 6}) {
		t.Errorf("the search found %v", got)
	}
	if got := erased(t, s.dir, false); got["traces"] != (Count{Found: 6, Erased: 6}) {
		t.Errorf("it erased %v", got)
	}
	if got := content(t, s); got != kept.String() {
		t.Errorf("there is\n%s", got)
	}
}
