package traefik

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway.dev/slipway/components/crd"
	"slipway.dev/slipway/components/workload"
)

// SecurePort is where the pods take HTTPS. A network policy of who asks from
// inside the cluster is about it, whatever port the Service has.
const SecurePort = 8443

// Ports inside the pods. Public ports are mapped to webPort and SecurePort.
const (
	webPort      = 8080
	internalPort = 9000
)

// plan is Args with its defaults, found to be free of faults.
type plan struct {
	Args
	definitions []crd.Definition
}

// DefaultFields are the fields of the access log: what was asked of whom in
// terms of routes and services, how it went and how long it took.
var DefaultFields = []string{
	"DownstreamContentSize", "DownstreamStatus", "Duration", "OriginDuration", "OriginStatus", "Overhead",
	"RequestContentSize", "RequestHost", "RequestMethod", "RequestProtocol", "RequestScheme",
	"RetryAttempts", "RouterName", "ServiceAddr", "ServiceName", "StartUTC", "TLSVersion",
}

// harmlessFields are other fields without personal data.
var harmlessFields = []string{
	"GzipRatio", "OriginContentSize", "RequestCount", "RequestPort", "ServiceURL", "SpanId", "StartLocal",
	"TLSCipher", "TraceId",
}

// personalFields say who asked, or quote what the client wrote.
var personalFields = []string{
	"ClientAddr", "ClientHost", "ClientPort", "ClientUsername", "RequestAddr", "RequestPath", "TLSClientSubject",
}

