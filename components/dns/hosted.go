package dns

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/grant"
)

// HostedTypeToken is stored in the state of every stack. Change it only
// together with an alias carrying the old type.
const HostedTypeToken = "slipway:dns:HostedZones"

// HostedArgs describes the zones of an environment where Route 53 serves them.
type HostedArgs struct {
	// Public and Private are the zones' domain names, lower case and without a dot
	// at the end. Required. A change makes another zone with other name servers.
	Public, Private string
	// VPCID is the network inside which the private zone is answered. Required.
	VPCID pulumi.StringInput
	// Account owns the zones. Required.
	Account string
	// SigningKeyARN, when set, is a key in us-east-1 that signs the public zone.
	// The DS record must then be put into the parent zone. Default: unsigned.
	SigningKeyARN pulumi.StringInput
	// QueryLogDays is how long queries for the public zone are kept. They name
	// the resolvers that asked. 0 logs none.
	QueryLogDays int
	// Virginia is the provider for us-east-1, where Route 53 wants the logs of
	// queries. Required with QueryLogDays.
	Virginia pulumi.ProviderResource
	// Unprotected lets a destroy delete the zones. Default: guarded, because a new
	// zone of the same name has other name servers, and the parent zone points to
	// the old ones.
	Unprotected bool
}

// HostedZones are zones without records; see NewRecords.
type HostedZones struct {
	pulumi.ResourceState

	// PublicID and PrivateID are the zones' IDs.
	PublicID  pulumi.StringOutput `pulumi:"publicId"`
	PrivateID pulumi.StringOutput `pulumi:"privateId"`
	// NameServers are what the parent zone's NS record for the public zone has to
	// hold.
	NameServers pulumi.StringArrayOutput `pulumi:"nameServers"`
	// DS is what the parent zone's DS record has to hold. Empty when unsigned.
	DS pulumi.StringOutput `pulumi:"ds"`
}

func (a HostedArgs) check() error {
	var r resolver
	for _, zone := range []struct{ path, name string }{{"public", a.Public}, {"private", a.Private}} {
		if !domain(zone.name) {
			r.fault(zone.path, "%q is not a lower-case domain name without a final dot", zone.name)
		}
	}
	if a.Public == a.Private {
		r.fault("private", "is the public zone: what is private would be served to everyone")
	}
	if a.VPCID == nil {
		r.fault("vpcId", "is not set")
	}
	if a.Account == "" {
		r.fault("account", "is empty")
	}
	if a.QueryLogDays < 0 {
		r.fault("queryLogDays", "is %d, must be 0 (none) or more", a.QueryLogDays)
	}
	if a.QueryLogDays > 0 && a.Virginia == nil {
		r.fault("virginia", "is not set, but queries are logged, which Route 53 does in us-east-1")
	}
	return errors.Join(r.faults...)
}

// NewHosted declares the zones.
func NewHosted(ctx *pulumi.Context, name string, args HostedArgs, opts ...pulumi.ResourceOption) (*HostedZones, error) {
	if err := args.check(); err != nil {
		return nil, fmt.Errorf("dns %q: %w", name, err)
	}
	zones := &HostedZones{}
	if err := ctx.RegisterComponentResource(HostedTypeToken, name, zones, opts...); err != nil {
		return nil, fmt.Errorf("registering dns %q: %w", name, err)
	}
	if err := zones.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building dns %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(zones, pulumi.Map{
		"publicId": zones.PublicID, "privateId": zones.PrivateID, "nameServers": zones.NameServers, "ds": zones.DS,
	}); err != nil {
		return nil, fmt.Errorf("publishing dns %q: %w", name, err)
	}
	return zones, nil
}

