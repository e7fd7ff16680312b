package privacy

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// parts are what attributes and texts of a batch with one span hang on.
type parts struct {
	traces   ptrace.Traces
	resource ptrace.ResourceSpans
	scope    ptrace.ScopeSpans
	span     ptrace.Span
	event    ptrace.SpanEvent
	link     ptrace.SpanLink
}

func newParts() parts {
	p := parts{traces: ptrace.NewTraces()}
	p.resource = p.traces.ResourceSpans().AppendEmpty()
	p.scope = p.resource.ScopeSpans().AppendEmpty()
	p.span = p.scope.Spans().AppendEmpty()
	p.event, p.link = p.span.Events().AppendEmpty(), p.span.Links().AppendEmpty()
	return p
}

// attributes are all that there are, by what they hang on.
func (p parts) attributes() map[string]pcommon.Map {
	return map[string]pcommon.Map{
		"resource": p.resource.Resource().Attributes(), "scope": p.scope.Scope().Attributes(), "span": p.span.Attributes(),
		"event": p.event.Attributes(), "link": p.link.Attributes(),
	}
}

// holds tells whether any byte of a batch is of text.
func (p parts) holds(t testing.TB, text string) bool {
	t.Helper()
	written, err := (&ptrace.JSONMarshaler{}).MarshalTraces(p.traces)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(written, []byte(text))
}

func redacted(p parts, profile string) parts {
	(&Config{Profile: profile, MaxBytes: 2048}).redactTraces(p.traces)
	return p
}

// Each is removed, and only because the profile says so.
func TestSpansAreRedacted(t *testing.T) {
	const mark = "mark"
	for kind, put := range map[string]func(parts){
		"an attribute":             func(p parts) { p.span.Attributes().PutStr("client.address", mark) },
		"an older name of one":     func(p parts) { p.span.Attributes().PutStr("http.user_agent", mark) },
		"another case of a listed": func(p parts) { p.span.Attributes().PutStr("HTTP.Route", mark) },
		"more than a listed":       func(p parts) { p.span.Attributes().PutStr("http.route.raw", mark) },
		"a header": func(p parts) {
			p.span.Attributes().PutEmptySlice("http.request.header.cookie").AppendEmpty().SetStr(mark)
		},
		"a name":                      func(p parts) { p.span.Attributes().PutBool("user."+mark, true) },
		"a number's name":             func(p parts) { p.span.Attributes().PutInt(mark, 4711) },
		"our name with an address":    func(p parts) { p.span.Attributes().PutStr("slipway."+mark+"@example.org", "x") },
		"our name that is a secret's": func(p parts) { p.span.Attributes().PutStr("slipway.session_id", mark) },
		"fields in a listed":          func(p parts) { p.span.Attributes().PutEmptyMap("slipway.job").PutStr("user", mark) },
		"fields in a list": func(p parts) {
			p.span.Attributes().PutEmptySlice("slipway.jobs").AppendEmpty().SetEmptyMap().PutStr("user", mark)
		},
		"bytes in a listed": func(p parts) { p.span.Attributes().PutEmptyBytes("slipway.raw").FromRaw([]byte(mark + "@example.org")) },
		"mail in a listed":  func(p parts) { p.span.Attributes().PutStr("slipway.job", "of "+mark+"@example.org") },
		"mail in a list": func(p parts) {
			p.span.Attributes().PutEmptySlice("slipway.jobs").AppendEmpty().SetStr(mark + "@example.org")
		},
		"a query in a route":         func(p parts) { p.span.Attributes().PutStr("http.route", "/v1/items?"+mark) },
		"a method that nobody knows": func(p parts) { p.span.Attributes().PutStr("http.request.method", mark) },
		"a scheme that nobody knows": func(p parts) { p.span.Attributes().PutStr("url.scheme", mark) },
		"of a resource": func(p parts) {
			p.resource.Resource().Attributes().PutStr("process.owner", mark)
		},
		"of a resource, a span's":     func(p parts) { p.resource.Resource().Attributes().PutStr("slipway.job", mark) },
		"of a resource, mail":         func(p parts) { p.resource.Resource().Attributes().PutStr("service.name", mark+"@example.org") },
		"of a resource, its schema":   func(p parts) { p.resource.SetSchemaUrl("https://" + mark + "@example.org/") },
		"of a scope":                  func(p parts) { p.scope.Scope().Attributes().PutStr("slipway.job", mark) },
		"of a scope, its name":        func(p parts) { p.scope.Scope().SetName(mark + "@example.org") },
		"of a scope, its version":     func(p parts) { p.scope.Scope().SetVersion("token=" + mark) },
		"of a scope, its schema":      func(p parts) { p.scope.SetSchemaUrl("https://example.org/?" + mark) },
		"of an event":                 func(p parts) { p.event.Attributes().PutStr("exception.message", mark) },
		"of an event, a listed":       func(p parts) { p.event.Attributes().PutStr("error.type", mark+"@example.org") },
		"of an event, its name":       func(p parts) { p.event.SetName("sent to " + mark + "@example.org") },
		"of a link":                   func(p parts) { p.link.Attributes().PutStr("slipway.job", mark) },
		"of a link, its state":        func(p parts) { p.link.TraceState().FromRaw("vendor=" + mark) },
		"the trace's state":           func(p parts) { p.span.TraceState().FromRaw("vendor=" + mark) },
		"the message of a failure":    func(p parts) { p.span.Status().SetMessage("no " + mark) },
		"mail in the name":            func(p parts) { p.span.SetName("mail to " + mark + "@example.org") },
		"a path in the name":          func(p parts) { p.span.SetName("GET /users/" + mark) },
		"an address in the name":      func(p parts) { p.span.SetName("https://api.example.org/" + mark) },
		"an encoded path in the name": func(p parts) { p.span.SetName("users%2F" + mark) },
		"behind a path in the name":   func(p parts) { p.span.SetName("GET /users/a " + mark) },
		"a method in the name": func(p parts) {
			p.span.SetName(mark)
			p.span.Attributes().PutStr("http.request.method", mark)
		},
	} {
		for profile, want := range map[string]bool{Standard: false, Off: true} {
			p := newParts()
			put(p)
			// JSON has bytes in base64.
			found := redacted(p, profile).holds(t, mark) || kind == "bytes in a listed" && profile == Off
			if found != want {
				t.Errorf("%s: with profile %s it is found: %v", kind, profile, found)
			}
		}
	}
}

