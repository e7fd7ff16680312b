// Package traefik is the way into the platform: Traefik as reverse proxy, with
// TLS, redirects, security headers, rate limits, retries, metrics and an access
// log that holds no personal data.
//
// # Who listens where
//
// With HostPorts there is no load balancer in front: every node opens the
// public ports itself, and clients, or a forwarder before them, try another
// node when one does not accept. A host port belongs to a node, so Traefik is a
// DaemonSet, and scaling means adding nodes. Host ports also force the namespace
// to be privileged, since every stricter pod security standard forbids them;
// the pods meet the restricted standard in all else.
//
// Without HostPorts Traefik is a Deployment spread over zones, scaled on CPU,
// with a disruption budget, behind a Service of type LoadBalancer, in a
// namespace that enforces the restricted standard.
//
// With NodePorts the Service opens fixed ports on every node instead of asking
// for a balancer, and a program that makes one itself sends to them. Each node
// says on the health port whether it has a proxy. When its last one is told to
// stop, the node says no from that moment, and goes on sending it the requests
// that still come, until the balancer has looked away; AcceptSeconds has to be
// longer than that takes.
//
// # Nothing dropped
//
// Three things lose requests when a proxy is replaced, and each has its answer.
//
// A proxy that is up has no routes yet. Traefik's own health check does not
// know that. Readiness is therefore asked over a route: an IngressRoute that is
// read from the cluster like any other and leads to the health check. Traefik
// reads all its objects before it applies the first set, so a pod that answers
// there knows every route that existed when it started. Once applied, a route
// stays when the API server is away, so readiness does not hang on it;
// liveness asks the health check directly.
//
// A proxy that is going still gets requests. It accepts them for
// AcceptSeconds more, which a load balancer needs to take it out, and then has
// FinishSeconds to finish what it began; connections are closed by saying so
// (Connection: close, or GOAWAY) rather than by cutting them. Behind a load
// balancer each connection also ends in good order after AcceptSeconds, so
// that clients with a connection to the old proxy have moved before it stops.
// With HostPorts two proxies cannot hold one port, so a surge is impossible:
// nodes are done one after the other, the rest goes on serving, and a new
// connection to the node being done is refused, which a client or forwarder
// answers by trying the next node.
//
// A backend that is going was still picked. Attempts that fail before any byte
// of the request was sent, and only those, go to another backend: that is safe
// for every method, since no backend has seen the request. Once anything was
// sent Traefik does not retry. It closes idle connections to backends after
// BackendIdleSeconds; backends must keep them for longer, or a request would be
// written into a connection that is just being closed.
//
// # Not public
//
// There is no dashboard and no API. Health, readiness and metrics are on an
// internal port that no Service has; only MonitoringNamespace may reach it. TLS
// starts at 1.2, and a handshake for a name that no route and no certificate
// here is for is refused, so that scanners learn nothing. Nothing is sent to
// Traefik's makers. Names and secrets of other namespaces cannot be referred to
// from a route, but Traefik can read every Secret that the API server has:
// certificates may be in any namespace, and access cannot be limited to them.
//
// The access log is JSON with a list of fields that may appear; everything else
// is dropped, with it addresses of clients, headers, and the path, which Traefik
// only knows together with the query. The route's name tells what was asked.
package traefik
