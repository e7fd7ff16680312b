package traefik

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names of entry points.
const (
	web      = "web"
	secure   = "websecure"
	internal = "traefik" // where Traefik expects its own
)

// traceField is the number of a request's trace in the access log.
const traceField = "TraceId"

// Names of middlewares that every request passes, in this order.
const (
	headersName  = "security-headers"
	limitName    = "rate-limit"
	compressName = "compress"
	retryName    = "retry"
)

// middlewares are those in use, outermost first. Retrying comes last, next to
// the backends: a request is counted and answered once, however often it was
// tried.
func (p plan) middlewares() []string {
	names := []string{headersName}
	if p.RateLimit.Average > 0 {
		names = append(names, limitName)
	}
	if p.Compress {
		names = append(names, compressName)
	}
	return append(names, retryName)
}

// flags is Traefik's static configuration. Whatever is not said here is a
// default of Traefik that was looked at and is meant.
func flags(p plan) []string {
	var all []string
	add := func(format string, values ...any) { all = append(all, "--"+fmt.Sprintf(format, values...)) }

	add("global.checknewversion=false")
	add("global.sendanonymoususage=false")
	add("log.level=%s", p.LogLevel)
	add("log.format=json")

	// Plain HTTP exists to be left.
	add("entrypoints.%s.address=:%d", web, webPort)
	add("entrypoints.%s.http.redirections.entrypoint.to=:%d", web, p.HTTPSPort)
	add("entrypoints.%s.http.redirections.entrypoint.scheme=https", web)
	add("entrypoints.%s.http.redirections.entrypoint.permanent=true", web)

	add("entrypoints.%s.address=:%d", secure, SecurePort)
	add("entrypoints.%s.asdefault=true", secure)
	add("entrypoints.%s.http.tls=true", secure)
	var chain []string
	for _, middleware := range p.middlewares() {
		chain = append(chain, fmt.Sprintf("%s-%s@kubernetescrd", p.Namespace, middleware))
	}
	// Set on the entry point, no route can forget them.
	add("entrypoints.%s.http.middlewares=%s", secure, strings.Join(chain, ","))

	t := p.Timings
	for _, entry := range []string{web, secure} {
		add("entrypoints.%s.http.maxheaderbytes=65536", entry)
		add("entrypoints.%s.transport.lifecycle.requestacceptgracetimeout=%ds", entry, t.AcceptSeconds)
		add("entrypoints.%s.transport.lifecycle.gracetimeout=%ds", entry, t.FinishSeconds)
		add("entrypoints.%s.transport.respondingtimeouts.readtimeout=%ds", entry, t.ReadSeconds)
		add("entrypoints.%s.transport.respondingtimeouts.idletimeout=%ds", entry, t.IdleSeconds)
		if !p.HostPorts {
			// See doc.go: clients have moved before the pod stops accepting.
			add("entrypoints.%s.transport.keepalivemaxtime=%ds", entry, t.AcceptSeconds)
		}
		if len(p.TrustedProxies) > 0 {
			add("entrypoints.%s.forwardedheaders.trustedips=%s", entry, strings.Join(p.TrustedProxies, ","))
		}
	}

	add("entrypoints.%s.address=:%d", internal, internalPort)
	add("entrypoints.%s.observability.accesslogs=false", internal)
	add("entrypoints.%s.observability.metrics=false", internal)
	// It answers probes until the very end.
	add("entrypoints.%s.transport.lifecycle.requestacceptgracetimeout=%ds", internal, t.AcceptSeconds)
	add("ping=true")
	add("ping.entrypoint=%s", internal)
	if p.NodePorts != nil {
		// A pod that is told to stop stays ready: its node's health has turned
		// already, and as long as no other pod is there the node sends it what
		// the balancer still lets through.
		add("ping.terminatingstatuscode=200")
	}
	add("metrics.prometheus=true")
	add("metrics.prometheus.entrypoint=%s", internal)
	add("metrics.prometheus.addrouterslabels=true")
	add("metrics.prometheus.buckets=0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10")

	add("serverstransport.forwardingtimeouts.dialtimeout=%ds", t.DialSeconds)
	add("serverstransport.forwardingtimeouts.responseheadertimeout=%ds", t.ResponseSeconds)
	add("serverstransport.forwardingtimeouts.idleconntimeout=%ds", t.BackendIdleSeconds)

	// How long a change of endpoints may be unknown here; pods that go must
	// serve for longer than that.
	add("providers.providersthrottleduration=500ms")
	add("providers.kubernetescrd=true")
	// A route without backends is unavailable (503), not unknown (404).
	add("providers.kubernetescrd.allowemptyservices=true")
	// Nodes report every few seconds, and nothing here depends on them.
	add("providers.kubernetescrd.disableclusterscoperesources=true")
	add("providers.kubernetesingress=true")
	add("providers.kubernetesingress.ingressclass=%s", className)
	add("providers.kubernetesingress.allowemptyservices=true")

	if t := p.Traces; t != nil {
		add("tracing.servicename=%s", product)
		add("tracing.samplerate=%g", t.Ratio())
		add("tracing.otlp.http.endpoint=%s", t.URL())
		add("entrypoints.%s.observability.tracing=false", internal)
	}

	if !p.AccessLog.Off {
		add("accesslog=true")
		add("accesslog.format=json")
		add("accesslog.fields.defaultmode=drop")
		add("accesslog.fields.headers.defaultmode=drop")
		for _, field := range p.AccessLog.Fields {
			add("accesslog.fields.names.%s=keep", field)
		}
		if p.Traces != nil && !slices.Contains(p.AccessLog.Fields, traceField) {
			add("accesslog.fields.names.%s=keep", traceField)
		}
	}
	return all
}

// memoryLimit is what a pod may use. Traefik is told to collect garbage before
// it gets there.
// MiB. memoryRequest is what one is sure to get.
const (
	memoryLimit   = 256
	memoryRequest = 64
)

func gomemlimit() string { return strconv.Itoa(memoryLimit*9/10) + "MiB" }
