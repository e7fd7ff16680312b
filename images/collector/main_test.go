package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/slipway/images/collector/archive"
)

// patience ends a hang with a message; nothing is measured by it.
const patience = 30 * time.Second

// configuration is that of a collector which takes traces.
const configuration = `
receivers:
  otlp:
    protocols:
      http:
        endpoint: ENDPOINT
        max_request_body_size: 65536
        read_timeout: 10s
        compression_algorithms: ["", gzip]
processors:
  privacy: {profile: PROFILE}
exporters:
  archive/traces: {directory: DIRECTORY, class: traces, retention: 24h}
service:
  telemetry: {level: warn, metrics: METRICS}
  pipelines:
    traces: {receivers: [otlp], processors: [privacy], exporters: [archive/traces]}
`

// marks are what is personal in batch, by what it is.
var marks = map[string]string{
	"client.address": "203.0.113.77", "user_agent.original": "markAgent", "url.query": "markQuery", "url.path": "markPath",
	"url.full": "markFull", "http.request.header.cookie": "markCookie", "baggage": "markBaggage", "a name": "markKey", "enduser.id": "markUser",
	"a method": "MARKMETHOD", "a scheme": "markScheme", "exception.message": "marked.person@example.org", "exception.stacktrace": "markTrace",
	"an event's name": "marked.event@example.org", "a span's name": "markName", "process.owner": "markOwner", "host.name": "markHost",
}

const batch = `{"resourceSpans":[{"resource":{"attributes":[
  {"key":"service.name","value":{"stringValue":"traefik"}},{"key":"k8s.pod.name","value":{"stringValue":"traefik-abcde"}},
  {"key":"process.owner","value":{"stringValue":"markOwner"}},{"key":"host.name","value":{"stringValue":"markHost"}}]},
 "scopeSpans":[{"scope":{"name":"github.com/traefik/traefik","attributes":[{"key":"by","value":{"stringValue":"markUser"}}]},"spans":[
  {"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","parentSpanId":"00f067aa0ba902b7","traceState":"vendor=markBaggage",
   "name":"GET /markName/4711","kind":2,"startTimeUnixNano":"1767323045000000006","endTimeUnixNano":"1767323045250000006",
   "attributes":[
    {"key":"entry_point","value":{"stringValue":"websecure"}},{"key":"http.request.method","value":{"stringValue":"GET"}},
    {"key":"http.response.status_code","value":{"intValue":"503"}},{"key":"url.scheme","value":{"stringValue":"https"}},
    {"key":"client.address","value":{"stringValue":"203.0.113.77"}},{"key":"user_agent.original","value":{"stringValue":"markAgent/1.0"}},
    {"key":"url.query","value":{"stringValue":"q=markQuery"}},{"key":"url.path","value":{"stringValue":"/users/markPath"}},
    {"key":"url.full","value":{"stringValue":"https://api.example.org/markFull"}},
    {"key":"http.request.header.cookie","value":{"arrayValue":{"values":[{"stringValue":"session=markCookie"}]}}},
    {"key":"baggage","value":{"kvlistValue":{"values":[{"key":"user","value":{"stringValue":"markBaggage"}}]}}},
    {"key":"baggage.markKey","value":{"boolValue":true}},{"key":"enduser.id","value":{"stringValue":"markUser"}}],
   "events":[{"timeUnixNano":"1767323045000000007","name":"exception","attributes":[
     {"key":"exception.message","value":{"stringValue":"no account of marked.person@example.org"}},
     {"key":"exception.stacktrace","value":{"stringValue":"at markTrace"}}]},
    {"timeUnixNano":"1767323045000000008","name":"sent to marked.event@example.org"}],
   "links":[{"traceId":"0af7651916cd43dd8448eb211c80319d","spanId":"b7ad6b7169203332","attributes":[{"key":"of","value":{"stringValue":"markUser"}}]}],
   "status":{"code":2,"message":"no account of marked.person@example.org"}},
  {"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203333","name":"MARKMETHOD","kind":2,"attributes":[
    {"key":"http.request.method","value":{"stringValue":"MARKMETHOD"}},{"key":"url.scheme","value":{"stringValue":"markScheme"}}]}]}]}]}`

