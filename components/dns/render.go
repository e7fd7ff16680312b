package dns

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Ports inside a pod. All are above 1023, so that no capability is needed.
const (
	dnsPort     = 1053
	metricsPort = 9153
	healthPort  = 8080
	readyPort   = 8181
)

// lameduck is how long a server that was told to stop goes on answering, in
// seconds: longer than it takes every node to stop sending to it.
const lameduck = 5

// configDir is where the ConfigMap is mounted.
const configDir = "/etc/coredns"

// zoneFile is a zone's file name in the ConfigMap.
func zoneFile(zone string) string { return "db." + zone }

// corefile renders the servers' configuration. Zones are sorted, so that their
// order in Args changes nothing. A query for any other name is refused, since
// no server block matches it: this is not a resolver.
func corefile(p plan) string {
	zones := slices.Clone(p.zones)
	slices.SortFunc(zones, func(a, b zone) int { return strings.Compare(a.name, b.name) })
	var out strings.Builder
	for i, z := range zones {
		fmt.Fprintf(&out, "%s:%d {\n", z.name, dnsPort)
		if i == 0 {
			// These are one per process, not one per zone.
			fmt.Fprintf(&out, "\thealth :%d {\n\t\tlameduck %ds\n\t}\n", healthPort, lameduck)
		}
		fmt.Fprintf(&out, "\tready :%d\n", readyPort)
		fmt.Fprintf(&out, "\tprometheus :%d\n", metricsPort)
		// Query logs would hold client addresses; errors do not.
		out.WriteString("\terrors\n")
		if z.private {
			fmt.Fprintf(&out, "\tacl {\n\t\tallow net %s\n\t\tblock\n\t}\n", strings.Join(p.privateClients, " "))
		}
		// 1232 bytes pass every path in one UDP packet.
		out.WriteString("\tbufsize 1232\n")
		out.WriteString("\tany\n")
		out.WriteString("\tloadbalance round_robin\n")
		// The file never changes under a running server, see doc.go.
		fmt.Fprintf(&out, "\tfile %s/%s {\n\t\treload 0\n\t}\n}\n", configDir, zoneFile(z.name))
	}
	return out.String()
}

// Timings of a zone that only secondaries and resolvers' caches of missing
// names read, in seconds.
const (
	refresh  = 3600
	retry    = 600
	expire   = 604800
	negative = 60
)

// file renders the zone's file. values are those of z.records, in their order;
// servers are the addresses of the zone's name server. What must not stand in
// a public zone is reported with its path.
func (z zone) file(values [][]string, servers []netip.Addr, rules policy) (string, error) {
	var faults []error
	var body strings.Builder
	fmt.Fprintf(&body, "@ %d IN NS %s\n", DefaultTTL, serverName)
	for _, address := range servers {
		fmt.Fprintf(&body, "%s %d IN %s %s\n", serverName, DefaultTTL, family(address), address)
	}
	for i, rec := range z.records {
		lines, err := rec.lines(values[i], z.private, rules)
		if err != nil {
			faults = append(faults, err)
		}
		body.WriteString(lines)
	}
	if len(faults) > 0 {
		return "", fmt.Errorf("zone %s: %w", z.name, errors.Join(faults...))
	}
	soa := fmt.Sprintf("@ %d IN SOA %s hostmaster %d %d %d %d %d\n",
		DefaultTTL, serverName, serial(z.name+"\n"+body.String()), refresh, retry, expire, negative)
	return fmt.Sprintf("$ORIGIN %s.\n%s%s", z.name, soa, body.String()), nil
}

// serial derives a zone's serial number from what it holds: the same content
// has the same serial on every machine, and other content another one. It does
// not grow with time, which only secondaries would need; there are none.
func serial(content string) uint32 {
	sum := sha256.Sum256([]byte(content))
	return binary.BigEndian.Uint32(sum[:4]) | 1
}

func family(address netip.Addr) string {
	if address.Is4() {
		return "A"
	}
	return "AAAA"
}

// lines renders one record, its values sorted.
func (r record) lines(values []string, private bool, rules policy) (string, error) {
	var faults []error
	if len(values) == 0 {
		faults = append(faults, fmt.Errorf("%s.values: is empty, there must be at least one value", r.path))
	}
	if r.kind == "CNAME" && len(values) > 1 {
		faults = append(faults, fmt.Errorf("%s.values: has %d values, a CNAME has one", r.path, len(values)))
	}
	sorted := make([]string, 0, len(values))
	for i, value := range values {
		data, reason := r.data(value)
		if reason == "" && !private {
			reason = r.leak(value, rules)
		}
		if reason != "" {
			faults = append(faults, fmt.Errorf("%s.values[%d]: %s", r.path, i, reason))
			continue
		}
		sorted = append(sorted, fmt.Sprintf("%s %d IN %s %s\n", r.name, r.ttl, r.kind, data))
	}
	slices.Sort(sorted)
	return strings.Join(slices.Compact(sorted), ""), errors.Join(faults...)
}

// data is a value as a zone file writes it, or the reason why it cannot be.
func (r record) data(value string) (data, reason string) {
	switch r.kind {
	case "A", "AAAA":
		address, err := netip.ParseAddr(value)
		if err != nil || address.Zone() != "" || family(address) != r.kind {
			return "", fmt.Sprintf("%q is not an address for a record of type %s", value, r.kind)
		}
		return address.String(), ""
	case "CNAME":
		target := strings.ToLower(strings.TrimSuffix(value, "."))
		if !domain(target) || !strings.Contains(target, ".") {
			return "", fmt.Sprintf("%q is not an absolute domain name", value)
		}
		return target + ".", ""
	default:
		return quote(value), ""
	}
}

// leak is the reason why a value that is well-formed must not be public.
func (r record) leak(value string, rules policy) string {
	switch r.kind {
	case "A", "AAAA":
		return rules.address(netip.MustParseAddr(value))
	case "CNAME":
		return rules.name(value)
	default:
		return rules.text(value)
	}
}

// quote writes a text as the character strings of a TXT record, which hold at
// most 255 bytes each.
func quote(text string) string {
	var parts []string
	for chunk := range slices.Chunk([]byte(text), 255) {
		var part strings.Builder
		part.WriteByte('"')
		for _, b := range chunk {
			switch {
			case b == '"' || b == '\\':
				part.WriteByte('\\')
				part.WriteByte(b)
			case b < ' ' || b > '~':
				fmt.Fprintf(&part, `\%03d`, b)
			default:
				part.WriteByte(b)
			}
		}
		part.WriteByte('"')
		parts = append(parts, part.String())
	}
	if len(parts) == 0 {
		return `""`
	}
	return strings.Join(parts, " ")
}