func (z *HostedZones) build(ctx *pulumi.Context, name string, args HostedArgs) error {
	guarded := component.Under(z, component.Guard(args.Unprotected).Options()...)
	public, err := route53.NewZone(ctx, name+"-public", &route53.ZoneArgs{
		Name: pulumi.String(args.Public), Comment: pulumi.String("Public names"),
	}, guarded...)
	if err != nil {
		return fmt.Errorf("creating zone %s: %w", args.Public, err)
	}
	private, err := route53.NewZone(ctx, name+"-private", &route53.ZoneArgs{
		Name: pulumi.String(args.Private), Comment: pulumi.String("Names for inside use"),
		Vpcs: route53.ZoneVpcArray{route53.ZoneVpcArgs{VpcId: args.VPCID}},
	}, slices.Clone(guarded)...)
	if err != nil {
		return fmt.Errorf("creating zone %s: %w", args.Private, err)
	}
	z.PublicID, z.PrivateID, z.NameServers = public.ZoneId, private.ZoneId, public.NameServers
	z.DS = pulumi.String("").ToStringOutput()
	if args.SigningKeyARN != nil {
		if err := z.sign(ctx, name, args, public); err != nil {
			return err
		}
	}
	if args.QueryLogDays > 0 {
		return z.log(ctx, name, args, public)
	}
	return nil
}

func (z *HostedZones) sign(ctx *pulumi.Context, name string, args HostedArgs, public *route53.Zone) error {
	key, err := route53.NewKeySigningKey(ctx, name+"-signing-key", &route53.KeySigningKeyArgs{
		HostedZoneId: public.ZoneId, KeyManagementServiceArn: args.SigningKeyARN,
		Name: pulumi.String("slipway"), Status: pulumi.String("ACTIVE"),
	}, component.Under(z)...)
	if err != nil {
		return fmt.Errorf("giving zone %s a signing key: %w", args.Public, err)
	}
	if _, err := route53.NewHostedZoneDnsSec(ctx, name+"-signing", &route53.HostedZoneDnsSecArgs{
		HostedZoneId: public.ZoneId, SigningStatus: pulumi.String("SIGNING"),
	}, component.Under(z, pulumi.DependsOn([]pulumi.Resource{key}))...); err != nil {
		return fmt.Errorf("signing zone %s: %w", args.Public, err)
	}
	z.DS = key.DsRecord
	return nil
}

func (z *HostedZones) log(ctx *pulumi.Context, name string, args HostedArgs, public *route53.Zone) error {
	// The prefix is Route 53's, and what its own policies are written for.
	group := "/aws/route53/" + args.Public
	virginia := pulumi.Provider(args.Virginia)
	logs, err := cloudwatch.NewLogGroup(ctx, name+"-query-logs", &cloudwatch.LogGroupArgs{
		Name: pulumi.String(group), RetentionInDays: pulumi.Int(args.QueryLogDays),
	}, component.Under(z, virginia)...)
	if err != nil {
		return fmt.Errorf("creating log group %s: %w", group, err)
	}
	document, err := grant.Document(grant.Statement{
		Sid: "QueryLogs", Principals: grant.Services("route53.amazonaws.com"),
		Actions:   []string{"logs:CreateLogStream", "logs:PutLogEvents"},
		Resources: []string{fmt.Sprintf("arn:aws:logs:us-east-1:%s:log-group:%s:*", args.Account, group)},
		When:      map[string]grant.Conditions{"StringEquals": {"aws:SourceAccount": {args.Account}}},
	})
	if err != nil {
		return err
	}
	allowed, err := cloudwatch.NewLogResourcePolicy(ctx, name+"-query-logs-policy", &cloudwatch.LogResourcePolicyArgs{
		PolicyName: pulumi.String("route53-" + args.Public), PolicyDocument: pulumi.String(document),
	}, component.Under(z, virginia)...)
	if err != nil {
		return fmt.Errorf("letting Route 53 write to %s: %w", group, err)
	}
	if _, err := route53.NewQueryLog(ctx, name+"-query-log", &route53.QueryLogArgs{
		ZoneId: public.ZoneId, CloudwatchLogGroupArn: logs.Arn,
	}, component.Under(z, pulumi.DependsOn([]pulumi.Resource{allowed}))...); err != nil {
		return fmt.Errorf("logging queries for %s: %w", args.Public, err)
	}
	return nil
}
