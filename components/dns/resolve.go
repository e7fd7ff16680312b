package dns

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/workload"
)

// plan is Args with its defaults, found to be free of faults.
type plan struct {
	namespace, image    string
	clusterIP           string
	hostPort, replicas  int
	addresses           []netip.Addr
	publicNetworks      []netip.Prefix
	privateClients      []string
	monitoringNamespace string
	zones               []zone
}

// zone is a Zone whose records are in the order of its file.
type zone struct {
	// path is where the zone stands in Args.
	path    string
	name    string
	private bool
	records []record
}

type record struct {
	path       string
	name, kind string
	ttl        int
	values     pulumi.StringArrayInput
}

// defaultClients are the address ranges that no packet from the internet comes
// from.
var defaultClients = []string{
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128",
}

// serverName is the name server's own name in every zone.
const serverName = "ns"

var label = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$`)

// domain reports whether name is a lower-case domain name without a final dot.
func domain(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !label.MatchString(part) {
			return false
		}
	}
	return true
}

// resolver collects the faults of one Args.
type resolver struct{ faults []error }

func (r *resolver) fault(path, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func resolve(args Args) (plan, error) {
	var r resolver
	p := plan{
		namespace: cmp.Or(args.Namespace, DefaultNamespace), image: args.Image,
		clusterIP: args.ClusterIP, hostPort: args.HostPort, replicas: cmp.Or(args.Replicas, DefaultReplicas),
		privateClients:      slices.Clone(args.PrivateClients),
		monitoringNamespace: args.MonitoringNamespace,
	}
	if len(p.privateClients) == 0 {
		p.privateClients = slices.Clone(defaultClients)
	}
	if strings.Contains(p.namespace, ".") || !domain(p.namespace) {
		r.fault("namespace", "%q is not a namespace name", p.namespace)
	}
	if args.Image == "" {
		r.fault("image", "is empty, must name the CoreDNS image")
	}
	if args.HostPort < 0 || args.HostPort > 65535 {
		r.fault("hostPort", "is %d, must be 0 (none) to 65535", args.HostPort)
	}
	if args.Replicas < 0 {
		r.fault("replicas", "is %d, must be at least 1", args.Replicas)
	}
	if args.ClusterIP != "" {
		r.address("clusterIP", args.ClusterIP)
	}
	for i, text := range args.Addresses {
		p.addresses = append(p.addresses, r.address(fmt.Sprintf("addresses[%d]", i), text))
	}
	r.faults = append(r.faults, workload.CheckNetworks("publicNetworks", args.PublicNetworks)...)
	r.faults = append(r.faults, workload.CheckNetworks("privateClients", args.PrivateClients)...)
	for _, text := range args.PublicNetworks {
		if network, err := netip.ParsePrefix(text); err == nil {
			p.publicNetworks = append(p.publicNetworks, network)
		}
	}
	p.zones = r.zones(args.Zones)
	if len(r.faults) > 0 {
		return plan{}, errors.Join(r.faults...)
	}
	policy := p.policy()
	for i, address := range p.addresses {
		// The servers' own addresses become records of the public zones.
		if reason := policy.address(address); reason != "" && p.hasPublicZone() {
			r.fault(fmt.Sprintf("addresses[%d]", i), "%s", reason)
		}
	}
	return p, errors.Join(r.faults...)
}

func (p plan) hasPublicZone() bool {
	return slices.ContainsFunc(p.zones, func(z zone) bool { return !z.private })
}

func (r *resolver) address(path, text string) netip.Addr {
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		r.fault(path, "%q is not an IP address", text)
	}
	return address
}

func (r *resolver) zones(given []Zone) []zone {
	if len(given) == 0 {
		r.fault("zones", "is empty, there must be at least one")
	}
	first := map[string]int{}
	zones := make([]zone, 0, len(given))
	for i, g := range given {
		z := zone{path: fmt.Sprintf("zones[%d]", i), name: g.Name, private: g.Private}
		if !domain(g.Name) {
			r.fault(z.path+".name", "%q is not a lower-case domain name without a final dot", g.Name)
		}
		if other, dup := first[g.Name]; dup {
			r.fault(z.path+".name", "%q is already the name of zones[%d]", g.Name, other)
		} else {
			first[g.Name] = i
		}
		z.records = r.records(z, g.Records)
		zones = append(zones, z)
	}
	r.nesting(zones)
	return zones
}

// nesting refuses records that another, deeper zone would hide: a server
// answers from the deepest zone that matches, so they would never be seen. In
// a public zone such a record also tells that the private name exists.
func (r *resolver) nesting(zones []zone) {
	for _, z := range zones {
		for _, rec := range z.records {
			full := rec.full(z.name)
			for _, deeper := range zones {
				if deeper.name != z.name && below(deeper.name, z.name) && below(full, deeper.name) {
					r.fault(rec.path+".name", "%s belongs to zone %s (%s), which hides it here", full, deeper.name, deeper.path)
				}
			}
		}
	}
}

// below reports whether name is parent or lies under it.
func below(name, parent string) bool {
	return name == parent || strings.HasSuffix(name, "."+parent)
}

// full is the record's absolute name without a final dot.
func (r record) full(zone string) string {
	if r.name == "@" {
		return zone
	}
	return r.name + "." + zone
}

func (r *resolver) records(z zone, given []Record) []record {
	seen := map[[2]string]string{}
	kinds := map[string][]string{}
	records := make([]record, 0, len(given))
	for i, g := range given {
		rec := record{
			path: fmt.Sprintf("%s.records[%d]", z.path, i),
			name: g.Name, kind: g.Type, ttl: cmp.Or(g.TTL, DefaultTTL), values: g.Values,
		}
		relative := strings.TrimPrefix(g.Name, "*.")
		switch {
		case g.Name == "@", g.Name == "*":
		case g.Name == serverName:
			r.fault(rec.path+".name", "%q is the name server's own name", g.Name)
		case !domain(relative):
			r.fault(rec.path+".name", `%q is not a lower-case name relative to the zone, "*" or "@"`, g.Name)
		case len(rec.full(z.name)) > 253:
			r.fault(rec.path+".name", "%q and its zone are longer than 253 characters together", g.Name)
		}
		if !slices.Contains([]string{"A", "AAAA", "CNAME", "TXT"}, g.Type) {
			r.fault(rec.path+".type", "%q must be A, AAAA, CNAME or TXT", g.Type)
		}
		if g.TTL < 0 || g.TTL > 604800 {
			r.fault(rec.path+".ttl", "is %d seconds, must be 0 (the default) to 604800 (a week)", g.TTL)
		}
		if g.Values == nil {
			r.fault(rec.path+".values", "is not set, there must be at least one value")
		}
		if g.Name == "@" && g.Type == "CNAME" {
			r.fault(rec.path+".type", "the zone itself cannot be a CNAME, because SOA and NS stand beside it")
		}
		key := [2]string{g.Name, g.Type}
		if other, dup := seen[key]; dup {
			r.fault(rec.path, "%s %s is already %s; one record holds all values of a name and type", g.Name, g.Type, other)
		} else {
			seen[key] = rec.path
			kinds[g.Name] = append(kinds[g.Name], g.Type)
			if found := kinds[g.Name]; len(found) > 1 && slices.Contains(found, "CNAME") {
				r.fault(rec.path, "%s has a CNAME and other records, which DNS forbids", g.Name)
			}
		}
		records = append(records, rec)
	}
	slices.SortStableFunc(records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
	})
	return records
}
