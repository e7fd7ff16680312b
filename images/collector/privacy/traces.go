package privacy

import (
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Attributes that are kept. What is here is about a service; what is about its
// clients is not.
var (
	spanKeys = []string{
		methodKey, routeKey, "http.response.status_code", "error.type", "db.system.name", "db.operation.name",
		"entry_point", "traefik.service.name", "traefik.router.name", "network.protocol.version", "url.scheme", "server.port",
	}
	resourceKeys = []string{"service.name", "service.version", "k8s.pod.name", "k8s.namespace.name", "k8s.node.name"}
)

const (
	// ownKeys is what the attributes begin with that the platform's programs set.
	ownKeys   = "slipway."
	methodKey = "http.request.method"
	routeKey  = "http.route"
)

// choices are the values of attributes that a client writes into its request, and
// that Traefik passes on as they are. Anything else becomes other.
var choices = map[string][]string{
	methodKey:    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"},
	"url.scheme": {"http", "https", "ws", "wss"},
}

// What OpenTelemetry's conventions have for a method that nobody knows, as an
// attribute and in a span's name.
const (
	other       = "_OTHER"
	otherMethod = "HTTP"
)

// redactTraces goes through every span.
func (c *Config) redactTraces(traces ptrace.Traces) {
	for _, resource := range traces.ResourceSpans().All() {
		resource.SetSchemaUrl(c.text(resource.SchemaUrl()))
		c.keep(resource.Resource().Attributes(), func(name string) bool { return slices.Contains(resourceKeys, name) })
		for _, scope := range resource.ScopeSpans().All() {
			scope.SetSchemaUrl(c.text(scope.SchemaUrl()))
			scope.Scope().SetName(c.text(scope.Scope().Name()))
			scope.Scope().SetVersion(c.text(scope.Scope().Version()))
			c.keep(scope.Scope().Attributes(), nothing)
			for _, span := range scope.Spans().All() {
				c.span(span)
			}
		}
	}
}

func (c *Config) span(span ptrace.Span) {
	// Its name is read with the attributes that explain it.
	span.SetName(c.name(span))
	c.keep(span.Attributes(), ofSpan)
	c.state(span.TraceState())
	for _, event := range span.Events().All() {
		event.SetName(c.text(event.Name()))
		c.keep(event.Attributes(), ofSpan)
	}
	for _, link := range span.Links().All() {
		c.keep(link.Attributes(), nothing)
		c.state(link.TraceState())
	}
	message := ""
	if c.Profile == Off {
		message = c.text(span.Status().Message())
	}
	span.Status().SetMessage(message)
}

// state is what each program on the way of a request added, its client included.
func (c *Config) state(state pcommon.TraceState) {
	after := ""
	if c.Profile == Off {
		after = c.text(state.AsRaw())
	}
	state.FromRaw(after)
}

func nothing(string) bool { return false }

func ofSpan(name string) bool {
	return slices.Contains(spanKeys, name) || strings.HasPrefix(name, ownKeys)
}

// keep removes the attributes that are not listed, and redacts the others. A name
// that would have to be redacted is not one that somebody chose.
func (c *Config) keep(attributes pcommon.Map, listed func(name string) bool) {
	if c.Profile == Standard {
		attributes.RemoveIf(func(name string, value pcommon.Value) bool {
			return !listed(name) || c.text(name) != name || hasFields(value)
		})
		// One after the other: a sender may repeat a name.
		for name, value := range attributes.All() {
			if known := choices[name]; known != nil && !slices.Contains(known, value.AsString()) {
				value.SetStr(other)
			}
		}
	}
	c.fields(attributes)
}

// hasFields tells whether a value has names in it, at any depth, that nothing lists.
func hasFields(value pcommon.Value) bool {
	switch value.Type() {
	case pcommon.ValueTypeMap:
		return true
	case pcommon.ValueTypeSlice:
		for _, item := range value.Slice().All() {
			if hasFields(item) {
				return true
			}
		}
	}
	return false
}

// pathInName is a path or an address, and what follows: a path may hold spaces.
var pathInName = regexp.MustCompile(`(?is)\S*(?:[/\\]|%2f|%5c).*`)

// name is a span's name, as it may be stored. By convention it holds the method
// and the route of a request; there are programs that have its path there.
func (c *Config) name(span ptrace.Span) string {
	name := span.Name()
	if c.Profile == Standard {
		first, rest, more := strings.Cut(name, " ")
		if method := attribute(span, methodKey); method != "" && first == method && !slices.Contains(choices[methodKey], method) {
			name = otherMethod
			if more {
				name += " " + rest
			}
		}
		if found := pathInName.FindString(name); found != "" && found != attribute(span, routeKey) {
			name = strings.TrimSuffix(name, found) + path
		}
	}
	return c.text(name)
}

func attribute(span ptrace.Span, name string) string {
	value, ok := span.Attributes().Get(name)
	if !ok {
		return ""
	}
	return value.AsString()
}
