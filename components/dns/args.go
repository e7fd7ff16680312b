package dns

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Defaults of Args.
const (
	DefaultNamespace = "slipway-dns"
	DefaultReplicas  = 2
	DefaultTTL       = 60
)

// Args describes the zones of an environment and the servers that answer for
// them.
type Args struct {
	// Namespace is created for the servers. Default: slipway-dns. A change
	// replaces everything in it.
	Namespace string
	// Image is the CoreDNS image. Required. A change rolls the servers.
	Image string
	// ClusterIP is the fixed address of the Service, inside the cluster's
	// service range and not in use. The cluster's own DNS forwards the zones to
	// it, so it must be known before the Service exists. Empty takes any free
	// address. A change replaces the Service.
	ClusterIP string
	// HostPort, when not 0, also opens this port, TCP and UDP, on every node: one
	// server runs on each node and Replicas is ignored. It needs a privileged
	// namespace, see doc.go. Switching it on or off replaces the workload.
	HostPort int
	// Replicas is the number of servers without HostPort. Default: 2.
	Replicas int
	// Addresses are where clients outside the cluster find the servers, IPv4 or
	// IPv6. They become the addresses of the public zones' name server. Default:
	// none, which is right when nothing delegates to these servers.
	Addresses []string
	// PublicNetworks are private networks whose addresses a public zone may hold
	// all the same, in CIDR notation: the nodes of a lab, say, that only this
	// machine can reach. Default: none.
	PublicNetworks []string
	// PrivateClients are the networks whose queries for private zones are
	// answered; everyone else is refused. Default: the private address ranges
	// and loopback.
	PrivateClients []string
	// MonitoringNamespace may scrape the servers' metrics. Empty: nobody may.
	MonitoringNamespace string
	// Zones are the zones served, in any order. At least one. No two may have
	// the same name; one may lie below another and then answers for its part.
	Zones []Zone
}

// Zone is one DNS zone. It says nothing of what serves it.
type Zone struct {
	// Name is the zone's domain name, such as "example.org". Letters are lower
	// case and there is no dot at the end.
	Name string
	// Private keeps the zone from everyone outside. Only in a private zone may
	// records point at cluster addresses, private networks and private names.
	Private bool
	// Records are what the zone holds besides SOA and NS, which are made.
	Records []Record
}

// Record is the set of values a name has for one type.
type Record struct {
	// Name is relative to the zone: "api", "*.apps", or "@" for the zone itself.
	Name string
	// Type is A, AAAA, CNAME or TXT.
	Type string
	// TTL is how long resolvers may keep the values, in seconds. 0 means
	// DefaultTTL (60). It is also how long a change may take to be seen.
	TTL int
	// Values are addresses for A and AAAA, one absolute domain name for CNAME,
	// and texts for TXT. They may come from other resources; they are checked as
	// soon as they are known. A change rolls the servers one by one. The target
	// of a CNAME is looked up only in these zones: for a Service of the cluster,
	// which only the cluster's DNS knows, use its address.
	Values pulumi.StringArrayInput
}
