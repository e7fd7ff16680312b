package stacks

import (
	"slipway.dev/slipway/components/fastapi"
	"slipway.dev/slipway/components/traefik"
)

// off is how the ingress is told that something is not wanted, where nothing
// said means its default.
const off = -1

// ingress lets requests in. What services behind it listen on is opened to it
// here, and nothing else.
func (b *builder) ingress() (*traefik.Traefik, error) {
	s, way := b.settings.Ingress, b.foundation.Way
	limit := traefik.RateLimit{Average: s.RequestsPerSecond, Burst: s.Burst}
	if s.RequestsPerSecond == 0 {
		limit = traefik.RateLimit{Average: off}
	}
	hsts := s.HSTSSeconds
	if hsts == 0 {
		hsts = off
	}
	var guests traefik.Guests
	if s.Guests != "" {
		guests = traefik.Guests{Labels: map[string]string{hostLabel: b.ctx.Stack()}, Port: fastapi.Port}
	}
	return traefik.New(b.ctx, "ingress", traefik.Args{
		Namespace: b.foundation.Namespaces.Ingress,
		Image:     b.foundation.Proxy + ":" + b.versions.Traefik, CRDFile: b.versions.TraefikCRDs,
		HostPorts: way.HostPorts, NodePorts: way.NodePorts, HTTPPort: s.HTTPPort, HTTPSPort: s.HTTPSPort,
		Replicas: s.Replicas, MaxReplicas: s.MaxReplicas,
		Backends: []traefik.Backend{{Namespace: b.foundation.Namespaces.API, Port: fastapi.Port}},
		Guests:   guests,
		Timings: traefik.Timings{
			AcceptSeconds: way.AcceptSeconds, FinishSeconds: way.FinishSeconds,
			BackendIdleSeconds: b.settings.API.Drain.ProxyIdleSeconds,
		},
		RateLimit:      limit,
		HSTSSeconds:    hsts,
		TrustedProxies: s.TrustedProxies,
		APIServer:      b.foundation.APINetworks,

		MonitoringNamespace: b.settings.scraper(),
		Traces:              b.settings.traces(),
	}, b.foundation.Cluster)
}