var (
	name = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	host = regexp.MustCompile(`^(\*\.)?([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// resolver collects the faults of one Args.
type resolver struct{ faults []error }

func (r *resolver) fault(path, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func resolve(args Args) (plan, error) {
	var r resolver
	p := plan{Args: defaults(args)}
	if !name.MatchString(p.Namespace) {
		r.fault("namespace", "%q is not a namespace name", p.Namespace)
	}
	if p.Image == "" {
		r.fault("image", "is empty, must name the Traefik image")
	}
	r.ports(p)
	r.nodePorts(p)
	r.scaling(p)
	r.backends(p.Backends)
	if len(p.Guests.Labels) > 0 && (p.Guests.Port < 1 || p.Guests.Port > 65535) {
		r.fault("guests.port", "is %d, must be 1 to 65535", p.Guests.Port)
	}
	r.hosts(p)
	r.timings(p.Timings)
	if p.RateLimit.Average < -1 {
		r.fault("rateLimit.average", "is %d, must be -1 (none), 0 (the default) or more", p.RateLimit.Average)
	}
	if p.RateLimit.Average > 0 && p.RateLimit.Burst < 1 {
		r.fault("rateLimit.burst", "is %d, must be at least 1", p.RateLimit.Burst)
	}
	if p.HSTSSeconds < -1 {
		r.fault("hstsSeconds", "is %d, must be -1 (none), 0 (the default) or more", p.HSTSSeconds)
	}
	r.accessLog(p.AccessLog)
	if !slices.Contains([]string{"DEBUG", "INFO", "WARN", "ERROR"}, p.LogLevel) {
		r.fault("logLevel", "%q must be DEBUG, INFO, WARN or ERROR", p.LogLevel)
	}
	r.faults = append(r.faults, workload.CheckNetworks("trustedProxies", args.TrustedProxies)...)
	r.faults = append(r.faults, workload.CheckNetworks("apiServer", args.APIServer)...)
	r.faults = append(r.faults, workload.CheckTraces("traces", args.Traces)...)
	p.definitions = r.definitions(args.CRDFile)
	return p, errors.Join(r.faults...)
}

// defaults fills in what was left out, on copies.
func defaults(a Args) Args {
	public := [2]int{80, 443}
	accept := 20
	if a.HostPorts {
		public = [2]int{webPort, SecurePort}
		accept = 5
	}
	a.Namespace = cmp.Or(a.Namespace, DefaultNamespace)
	a.HTTPPort, a.HTTPSPort = cmp.Or(a.HTTPPort, public[0]), cmp.Or(a.HTTPSPort, public[1])
	a.Replicas, a.MaxReplicas = cmp.Or(a.Replicas, 3), cmp.Or(a.MaxReplicas, 6)
	a.CPUPercent = cmp.Or(a.CPUPercent, 70)
	a.MemoryPercent = cmp.Or(a.MemoryPercent, 200)
	a.LoadBalancer = maps.Clone(a.LoadBalancer)
	if a.NodePorts != nil {
		ports := *a.NodePorts
		a.NodePorts = &ports
	}
	if a.Traces != nil {
		traces := *a.Traces
		a.Traces = &traces
	}
	a.Backends, a.Hosts = slices.Clone(a.Backends), slices.Clone(a.Hosts)
	a.Guests.Labels = maps.Clone(a.Guests.Labels)
	a.TrustedProxies = slices.Clone(a.TrustedProxies)
	a.HSTSSeconds = cmp.Or(a.HSTSSeconds, DefaultHSTSSeconds)
	a.LogLevel = cmp.Or(a.LogLevel, "INFO")
	a.RateLimit.Average = cmp.Or(a.RateLimit.Average, DefaultRate)
	a.RateLimit.Burst = cmp.Or(a.RateLimit.Burst, 2*a.RateLimit.Average)
	a.AccessLog.Fields = slices.Clone(a.AccessLog.Fields)
	if len(a.AccessLog.Fields) == 0 {
		a.AccessLog.Fields = slices.Clone(DefaultFields)
	}
	a.APIServer = slices.Clone(a.APIServer)
	if len(a.APIServer) == 0 {
		a.APIServer = slices.Clone(workload.Anywhere)
	}
	t := &a.Timings
	for _, timing := range []struct {
		value    *int
		standard int
	}{
		{&t.AcceptSeconds, accept}, {&t.FinishSeconds, 30}, {&t.ReadSeconds, 60}, {&t.IdleSeconds, 180},
		{&t.DialSeconds, 3}, {&t.ResponseSeconds, 60}, {&t.BackendIdleSeconds, DefaultBackendIdleSeconds},
	} {
		*timing.value = cmp.Or(*timing.value, timing.standard)
	}
	return a
}

func (r *resolver) ports(p plan) {
	for _, port := range []struct {
		path  string
		value int
	}{{"httpPort", p.HTTPPort}, {"httpsPort", p.HTTPSPort}} {
		if port.value < 1 || port.value > 65535 {
			r.fault(port.path, "is %d, must be 1 to 65535", port.value)
		}
	}
	if p.HTTPPort == p.HTTPSPort {
		r.fault("httpsPort", "is %d, and so is httpPort; they must differ", p.HTTPSPort)
	}
}

func (r *resolver) nodePorts(p plan) {
	if p.NodePorts == nil {
		return
	}
	if p.HostPorts || len(p.LoadBalancer) > 0 {
		r.fault("nodePorts", "is set beside hostPorts or loadBalancer; there is one way in")
	}
	seen := map[int]string{}
	for _, port := range []struct {
		path  string
		value int
	}{{"http", p.NodePorts.HTTP}, {"https", p.NodePorts.HTTPS}, {"health", p.NodePorts.Health}} {
		if port.value < 30000 || port.value > 32767 {
			r.fault("nodePorts."+port.path, "is %d, must be 30000 to 32767", port.value)
		}
		if other, dup := seen[port.value]; dup {
			r.fault("nodePorts."+port.path, "is %d, and so is nodePorts.%s", port.value, other)
		}
		seen[port.value] = port.path
	}
}

func (r *resolver) scaling(p plan) {
	if p.Replicas < 2 && !p.HostPorts {
		r.fault("replicas", "is %d, must be at least 2: with one, every drain of a node is an outage", p.Replicas)
	}
	if p.MaxReplicas < p.Replicas {
		r.fault("maxReplicas", "is %d, must not be below replicas, %d", p.MaxReplicas, p.Replicas)
	}
	if p.CPUPercent < 1 || p.CPUPercent > 100 {
		r.fault("cpuPercent", "is %d, must be 1 to 100", p.CPUPercent)
	}
	if most := 100 * memoryLimit / memoryRequest; p.MemoryPercent < 1 || p.MemoryPercent > most {
		r.fault("memoryPercent", "is %d, must be 1 to %d, where a pod is killed", p.MemoryPercent, most)
	}
}

func (r *resolver) backends(backends []Backend) {
	if len(backends) == 0 {
		r.fault("backends", "is empty, there must be at least one: without it Traefik reaches nothing")
	}
	for i, backend := range backends {
		path := fmt.Sprintf("backends[%d]", i)
		if !name.MatchString(backend.Namespace) {
			r.fault(path+".namespace", "%q is not a namespace name", backend.Namespace)
		}
		if backend.Port < 1 || backend.Port > 65535 {
			r.fault(path+".port", "is %d, must be 1 to 65535", backend.Port)
		}
	}
}

func (r *resolver) hosts(p plan) {
	for i, given := range p.Hosts {
		if !host.MatchString(given) {
			r.fault(fmt.Sprintf("hosts[%d]", i), "%q is not a lower-case host name or a wildcard like *.example.org", given)
		}
	}
	if len(p.Hosts) > 0 && (p.Issuer.Name == nil || p.Issuer.Kind == nil) {
		r.fault("issuer", "is not set, but hosts is; someone has to sign their certificate")
	}
}

func (r *resolver) timings(t Timings) {
	for _, timing := range []struct {
		path  string
		value int
	}{
		{"acceptSeconds", t.AcceptSeconds}, {"finishSeconds", t.FinishSeconds}, {"readSeconds", t.ReadSeconds},
		{"idleSeconds", t.IdleSeconds}, {"dialSeconds", t.DialSeconds}, {"responseSeconds", t.ResponseSeconds},
		{"backendIdleSeconds", t.BackendIdleSeconds},
	} {
		if timing.value < 1 || timing.value > 3600 {
			r.fault("timings."+timing.path, "is %d, must be 1 to 3600", timing.value)
		}
	}
}

func (r *resolver) accessLog(log AccessLog) {
	for i, field := range log.Fields {
		path := fmt.Sprintf("accessLog.fields[%d]", i)
		switch {
		case slices.Contains(DefaultFields, field), slices.Contains(harmlessFields, field):
		case !slices.Contains(personalFields, field):
			r.fault(path, "%q is not a field Traefik knows; there are %s", field,
				strings.Join(slices.Concat(DefaultFields, harmlessFields, personalFields), ", "))
		case !log.Personal:
			r.fault(path, "%q holds personal data; leave it out, or set accessLog.personal", field)
		}
	}
}

func (r *resolver) definitions(path string) []crd.Definition {
	if path == "" {
		r.fault("crdFile", "is empty, must be the path of Traefik's custom resource definitions")
		return nil
	}
	definitions, err := crd.Load(path)
	if err != nil {
		r.faults = append(r.faults, fmt.Errorf("crdFile: %w", err))
		return nil
	}
	// Traefik waits for all of them before it serves anything.
	var missing []string
	for _, kind := range watched {
		needed := kind + "." + group
		if !slices.ContainsFunc(definitions, func(d crd.Definition) bool { return d.Name == needed }) {
			missing = append(missing, needed)
		}
	}
	if len(missing) > 0 {
		r.fault("crdFile", "%s does not define %v", path, missing)
	}
	return definitions
}
