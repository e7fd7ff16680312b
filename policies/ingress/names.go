package ingress

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"slipway.dev/slipway/policies/rule"
)

// Zone files lie in ConfigMaps, one for each zone, under this and its name.
const zoneFile = "db."

const zones = "ConfigMap/slipway-dns/zones"

func names() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "private-name-not-public", Title: "Nothing internal is in a public zone",
			Why:        "Names of databases and their addresses tell an intruder where to go first.",
			Remedy:     "Put the record into the private zone, and name that zone in privateSuffixes.",
			References: []string{"NIST SP 800-81-2, section 9"},
			Types:      []string{rule.ConfigMap, RecordType}, Reads: []string{"data", "name", "records"},
			Check: notPublic,
			Example: rule.Example{Resource: zones, Set: map[string]any{ //nolint:gosec // an example, with names of secrets
				`data["db.slipway.test"]`: "$ORIGIN slipway.test.\nweb 60 IN A 203.0.113.7\nold 60 IN A 203.0.113.7\npostgres 60 IN A 10.96.0.9\n"}},
		},
		{
			ID: "record-for-route", Title: "The host that a route answers for has a record in the zone it lies in",
			Why:        "Without a record nobody finds the route, and its certificate cannot be proved over DNS.",
			Remedy:     "Declare the record beside the route, or correct the host.",
			References: []string{traefikDocs + "ingressroute/"},
			Types:      []string{RouteType, rule.Ingress}, Reads: []string{"spec.routes", "spec.rules", "spec.entryPoints"},
			Consults: map[string][]string{rule.ConfigMap: {"data"}, RecordType: {"name"}, ZoneType: {"name"}}, EitherWay: true,
			Check: recorded,
			Example: rule.Example{Resource: "IngressRoute/shop/admin", Unknown: "spec.routes[0].match", Also: map[string]map[string]any{
				zones: {`data["db.slipway.test"]`: "$ORIGIN slipway.test.\nwww 60 IN A 203.0.113.7\nold 60 IN A 203.0.113.7\n"}}}, //nolint:gosec // an example, with no secret in it
		},
	}
}

// line is one record of a zone file.
type line struct{ label, name, value string }

// lines are the records of a zone file that say more than its end of authority.
func lines(file, zone string) []line {
	var found []line
	for _, text := range strings.Split(file, "\n") {
		fields := strings.Fields(text)
		if len(fields) < 4 || strings.HasPrefix(text, "$") {
			continue
		}
		found = append(found, line{fields[0], strings.TrimSuffix(fields[0], ".") + "." + zone, fields[len(fields)-1]})
	}
	return found
}

func notPublic(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
	if record := rule.As[Record](r); record != nil {
		for _, value := range append(record.Records, "") {
			if private(record.Name, limits) {
				return nil
			}
			if name := internal(line{record.Name, record.Name, value}, limits); name != "" {
				return rule.Complain("name", "%s is internal", name)
			}
		}
		return nil
	}
	files := rule.As[corev1.ConfigMap](r)
	if files == nil {
		return nil
	}
	for _, file := range sortedKeys(files.Data) {
		zone, ok := strings.CutPrefix(file, zoneFile)
		if !ok || slices.Contains(limits.PrivateSuffixes, zone) {
			continue
		}
		for _, one := range lines(files.Data[file], zone) {
			if private(one.name, limits) {
				return rule.Complain(`data["`+file+`"]`, "%s is internal", one.name)
			}
			if _, err := netip.ParseAddr(one.value); err == nil {
				one.value = "" // a lab serves its own addresses to itself
			} else if !strings.HasSuffix(one.value, ".") {
				one.value += "." + zone
			}
			if name := internal(one, limits); name != "" {
				return rule.Complain(`data["`+file+`"]`, "%s is internal", name)
			}
		}
	}
	return nil
}

// private tells whether a name lies in a private zone.
func private(name string, limits rule.Limits) bool {
	return slices.ContainsFunc(limits.PrivateSuffixes, func(suffix string) bool { return strings.HasSuffix(name, "."+suffix) })
}

// internal is the name of a record that outsiders must not see, by what it is
// called or where it leads; "" for any other.
func internal(one line, limits rule.Limits) string {
	for _, word := range []string{"postgres", "patroni", "pgbouncer", "database", "prometheus", "grafana", "alertmanager"} {
		if strings.HasPrefix(one.label, word) {
			return one.name
		}
	}
	if address, err := netip.ParseAddr(one.value); err == nil && address.IsPrivate() {
		return one.name
	}
	if private(strings.TrimSuffix(one.value, "."), limits) {
		return one.name
	}
	return ""
}

// recorded looks for each host of a route in the zones that the stack serves. A
// stack that serves none leaves its names to somebody else.
func recorded(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	type answer struct{ at, host string }
	var answers []answer
	if route := rule.As[Route](r); route != nil && !slices.Equal(route.Spec.EntryPoints, []string{"traefik"}) {
		for i, one := range route.Spec.Routes {
			for _, host := range hosts(one.Match) {
				answers = append(answers, answer{"spec.routes[" + strconv.Itoa(i) + "].match", host})
			}
		}
	}
	if in := rule.As[networkingv1.Ingress](r); in != nil {
		for i, one := range in.Spec.Rules {
			answers = append(answers, answer{"spec.rules[" + strconv.Itoa(i) + "].host", one.Host})
		}
	}
	served, known := map[string]bool{}, map[string]bool{}
	for _, r := range s.Of(rule.ConfigMap) {
		files := rule.As[corev1.ConfigMap](r)
		if files == nil {
			continue
		}
		for file, text := range files.Data {
			zone, ok := strings.CutPrefix(file, zoneFile)
			if !ok {
				continue
			}
			served[zone] = true
			for _, one := range lines(text, zone) {
				known[one.name] = true
			}
		}
	}
	for _, r := range s.Of(ZoneType) {
		served[strings.TrimSuffix(r.Text("name"), ".")] = true
	}
	for _, r := range s.Of(RecordType) {
		known[strings.TrimSuffix(r.Text("name"), ".")] = true
	}
	for _, one := range answers {
		for _, zone := range sortedKeys(served) {
			if strings.HasSuffix(one.host, "."+zone) && !known[one.host] {
				return rule.Complain(one.at, "zone %s has no record of %s", zone, one.host)
			}
		}
	}
	return nil
}
