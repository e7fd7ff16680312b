package traefik

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/workload"
)

// Defaults of Args.
const (
	DefaultNamespace          = "slipway-ingress"
	DefaultBackendIdleSeconds = 30
	DefaultHSTSSeconds        = 31536000
	DefaultRate               = 1000
)

// Args describes the proxy.
type Args struct {
	// Namespace is created for Traefik. Default: slipway-ingress. A change
	// replaces everything in it and interrupts traffic.
	Namespace string
	// Image is the Traefik image. Required. It must be the version that CRDFile
	// belongs to. A change rolls the pods.
	Image string
	// CRDFile is the path of Traefik's custom resource definitions: one YAML
	// file, or a directory of them. Required. It is read at once.
	CRDFile string
	// HostPorts opens the ports on every node instead of asking for a load
	// balancer; see doc.go. A change replaces the workload.
	HostPorts bool
	// HTTPPort and HTTPSPort are the ports that clients use. Requests to
	// HTTPPort are redirected to HTTPSPort, so it must be the real one. Default:
	// 8080 and 8443 with HostPorts, otherwise 80 and 443.
	HTTPPort, HTTPSPort int
	// Replicas and MaxReplicas bound the number of pods without HostPorts.
	// Default: 3 and 6. CPUPercent of the requested CPU (100m) is what scaling
	// aims at. Default: 70. MemoryPercent of the requested memory (64Mi) is the
	// other; more connections need more of it. Default: 200, half of what a
	// pod may use.
	Replicas, MaxReplicas, CPUPercent, MemoryPercent int
	// LoadBalancer are annotations for the Service without HostPorts, by which
	// a cloud is told what kind of load balancer to make. Default: none.
	LoadBalancer map[string]string
	// NodePorts, when set, opens these ports on every node for a load balancer
	// that somebody else makes; see doc.go. It excludes HostPorts and
	// LoadBalancer. Default: none. A change moves the ports, and the balancer has
	// to follow.
	NodePorts *NodePorts
	// Backends are the ports of pods that routes may lead to. At least one;
	// Traefik reaches nothing else.
	Backends []Backend
	// Guests are pods that routes may lead to as well, in namespaces that come
	// and go. Default: none.
	Guests Guests
	// Hosts are names, wildcards like "*.example.org" included, for which
	// Traefik holds a certificate of its own, for requests that no route's
	// certificate is for. It lets such a request be answered 404 instead of
	// being refused in the handshake. Default: none. Needs Issuer.
	Hosts []string
	// Issuer signs the certificate for Hosts.
	Issuer Issuer
	// Timings bound how long things may take.
	Timings Timings
	// RateLimit bounds requests per client address and Traefik pod.
	RateLimit RateLimit
	// HSTSSeconds is how long a browser, having seen one answer, refuses to use
	// plain HTTP for that host. Default: a year. -1 sends no such header.
	HSTSSeconds int
	// Compress answers compressed where the client accepts it. It costs CPU here
	// that the backend could as well spend. Default: no.
	Compress bool
	// TrustedProxies are networks whose X-Forwarded-For is believed, in CIDR
	// notation. Anyone else's is replaced. Default: none.
	TrustedProxies []string
	// AccessLog says what is written about each request.
	AccessLog AccessLog
	// LogLevel is that of Traefik's own log: DEBUG, INFO, WARN or ERROR. DEBUG
	// shows addresses of clients. Default: INFO.
	LogLevel string
	// APIServer are the networks in which the Kubernetes API answers, in CIDR
	// notation, which Traefik may reach on ports 443 and 6443. Default: any
	// address.
	APIServer []string
	// MonitoringNamespace may scrape metrics. Empty: nobody may.
	MonitoringNamespace string
	// Traces is where spans go; the access log then has the trace's number. Traefik
	// decides by that number alone, which a client may choose in a traceparent: one
	// whose second half begins with 0000 is always traced. Nil: requests are not
	// traced. A change rolls the pods.
	Traces *workload.Traces
}

// NodePorts are ports of the nodes, 30000 to 32767, all different.
type NodePorts struct {
	// HTTP and HTTPS lead to the proxies of the same node.
	HTTP, HTTPS int
	// Health answers over HTTP whether the node has a proxy to send requests to.
	Health int
}

// Backend is a port that pods of a namespace listen on.
type Backend struct {
	Namespace string
	Port      int
}

// Guests are pods in every namespace that carries labels.
type Guests struct {
	// Labels are those of the namespaces, all of which must be there. None means
	// that there are no guests.
	Labels map[string]string
	// Port is what the pods listen on.
	Port int
}

// Issuer is a cert-manager issuer.
type Issuer struct {
	// Name and Kind ("ClusterIssuer", or "Issuer" in Traefik's namespace) may
	// come from other resources.
	Name, Kind pulumi.StringInput
}

// Timings are in seconds; 0 means the default. A change rolls the pods.
type Timings struct {
	// AcceptSeconds is how long a pod that is told to stop goes on accepting
	// requests. With a load balancer it must exceed the time in which that takes
	// a target out. Default: 5 with HostPorts, otherwise 20.
	AcceptSeconds int
	// FinishSeconds is how long it then has for requests it has accepted. What
	// takes longer is cut off. Default: 30.
	FinishSeconds int
	// ReadSeconds bounds reading a request with its body. Default: 60.
	ReadSeconds int
	// IdleSeconds is how long a client's unused connection is kept. Default: 180.
	IdleSeconds int
	// DialSeconds is how long connecting to a backend may take before another
	// one is tried. Default: 3.
	DialSeconds int
	// ResponseSeconds is how long a backend may take to begin its answer; then
	// the client gets a 504. Default: 60.
	ResponseSeconds int
	// BackendIdleSeconds is how long an unused connection to a backend is kept.
	// The backend must keep it for longer. A ServersTransport of a route goes
	// before it. Default: 30.
	BackendIdleSeconds int
}

// RateLimit is a token bucket. A client over its limit is answered 429.
type RateLimit struct {
	// Average is the number of requests per second that is sustained. Default:
	// 1000. -1 switches the limit off. Where all clients share one address, as
	// behind a forwarder on the same machine, they share one bucket.
	Average int
	// Burst is how many may come at once. Default: twice Average.
	Burst int
}

// AccessLog says which fields are written, as JSON, one line a request, to
// standard output.
type AccessLog struct {
	// Off writes no access log at all.
	Off bool
	// Fields are names of Traefik's fields. Default: DefaultFields. A field that
	// holds or can hold personal data is refused unless Personal is set.
	Fields []string
	// Personal allows fields with personal data: addresses, user names, and the
	// path with its query. Whoever sets it has to say why and for how long such
	// lines are kept.
	Personal bool
}
