package stacks

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/dns"
	"slipway.dev/slipway/components/postgres"
)

// databaseLabel is the database's name in the private zone.
const databaseLabel = "postgres"

// zones are the names under which people and programs find the platform.
func (b *builder) zones(database *postgres.Cluster) []dns.Zone {
	d := b.settings.DNS
	label := strings.TrimSuffix(b.settings.API.Host, "."+d.PublicZone)
	public := b.entry(label)
	if guests := b.settings.Ingress.Guests; guests != "" {
		public = append(public, b.entry("*."+guests)...)
	}
	return []dns.Zone{
		{Name: d.PublicZone, Records: public},
		{Name: d.PrivateZone, Private: true, Records: []dns.Record{{
			Name: databaseLabel, Type: "A", TTL: d.TTLSeconds, Values: pulumi.StringArray{database.PrimaryAddress},
		}}},
	}
}

// entry are the records of the way in, under a name.
func (b *builder) entry(label string) []dns.Record {
	records := slices.Clone(b.foundation.Way.Addresses)
	for i := range records {
		records[i].Name, records[i].TTL = label, b.settings.DNS.TTLSeconds
	}
	return records
}

// addressRecords are one record per address family that occurs, still without
// a name.
func addressRecords(addresses []string) []dns.Record {
	families := map[string][]string{}
	for _, address := range addresses {
		kind := "A"
		if parsed, err := netip.ParseAddr(address); err == nil && parsed.Is6() {
			kind = "AAAA"
		}
		families[kind] = append(families[kind], address)
	}
	var records []dns.Record
	for _, kind := range []string{"A", "AAAA"} {
		if values := families[kind]; len(values) > 0 {
			records = append(records, dns.Record{Type: kind, Values: pulumi.ToStringArray(values)})
		}
	}
	return records
}
