package network

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// everywhere is the route of last resort.
const everywhere = "0.0.0.0/0"

// table makes a route table for subnets and ties them to it. What it returns is
// what has to exist before packets take that way.
func (b *builder) table(role string, subnets []*ec2.Subnet) (*ec2.RouteTable, []pulumi.Resource, error) {
	made, err := ec2.NewRouteTable(b.ctx, b.name+"-"+role+"-routes", &ec2.RouteTableArgs{
		VpcId: b.network.VPCID, Tags: b.tags(role),
	}, b.under()...)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the routes of %s: %w", role, err)
	}
	var ways []pulumi.Resource
	for i, subnet := range subnets {
		name := b.name + "-" + role + "-routed"
		if len(subnets) > 1 {
			name = b.name + "-" + role + "-" + b.letter(i) + "-routed"
		}
		tied, err := ec2.NewRouteTableAssociation(b.ctx, name, &ec2.RouteTableAssociationArgs{
			SubnetId: subnet.ID(), RouteTableId: made.ID(),
		}, b.under()...)
		if err != nil {
			return nil, nil, fmt.Errorf("tying subnets of %s to their routes: %w", role, err)
		}
		ways = append(ways, tied)
	}
	return made, ways, nil
}

// routes lets each tier out the way it is meant to go, and publishes the
// subnets once they are ready for it.
func (b *builder) routes(subnets map[tier][]*ec2.Subnet) ([]*ec2.RouteTable, error) {
	gateway, err := ec2.NewInternetGateway(b.ctx, b.name+"-internet", &ec2.InternetGatewayArgs{
		VpcId: b.network.VPCID, Tags: b.tags("internet"),
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("creating the internet gateway: %w", err)
	}
	outside, ways, err := b.table(string(public), subnets[public])
	if err != nil {
		return nil, err
	}
	out, err := ec2.NewRoute(b.ctx, b.name+"-public-out", &ec2.RouteArgs{
		RouteTableId: outside.ID(), DestinationCidrBlock: pulumi.String(everywhere), GatewayId: gateway.ID(),
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("routing the public subnets: %w", err)
	}
	ways = append(ways, out)
	b.network.Public = ready(subnets[public], ways)

	nats, err := b.nats(subnets[public], out)
	if err != nil {
		return nil, err
	}
	var tables []*ec2.RouteTable
	ways = nil
	for i := range b.Zones {
		role := string(private) + "-" + b.letter(i)
		table, tied, err := b.table(role, subnets[private][i:i+1])
		if err != nil {
			return nil, err
		}
		tables, ways = append(tables, table), append(ways, tied...)
		if len(nats) == 0 {
			continue
		}
		out, err := ec2.NewRoute(b.ctx, b.name+"-"+role+"-out", &ec2.RouteArgs{
			RouteTableId: table.ID(), DestinationCidrBlock: pulumi.String(everywhere),
			NatGatewayId: nats[min(i, len(nats)-1)].ID(),
		}, b.under()...)
		if err != nil {
			return nil, fmt.Errorf("routing %s: %w", role, err)
		}
		ways = append(ways, out)
	}
	b.network.Private = ready(subnets[private], ways)

	inside, ways, err := b.table(string(intra), subnets[intra])
	if err != nil {
		return nil, err
	}
	b.network.Intra = ready(subnets[intra], ways)
	return append(tables, inside), nil
}

// nats are the gateways of private subnets, one for each zone or one for all.
func (b *builder) nats(subnets []*ec2.Subnet, out pulumi.Resource) ([]*ec2.NatGateway, error) {
	count := map[NAT]int{OneNAT: 1, NATPerZone: len(b.Zones)}[b.NAT]
	nats := make([]*ec2.NatGateway, 0, count)
	for i := range count {
		role := "nat-" + b.letter(i)
		address, err := ec2.NewEip(b.ctx, b.name+"-"+role+"-address", &ec2.EipArgs{
			Domain: pulumi.String("vpc"), Tags: b.tags(role),
		}, b.under()...)
		if err != nil {
			return nil, fmt.Errorf("creating the address of %s: %w", role, err)
		}
		made, err := ec2.NewNatGateway(b.ctx, b.name+"-"+role, &ec2.NatGatewayArgs{
			AllocationId: address.ID(), SubnetId: subnets[i].ID(), Tags: b.tags(role),
		}, b.under(pulumi.DependsOn([]pulumi.Resource{out}))...)
		if err != nil {
			return nil, fmt.Errorf("creating %s: %w", role, err)
		}
		nats = append(nats, made)
	}
	return nats, nil
}

// ready are the IDs of subnets once everything in after exists.
func ready(subnets []*ec2.Subnet, after []pulumi.Resource) pulumi.StringArrayOutput {
	inputs := make([]any, 0, len(subnets)+len(after))
	for _, subnet := range subnets {
		inputs = append(inputs, subnet.ID())
	}
	for _, resource := range after {
		inputs = append(inputs, resource.URN())
	}
	count := len(subnets)
	return pulumi.All(inputs...).ApplyT(func(known []any) ([]string, error) {
		ids := make([]string, 0, count)
		for _, value := range known[:count] {
			id, ok := value.(pulumi.ID)
			if !ok {
				return nil, fmt.Errorf("a subnet's ID is a %T", value)
			}
			ids = append(ids, string(id))
		}
		return ids, nil
	}).(pulumi.StringArrayOutput)
}

// endpoints give services of AWS an address inside.
func (b *builder) endpoints(subnets []*ec2.Subnet, tables []*ec2.RouteTable) error {
	ids := pulumi.StringArray{}
	for _, table := range tables {
		ids = append(ids, table.ID())
	}
	if _, err := ec2.NewVpcEndpoint(b.ctx, b.name+"-s3", &ec2.VpcEndpointArgs{
		VpcId: b.network.VPCID, VpcEndpointType: pulumi.String("Gateway"), RouteTableIds: ids,
		ServiceName: pulumi.String("com.amazonaws." + b.Region + ".s3"), Tags: b.tags("s3"),
	}, b.under()...); err != nil {
		return fmt.Errorf("creating the endpoint of S3: %w", err)
	}
	if len(b.Endpoints) == 0 {
		return nil
	}
	group, err := ec2.NewSecurityGroup(b.ctx, b.name+"-endpoints", &ec2.SecurityGroupArgs{
		VpcId: b.network.VPCID, Description: pulumi.String("Endpoints of AWS services"), Tags: b.tags("endpoints"),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the endpoints' security group: %w", err)
	}
	if _, err := vpc.NewSecurityGroupIngressRule(b.ctx, b.name+"-endpoints-in", &vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId: group.ID(), CidrIpv4: pulumi.String(b.CIDR), IpProtocol: pulumi.String("tcp"),
		FromPort: pulumi.Int(443), ToPort: pulumi.Int(443), Description: pulumi.String("From inside the VPC"),
	}, b.under()...); err != nil {
		return fmt.Errorf("opening the endpoints to the VPC: %w", err)
	}
	var inside pulumi.StringArray
	for _, subnet := range subnets {
		inside = append(inside, subnet.ID())
	}
	for _, name := range b.Endpoints {
		if _, err := ec2.NewVpcEndpoint(b.ctx, b.name+"-endpoint-"+name, &ec2.VpcEndpointArgs{
			VpcId: b.network.VPCID, VpcEndpointType: pulumi.String("Interface"), SubnetIds: inside,
			ServiceName:       pulumi.String("com.amazonaws." + b.Region + "." + name),
			PrivateDnsEnabled: pulumi.Bool(true), SecurityGroupIds: pulumi.StringArray{group.ID()}, Tags: b.tags(name),
		}, b.under()...); err != nil {
			return fmt.Errorf("creating the endpoint of %s: %w", name, err)
		}
	}
	return nil
}