func TestWhatOfASpanIsKept(t *testing.T) {
	put := map[string]map[string]any{
		"span": {
			"http.request.method": "GET", "http.route": "/v1/items/{id}", "http.response.status_code": int64(503), "error.type": "timeout",
			"db.system.name": "postgresql", "db.operation.name": "SELECT", "entry_point": "websecure",
			"traefik.service.name": "slipway-api-api-8000@kubernetescrd", "traefik.router.name": "slipway-api-api-0123456789abcdef@kubernetescrd",
			"network.protocol.version": "HTTP/2.0", "url.scheme": "https", "server.port": int64(8000),
			"slipway.job": "import", "slipway.jobs": []any{"a", int64(1), true, 1.5},
		},
		"resource": {
			"service.name": "api", "service.version": "1.2.3", "k8s.pod.name": "api-0", "k8s.namespace.name": "slipway-api", "k8s.node.name": "node-1",
		},
		"event": {"error.type": "timeout"}, "scope": {}, "link": {},
	}
	p := newParts()
	for of, attributes := range p.attributes() {
		if err := attributes.FromRaw(put[of]); err != nil {
			t.Fatal(err)
		}
	}
	p.span.SetName("GET /v1/items/{id}")
	p.span.SetTraceID(pcommon.TraceID{1})
	p.span.SetSpanID(pcommon.SpanID{2})
	p.span.SetParentSpanID(pcommon.SpanID{3})
	p.span.SetKind(ptrace.SpanKindServer)
	p.span.SetStartTimestamp(4)
	p.span.SetEndTimestamp(5)
	p.span.Status().SetCode(ptrace.StatusCodeError)
	p.scope.Scope().SetName("github.com/traefik/traefik")
	p.event.SetName("exception")
	p.link.SetTraceID(pcommon.TraceID{6})
	before := ptrace.NewTraces()
	p.traces.CopyTo(before)
	redacted(p, Standard)
	for of, attributes := range p.attributes() {
		if got := attributes.AsRaw(); !reflect.DeepEqual(got, put[of]) {
			t.Errorf("of %s there is %v", of, got)
		}
	}
	// And nothing else of it is another.
	if !reflect.DeepEqual(before, p.traces) {
		t.Error("it was changed elsewhere")
	}
}

func TestNamesOfSpans(t *testing.T) {
	for _, c := range []struct{ name, method, route, want string }{
		{"GET", "GET", "", "GET"},
		{"ReverseProxy", "", "", "ReverseProxy"},
		{"", "", "", ""},
		{"GET /v1/items/{id}", "GET", "/v1/items/{id}", "GET /v1/items/{id}"},
		{"/v1/items/{id}", "GET", "/v1/items/{id}", "/v1/items/{id}"},
		{"GET /v1/items/4711", "GET", "/v1/items/{id}", "GET [path]"},
		{"GET /v1/items/{id}/4711", "GET", "/v1/items/{id}", "GET [path]"},
		{"GET /v1/items http send", "GET", "", "GET [path]"},
		{`open C:\Users\alice`, "", "", "open [path]"},
		{"SELECT orders", "", "", "SELECT orders"},
		{"ALICE", "ALICE", "", "HTTP"},
		{"ALICE /v1/items", "ALICE", "/v1/items", "HTTP /v1/items"},
		{"GETTING", "GET", "", "GETTING"},
		{"ALICES", "ALICE", "", "ALICES"},
		{"to 203.0.113.77", "", "", "to 203.0.113.0"},
		{"what?alice", "", "", "what?[query]"},
	} {
		p := newParts()
		p.span.SetName(c.name)
		p.span.Attributes().PutStr("http.request.method", c.method)
		p.span.Attributes().PutStr("http.route", c.route)
		if got := redacted(p, Standard).span.Name(); got != c.want {
			t.Errorf("%q became %q, want %q", c.name, got, c.want)
		}
	}
}

