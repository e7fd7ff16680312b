package network

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:network:Network"

// Network is a VPC with its subnets.
type Network struct {
	pulumi.ResourceState

	// VPCID is the VPC.
	VPCID pulumi.StringOutput `pulumi:"vpcId"`
	// Public, Private and Intra are subnets, in the order of the zones. They are
	// known when packets can leave them on the way they are meant to.
	Public  pulumi.StringArrayOutput `pulumi:"public"`
	Private pulumi.StringArrayOutput `pulumi:"private"`
	Intra   pulumi.StringArrayOutput `pulumi:"intra"`
}

// tier is one kind of subnet.
type tier string

const (
	public  tier = "public"
	private tier = "private"
	intra   tier = "intra"
)

// New declares a network.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Network, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("network %q: %w", name, err)
	}
	network := &Network{}
	if err := ctx.RegisterComponentResource(TypeToken, name, network, opts...); err != nil {
		return nil, fmt.Errorf("registering network %q: %w", name, err)
	}
	b := &builder{plan: plan, ctx: ctx, name: name, network: network}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("building network %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(network, pulumi.Map{
		"vpcId": network.VPCID, "public": network.Public, "private": network.Private, "intra": network.Intra,
	}); err != nil {
		return nil, fmt.Errorf("publishing network %q: %w", name, err)
	}
	return network, nil
}

// builder holds what the pieces of one network share.
type builder struct {
	plan
	ctx     *pulumi.Context
	name    string
	network *Network
	vpc     *ec2.Vpc
}

func (b *builder) under(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Under(b.network, extra...)
}

// tags name a resource in the console; all else is tagged by the provider.
func (b *builder) tags(role string) pulumi.StringMap {
	return pulumi.StringMap{"Name": pulumi.String(b.Name + "-" + role)}
}

// letter tells a zone from the others of its region.
func (b *builder) letter(i int) string { return b.Zones[i][len(b.Zones[i])-1:] }

func (b *builder) build() error {
	var err error
	b.vpc, err = ec2.NewVpc(b.ctx, b.name+"-vpc", &ec2.VpcArgs{
		CidrBlock: pulumi.String(b.CIDR), Tags: b.tags("vpc"),
		// Endpoints and private zones answer only with both.
		EnableDnsSupport: pulumi.Bool(true), EnableDnsHostnames: pulumi.Bool(true),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the VPC: %w", err)
	}
	b.network.VPCID = b.vpc.ID().ToStringOutput()
	if _, err := ec2.NewDefaultSecurityGroup(b.ctx, b.name+"-default", &ec2.DefaultSecurityGroupArgs{
		VpcId: b.network.VPCID, Tags: b.tags("unused"),
	}, b.under()...); err != nil {
		return fmt.Errorf("emptying the default security group: %w", err)
	}
	if _, err := ec2.NewFlowLog(b.ctx, b.name+"-flow-log", &ec2.FlowLogArgs{
		VpcId: b.network.VPCID, TrafficType: pulumi.String("ALL"), Tags: b.tags("flow-log"),
		LogDestinationType: pulumi.String("s3"), LogDestination: b.FlowLogs.ToStringOutput(),
		MaxAggregationInterval: pulumi.Int(600),
	}, b.under()...); err != nil {
		return fmt.Errorf("recording traffic: %w", err)
	}
	subnets := map[tier][]*ec2.Subnet{}
	for _, kind := range []tier{public, private, intra} {
		if subnets[kind], err = b.tier(kind); err != nil {
			return err
		}
	}
	tables, err := b.routes(subnets)
	if err != nil {
		return err
	}
	return b.endpoints(subnets[private], tables)
}

// tier declares the subnets of one kind.
func (b *builder) tier(kind tier) ([]*ec2.Subnet, error) {
	subnets := make([]*ec2.Subnet, 0, len(b.Zones))
	for i, zone := range b.Zones {
		role := string(kind) + "-" + b.letter(i)
		tags := b.tags(role)
		cidr := b.subnets[i].Intra
		switch kind {
		case public:
			cidr = b.subnets[i].Public
			tags["kubernetes.io/role/elb"] = pulumi.String("1")
		case private:
			cidr = b.subnets[i].Private
			tags["kubernetes.io/role/internal-elb"] = pulumi.String("1")
		}
		tags["kubernetes.io/cluster/"+b.Cluster] = pulumi.String("shared")
		made, err := ec2.NewSubnet(b.ctx, b.name+"-"+role, &ec2.SubnetArgs{
			VpcId: b.network.VPCID, CidrBlock: pulumi.String(cidr.String()), AvailabilityZone: pulumi.String(zone),
			// Not even in public subnets: load balancers and gateways bring their own.
			MapPublicIpOnLaunch: pulumi.Bool(false), Tags: tags,
		}, b.under()...)
		if err != nil {
			return nil, fmt.Errorf("creating subnet %s: %w", role, err)
		}
		subnets = append(subnets, made)
	}
	return subnets, nil
}
