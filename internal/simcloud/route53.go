package simcloud

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

var (
	dnsZone       = token("route53", "Zone")
	dnsRecord     = token("route53", "Record")
	delegationSet = token("route53", "DelegationSet")
)

var domainName = regexp.MustCompile(`^(?:[a-zA-Z0-9_*](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.)*[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.?$`)

func zoneKinds() []*kind {
	return []*kind{
		{
			token: dnsZone, called: "Route 53 zone", action: "route53:CreateHostedZone", global: true, missing: "NoSuchHostedZone", quota: "zones", prefix: "Z",
			naming: &naming{property: "name", max: 255, pattern: domainName}, replace: words("name delegationSetId"), arn: "arn:{partition}:route53:::hostedzone/{id}",
			defaults: Props{"comment": "Managed by Pulumi", "forceDestroy": false}, outputs: map[string]string{"zoneId": "{id}"},
			rules: []rule{between("comment", 0, 256)},
			refs:  []ref{{path: "vpcs[].vpcId", token: vpc, code: "InvalidVPCId"}, {path: "delegationSetId", token: delegationSet}},
			check: func(in Props, report fault) {
				if !empty(in["vpcs"]) && in["delegationSetId"] != nil {
					report("delegationSetId", "is not for a private zone, one with vpcs")
				}
			},
			create: createZone,
			remove: func(o *op) error {
				if o.out.Flag("forceDestroy") {
					return nil
				}
				for _, r := range o.find(dnsRecord) {
					if r.Properties["zoneId"] == o.record.ID {
						return refuse("HostedZoneNotEmpty", "the specified hosted zone contains non-required resource record sets and so cannot be deleted: %s", r.ID)
					}
				}
				return nil
			},
			creating: 45 * time.Second, updating: 30 * time.Second, deleting: 10 * time.Second,
		},
		{
			token: dnsRecord, called: "Route 53 record", action: "route53:ChangeResourceRecordSets", global: true, missing: "NoSuchRecord",
			id: "{zoneId}_{name}_{type}_{setIdentifier}", replace: words("zoneId name setIdentifier"), taken: "InvalidChangeBatch",
			outputs: map[string]string{"fqdn": "{name}"}, refs: []ref{{path: "zoneId", token: dnsZone}},
			rules: []rule{oneOf("type", words("SOA A TXT NS CNAME MX NAPTR PTR SRV SPF AAAA CAA DS TLSA SSHFP SVCB HTTPS")...), between("ttl", 0, 2147483647)},
			check: checkRecord, create: createRecord, creating: 40 * time.Second, updating: 40 * time.Second, deleting: 40 * time.Second,
		},
		{
			token: delegationSet, called: "Route 53 delegation set", action: "route53:CreateReusableDelegationSet", global: true, missing: "NoSuchDelegationSet",
			quota: "delegationSets", prefix: "N", replace: words("referenceName"), arn: "arn:{partition}:route53:::delegationset/{id}",
			create: func(o *op) error {
				o.record.ID = "N" + strings.ToUpper(digest(19, o.record.URN, o.Operations))
				o.keep("nameServers", toAny(nameServers(o.record.ID)))
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
	}
}

// nameServers are four, in the four top-level domains that Route 53 uses.
func nameServers(id string) []string {
	var servers []string
	for i, top := range []string{"com", "net", "org", "co.uk"} {
		n := int(digest(4, id, i)[0])*16 + int(digest(4, id, i)[1])
		servers = append(servers, fmt.Sprintf("ns-%d.awsdns-%02d.%s", n%2048, n%64, top))
	}
	slices.Sort(servers)
	return servers
}

func createZone(o *op) error {
	if o.old == nil {
		o.record.ID = "Z" + strings.ToUpper(digest(19, o.record.URN, o.Operations))
	}
	for i, v := range o.in.Objects("vpcs") {
		for _, other := range o.find(dnsZone) {
			if other.ID == o.record.ID || !sameName(other.Properties.Text("name"), o.out.Text("name")) {
				continue
			}
			if slices.ContainsFunc(other.Properties.Objects("vpcs"), func(w Props) bool { return w["vpcId"] == v["vpcId"] }) {
				return refuse("ConflictingDomainExists", "vpcs[%d]: the VPC %s is already associated with another hosted zone of the same name: %s", i, v["vpcId"], other.ID)
			}
		}
	}
	servers := nameServers(o.record.ID)
	if set := o.target("delegationSetId"); set != nil {
		servers = set.Properties.Texts("nameServers")
	}
	o.keep("nameServers", toAny(servers))
	o.keep("primaryNameServer", servers[0])
	return nil
}

func sameName(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

func checkRecord(in Props, report fault) {
	alias := !empty(in["aliases"])
	switch {
	case alias && !empty(in["records"]):
		report("records", "is set beside aliases: give only one")
	case alias && in["ttl"] != nil:
		report("ttl", "is not for an alias, which has its target's")
	case !alias && empty(in["records"]) && !IsUnknown(in["records"]):
		report("records", "is not set: give records or aliases")
	case !alias && in["ttl"] == nil:
		report("ttl", "is required and not set")
	}
	if name := in.Text("name"); name != "" && !domainName.MatchString(name) {
		report("name", fmt.Sprintf("is %q, which is no domain name", name))
	}
	routed := false
	for _, name := range words("failoverRoutingPolicies geolocationRoutingPolicies latencyRoutingPolicies weightedRoutingPolicies") {
		routed = routed || !empty(in[name])
	}
	if routed && in["setIdentifier"] == nil {
		report("setIdentifier", "is required with a routing policy")
	}
	for i, value := range in.Texts("records") {
		path := fmt.Sprintf("records[%d]", i)
		address, err := netip.ParseAddr(value)
		switch in["type"] {
		case "A":
			if err != nil || !address.Is4() {
				report(path, fmt.Sprintf("is %q, must be an IPv4 address", value))
			}
		case "AAAA":
			if err != nil || !address.Is6() {
				report(path, fmt.Sprintf("is %q, must be an IPv6 address", value))
			}
		case "CNAME", "NS", "PTR":
			if !domainName.MatchString(value) {
				report(path, fmt.Sprintf("is %q, must be a domain name", value))
			}
		case "CAA":
			if len(strings.Fields(value)) != 3 {
				report(path, fmt.Sprintf(`is %q, must be flags, tag and value such as 0 issue "ca.example"`, value))
			}
		}
	}
	if list := in.Texts("records"); in["type"] == "CNAME" && len(list) > 1 {
		report("records", "has several elements, and a CNAME has one")
	}
}

func createRecord(o *op) error {
	zone := o.target("zoneId")
	apex := strings.TrimSuffix(zone.Properties.Text("name"), ".")
	name := strings.TrimSuffix(o.in.Text("name"), ".")
	full := name
	switch {
	case name == "" || sameName(name, apex):
		full = apex
	case !strings.HasSuffix(strings.ToLower(name), "."+strings.ToLower(apex)):
		// The official plugin takes such a name as one within the zone; a name of
		// another domain of ours is always a mistake.
		for _, other := range o.find(dnsZone) {
			if strings.HasSuffix(name, "."+strings.TrimSuffix(other.Properties.Text("name"), ".")) {
				return refuse("InvalidChangeBatch", "RRSet with DNS name %s. is not permitted in zone %s.", name, apex)
			}
		}
		full = name + "." + apex
	}
	o.out["fqdn"] = full
	kind := o.in.Text("type")
	if kind == "CNAME" && full == apex {
		return refuse("InvalidChangeBatch", "RRSet of type CNAME with DNS name %s. is not permitted at apex in zone %s.", full, apex)
	}
	overwrite := o.in.Flag("allowOverwrite")
	if full == apex && (kind == "NS" || kind == "SOA") && !overwrite && o.old == nil {
		return refuse("InvalidChangeBatch", "tried to create resource record set [name='%s.', type='%s'] but it already exists", full, kind)
	}
	for _, other := range o.find(dnsRecord) {
		if other.ID == o.record.ID || other.Properties["zoneId"] != zone.ID || !sameName(other.Properties.Text("fqdn"), full) {
			continue
		}
		theirs := other.Properties.Text("type")
		if theirs == kind && other.Properties["setIdentifier"] == o.in["setIdentifier"] && !overwrite {
			return refuse("InvalidChangeBatch", "tried to create resource record set [name='%s.', type='%s'] but it already exists", full, kind)
		}
		if theirs != kind && (theirs == "CNAME" || kind == "CNAME") {
			return refuse("InvalidChangeBatch", "RRSet of type CNAME with DNS name %s. is not permitted as it conflicts with other records with the same DNS name in zone %s.", full, apex)
		}
	}
	return nil
}