// A sender may write what a map cannot hold.
func TestARepeatedNameIsRedactedEachTime(t *testing.T) {
	const batch = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[
		{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"http.request.method","value":{"stringValue":"mark"}},
		{"key":"slipway.job","value":{"stringValue":"a"}},{"key":"slipway.job","value":{"stringValue":"mark@example.org"}},
		{"key":"user","value":{"stringValue":"mark"}},{"key":"user","value":{"stringValue":"mark"}}]}]}]}]}`
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(batch))
	if err != nil {
		t.Fatal(err)
	}
	if p := redacted(parts{traces: traces}, Standard); p.holds(t, "mark") || !p.holds(t, "_OTHER") {
		t.Error("the second was not redacted")
	}
}

func TestTextsOfSpansAreCut(t *testing.T) {
	for _, profile := range []string{Standard, Off} {
		p := newParts()
		long := strings.Repeat("long ", 1000)
		p.span.SetName(long)
		p.span.Attributes().PutStr("slipway.job", long)
		p.event.SetName(long)
		redacted(p, profile)
		job, _ := p.span.Attributes().Get("slipway.job")
		for _, text := range []string{p.span.Name(), job.Str(), p.event.Name()} {
			if len(text) > 2048 || !strings.HasSuffix(text, cut) {
				t.Errorf("with profile %s a text has %d bytes", profile, len(text))
			}
		}
	}
}

// unlisted are the names that nothing lists, by what they hang on.
func (p parts) unlisted() []string {
	var found []string
	for of, attributes := range p.attributes() {
		for name, value := range attributes.All() {
			listed := of == "resource" && slices.Contains(resourceKeys, name) ||
				(of == "span" || of == "event") && (slices.Contains(spanKeys, name) || strings.HasPrefix(name, "slipway."))
			if !listed || named(value.AsRaw()) {
				found = append(found, of+" "+name)
			}
		}
	}
	return found
}

// named tells whether a value has names in it.
func named(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return true
	case []any:
		return slices.ContainsFunc(value, named)
	}
	return false
}

// filled has a name everywhere, with values of each type.
func filled(names ...string) parts {
	p := newParts()
	for _, attributes := range p.attributes() {
		for i, name := range names {
			switch value := attributes.PutEmpty(name); i % 5 {
			case 0:
				value.SetStr(name)
			case 1:
				value.SetEmptyMap().PutStr(name, name)
			case 2:
				value.SetEmptySlice().AppendEmpty().SetEmptyMap().PutEmpty(name)
			case 3:
				value.SetInt(int64(i))
			}
		}
	}
	return p
}

// Names that are close to those that are listed, or to our own, are not listed.
func TestNoNameOutsideTheListSurvives(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := slices.Concat(spanKeys, resourceKeys, []string{"slipway.job", "slipway", "client.address", "user_agent.original", "url.full", ""})
	spoiled := func() string {
		name := all[random.IntN(len(all))]
		for range random.IntN(3) {
			at := random.IntN(len(name) + 1)
			switch random.IntN(5) {
			case 0:
				name = name[:at]
			case 1:
				name = name[at:]
			case 2:
				name = strings.ToUpper(name[:at]) + name[at:]
			case 3:
				name = name[:at] + string(rune(random.IntN(0x250))) + name[at:]
			case 4:
				name += "." + all[random.IntN(len(all))]
			}
		}
		return name
	}
	for range 5000 {
		names := map[string]bool{}
		for range random.IntN(12) {
			names[spoiled()] = true
		}
		p := redacted(filled(slices.Sorted(maps.Keys(names))...), Standard)
		if found := p.unlisted(); len(found) > 0 {
			t.Fatalf("of %q there is still %q", slices.Sorted(maps.Keys(names)), found)
		}
	}
}

// FuzzSpanNames looks for names of attributes that get through.
func FuzzSpanNames(f *testing.F) {
	f.Add("client.address", "http.route", "slipway.")
	f.Add("slipway.alice@example.org", "http.route\x00", "slipway\xff")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if found := redacted(filled(a, b, c), Standard).unlisted(); len(found) > 0 {
			t.Errorf("there is still %q", found)
		}
	})
}
