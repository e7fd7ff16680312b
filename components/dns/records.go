package dns

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// RecordsTypeToken is stored in the state of every stack. Change it only
// together with an alias carrying the old type.
const RecordsTypeToken = "slipway:dns:Records"

// RecordsArgs describes what hosted zones hold.
type RecordsArgs struct {
	// Zones are described as for servers of one's own; records obey the same
	// rules, and nothing internal may stand in a public zone.
	Zones []Zone
	// IDs are the hosted zones, by the name of the zone. Required for each.
	IDs map[string]pulumi.StringInput
}

// Records are the records of hosted zones.
type Records struct{ pulumi.ResourceState }

// NewRecords declares records in zones that Route 53 serves.
func NewRecords(ctx *pulumi.Context, name string, args RecordsArgs, opts ...pulumi.ResourceOption) (*Records, error) {
	var r resolver
	p := plan{zones: r.zones(args.Zones)}
	for _, z := range p.zones {
		if args.IDs[z.name] == nil {
			r.fault(z.path+".name", "%q has no hosted zone", z.name)
		}
	}
	if err := errors.Join(r.faults...); err != nil {
		return nil, fmt.Errorf("dns %q: %w", name, err)
	}
	records := &Records{}
	if err := ctx.RegisterComponentResource(RecordsTypeToken, name, records, opts...); err != nil {
		return nil, fmt.Errorf("registering dns %q: %w", name, err)
	}
	for _, z := range p.zones {
		if err := records.declare(ctx, name, p, z, args.IDs[z.name]); err != nil {
			return nil, fmt.Errorf("building dns %q: %w", name, err)
		}
	}
	if err := ctx.RegisterResourceOutputs(records, pulumi.Map{}); err != nil {
		return nil, fmt.Errorf("publishing dns %q: %w", name, err)
	}
	return records, nil
}

func (r *Records) declare(ctx *pulumi.Context, name string, p plan, z zone, id pulumi.StringInput) error {
	side := "public"
	if z.private {
		side = "private"
	}
	for _, rec := range z.records {
		role := strings.ReplaceAll(strings.ReplaceAll(rec.name, "@", "apex"), "*", "any")
		_, err := route53.NewRecord(ctx, strings.Join([]string{name, side, role, strings.ToLower(rec.kind)}, "-"), &route53.RecordArgs{
			ZoneId: id, Name: pulumi.String(rec.full(z.name)), Type: pulumi.String(rec.kind), Ttl: pulumi.Int(rec.ttl),
			Records: p.checked(z, rec),
		}, component.Under(r)...)
		if err != nil {
			return fmt.Errorf("creating record %s %s: %w", rec.full(z.name), rec.kind, err)
		}
	}
	return nil
}

// checked are a record's values, which have to pass the rules as soon as they
// are known.
func (p plan) checked(z zone, rec record) pulumi.StringArrayOutput {
	rules := p.policy()
	return rec.values.ToStringArrayOutput().ApplyT(func(values []string) ([]string, error) {
		if len(values) == 0 {
			return nil, fmt.Errorf("%s.values: is empty", rec.path)
		}
		if rec.kind == "CNAME" && len(values) > 1 {
			return nil, fmt.Errorf("%s.values: has %d values, a CNAME has one", rec.path, len(values))
		}
		checked := make([]string, 0, len(values))
		for i, value := range values {
			data, reason := rec.data(value)
			if reason == "" && !z.private {
				reason = rec.leak(value, rules)
			}
			if reason != "" {
				return nil, fmt.Errorf("%s.values[%d]: %s", rec.path, i, reason)
			}
			checked = append(checked, rec.hosted(data))
		}
		return checked, nil
	}).(pulumi.StringArrayOutput)
}

// hosted is a value as Route 53 takes it: names without a final dot, and texts
// without the outer quotes, which the provider adds.
func (r record) hosted(data string) string {
	switch r.kind {
	case "CNAME":
		return strings.TrimSuffix(data, ".")
	case "TXT":
		return strings.TrimSuffix(strings.TrimPrefix(data, `"`), `"`)
	default:
		return data
	}
}