// collector is one that runs.
type collector struct {
	t         *testing.T
	endpoint  string
	metrics   string
	directory string
	stop      context.CancelFunc
	ended     chan error
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// started is a collector that listens.
func started(t *testing.T, profile string) *collector {
	t.Helper()
	c := &collector{t: t, endpoint: free(t), metrics: free(t), directory: filepath.Join(t.TempDir(), "archive"), ended: make(chan error, 1)}
	running, stop := context.WithCancel(t.Context())
	c.stop = stop
	command := newCommand()
	command.SetArgs([]string{"--config", written(t, strings.NewReplacer(
		"ENDPOINT", c.endpoint, "METRICS", c.metrics, "PROFILE", profile, "DIRECTORY", c.directory).Replace(configuration))})
	go func() { c.ended <- command.ExecuteContext(running) }()
	until := time.Now().Add(patience)
	for {
		connection, err := net.Dial("tcp", c.endpoint)
		if err == nil {
			_ = connection.Close()
			return c
		}
		select {
		case err := <-c.ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(until) {
			t.Fatal(err)
		}
	}
}

// written is a file with a configuration.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// post sends a body, and returns the status of the answer.
func (c *collector) post(path, body, encoding string) int {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "http://"+c.endpoint+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Baggage", "user=markBaggage")
	if encoding != "" {
		request.Header.Set("Content-Encoding", encoding)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func (c *collector) end() {
	c.t.Helper()
	c.stop()
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Fatal(err)
		}
	case <-time.After(patience):
		c.t.Fatal("it does not end")
	}
}

// stored is everything in the archive's directory, decompressed.
func (c *collector) stored() []byte {
	c.t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(c.directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var from io.Reader = bytes.NewReader(content)
		if strings.HasSuffix(path, ".gz") {
			if from, err = gzip.NewReader(from); err != nil {
				return err
			}
		}
		fmt.Fprintln(&all, filepath.Base(path))
		_, err = io.Copy(&all, from)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return all.Bytes()
}

// collected is what a collector stores of the batch.
func collected(t *testing.T, profile string) *collector {
	t.Helper()
	c := started(t, profile)
	if status := c.post("/v1/traces", batch, ""); status != http.StatusOK {
		t.Fatalf("it answered %d", status)
	}
	c.end()
	return c
}

func TestNothingPersonalOfTracesIsStored(t *testing.T) {
	c := collected(t, "standard")
	stored := c.stored()
	for kind, mark := range marks {
		if bytes.Contains(stored, []byte(mark)) {
			t.Errorf("%s is stored in %s", kind, stored)
		}
	}
	const want = `{"Timestamp":"2026-01-02T03:04:05.000000006Z","Trace":"0af7651916cd43dd8448eb211c80319c","Span":"b7ad6b7169203331",` +
		`"Parent":"00f067aa0ba902b7","Name":"GET [path]","Kind":"server","Seconds":0.25,"Error":true,` +
		`"Resource":{"k8s.pod.name":"traefik-abcde","service.name":"traefik"},` +
		`"Attributes":{"entry_point":"websecure","http.request.method":"GET","http.response.status_code":503,"url.scheme":"https"},` +
		`"Events":[{"Timestamp":"2026-01-02T03:04:05.000000007Z","Name":"exception"},` +
		`{"Timestamp":"2026-01-02T03:04:05.000000008Z","Name":"sent to [email]"}]}
{"Timestamp":"1970-01-01T00:00:00Z","Trace":"0af7651916cd43dd8448eb211c80319c","Span":"b7ad6b7169203333","Name":"HTTP","Kind":"server",` +
		`"Seconds":0,"Resource":{"k8s.pod.name":"traefik-abcde","service.name":"traefik"},` +
		`"Attributes":{"http.request.method":"_OTHER","url.scheme":"_OTHER"}}
`
	var printed bytes.Buffer
	if err := archive.Print(&printed, c.directory, []string{"traces"}); err != nil || printed.String() != want {
		t.Errorf("%v, printed is\n%s", err, printed.String())
	}
}

// The control: the same batch, the same search, nothing removed.
func TestWithoutTheProfileAllOfTracesIsFound(t *testing.T) {
	stored := collected(t, "off").stored()
	for kind, mark := range marks {
		if !bytes.Contains(stored, []byte(mark)) {
			t.Errorf("%s is not found where it was stored as sent: the search cannot find it", kind)
		}
	}
}

// What is too large, no batch, or for another pipeline is refused, and the next
// batch is taken.
func TestOnlyTracesOfABoundedSizeAreTaken(t *testing.T) {
	c := started(t, "standard")
	large := strings.Replace(batch, "websecure", strings.Repeat("x", 1<<17), 1)
	var packed bytes.Buffer
	to := gzip.NewWriter(&packed)
	_, _ = io.WriteString(to, large)
	_ = to.Close()
	for _, request := range []struct {
		kind, path, body, encoding string
		want                       int
	}{
		{"a large batch", "/v1/traces", large, "", http.StatusBadRequest},
		{"one that is large when decompressed", "/v1/traces", packed.String(), "gzip", http.StatusBadRequest},
		{"one that is compressed in another way", "/v1/traces", batch, "zstd", http.StatusBadRequest},
		{"no batch", "/v1/traces", `{"resourceSpans":`, "", http.StatusBadRequest},
		{"logs", "/v1/logs", `{}`, "", http.StatusNotFound},
		{"metrics", "/v1/metrics", `{}`, "", http.StatusNotFound},
		{"a batch", "/v1/traces", batch, "", http.StatusOK},
	} {
		if got := c.post(request.path, request.body, request.encoding); got != request.want {
			t.Errorf("%s is answered with %d", request.kind, got)
		}
	}
	answer, err := http.Get("http://" + c.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(metrics, []byte(`slipway_archive_written_bytes_total{class="traces"}`)) {
		t.Errorf("what is written is not counted:\n%s", metrics)
	}
	if bytes.Contains(metrics, []byte("http_server")) {
		t.Errorf("there are metrics by what a request's Host header says:\n%s", metrics)
	}
	c.end()
	if lines := bytes.Count(c.stored(), []byte(`"Kind":"server"`)); lines != 2 {
		t.Errorf("%d spans are stored", lines)
	}
}

// A class is for logs or for traces, which is said before anything runs.
func TestAClassIsForLogsOrTraces(t *testing.T) {
	const logs = "    logs: {receivers: [otlp], processors: [privacy], exporters: [archive/traces]}\n"
	for more, want := range map[string]string{"": "", logs: "this one is for both logs and traces"} {
		// Each has its own directory: what is only validated keeps its classes.
		text := strings.NewReplacer("ENDPOINT", "127.0.0.1:4318", "METRICS", "127.0.0.1:8888", "PROFILE", "standard",
			"DIRECTORY", t.TempDir()).Replace(configuration) + more
		command := newCommand()
		command.SilenceErrors, command.SilenceUsage = true, true
		command.SetArgs([]string{"validate", "--config", written(t, text)})
		switch err := command.Execute(); {
		case want == "" && err != nil:
			t.Error(err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}
