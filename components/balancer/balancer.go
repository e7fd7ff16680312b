package balancer

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/autoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:balancer:Balancer"

// Args describes a balancer.
type Args struct {
	// VPCID and Subnets are where it stands: public subnets, one for each zone.
	// Required.
	VPCID   pulumi.StringInput
	Subnets pulumi.StringArrayInput
	// NodeSecurityGroupID is that of the nodes, which are opened to the balancer
	// and to nobody else. Required.
	NodeSecurityGroupID pulumi.StringInput
	// Nodes are the autoscaling groups whose machines are targets, by name. At
	// least one.
	Nodes map[string]pulumi.StringOutput
	// Doors are the ports clients use and the ports of nodes they lead to. At
	// least one.
	Doors []Door
	// HealthPort is where a node answers over HTTP whether it has a proxy.
	// Required.
	HealthPort int
	// HealthSeconds is how often it is asked, 5 to 300. Required.
	HealthSeconds int
	// UnhealthyCount is how many refusals take a node out, 2 to 10. Required.
	UnhealthyCount int
	// DrainSeconds is how long a node that leaves may finish what it has begun.
	// Required; at least what its proxies take.
	DrainSeconds int
	// Clients are the networks that may come in. Default: any.
	Clients []string
	// Unprotected lets the balancer be deleted. Default: AWS refuses to.
	Unprotected bool
}

// Door leads from a port of the balancer to a port of the nodes.
type Door struct {
	// Name tells doors apart, such as "https".
	Name string
	// Port is the one that clients use, NodePort that of the nodes.
	Port, NodePort int
}

// Balancer is a network load balancer.
type Balancer struct {
	pulumi.ResourceState

	// DNSName is where clients find it.
	DNSName pulumi.StringOutput `pulumi:"dnsName"`
}

// Check reports every fault of the arguments, each with its path.
func (args Args) Check() error {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	if args.VPCID == nil || args.Subnets == nil || args.NodeSecurityGroupID == nil {
		fault("vpcId", "subnets and nodeSecurityGroupId must all be set")
	}
	if len(args.Nodes) == 0 {
		fault("nodes", "is empty: there would be no targets")
	}
	if len(args.Doors) == 0 {
		fault("doors", "is empty: nobody could come in")
	}
	for i, door := range args.Doors {
		at := fmt.Sprintf("doors[%d]", i)
		if door.Name == "" || door.Port < 1 || door.Port > 65535 {
			fault(at, "needs a name and a port from 1 to 65535, has %q and %d", door.Name, door.Port)
		}
		if door.NodePort < 30000 || door.NodePort > 32767 {
			fault(at+".nodePort", "is %d, must be 30000 to 32767", door.NodePort)
		}
	}
	for _, bounded := range []struct {
		path             string
		value, low, high int
	}{
		{"healthPort", args.HealthPort, 30000, 32767}, {"healthSeconds", args.HealthSeconds, 5, 300},
		{"unhealthyCount", args.UnhealthyCount, 2, 10}, {"drainSeconds", args.DrainSeconds, 1, 3600},
	} {
		if bounded.value < bounded.low || bounded.value > bounded.high {
			fault(bounded.path, "is %d, must be %d to %d", bounded.value, bounded.low, bounded.high)
		}
	}
	for i, network := range args.Clients {
		if prefix, err := netip.ParsePrefix(network); err != nil || !prefix.Addr().Is4() {
			fault(fmt.Sprintf("clients[%d]", i), "%q is not a network such as 198.51.100.0/24", network)
		}
	}
	return errors.Join(faults...)
}

// New declares a balancer.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Balancer, error) {
	if err := args.Check(); err != nil {
		return nil, fmt.Errorf("balancer %q: %w", name, err)
	}
	balancer := &Balancer{}
	if err := ctx.RegisterComponentResource(TypeToken, name, balancer, opts...); err != nil {
		return nil, fmt.Errorf("registering balancer %q: %w", name, err)
	}
	if err := balancer.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building balancer %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(balancer, pulumi.Map{"dnsName": balancer.DNSName}); err != nil {
		return nil, fmt.Errorf("publishing balancer %q: %w", name, err)
	}
	return balancer, nil
}

func (b *Balancer) build(ctx *pulumi.Context, name string, args Args) error {
	group, err := b.rules(ctx, name, args)
	if err != nil {
		return err
	}
	made, err := lb.NewLoadBalancer(ctx, name+"-nlb", &lb.LoadBalancerArgs{
		LoadBalancerType: pulumi.String("network"), Internal: pulumi.Bool(false),
		Subnets: args.Subnets, SecurityGroups: pulumi.StringArray{group.ID()},
		// A zone whose proxies are gone goes on answering.
		EnableCrossZoneLoadBalancing: pulumi.Bool(true),
		EnableDeletionProtection:     pulumi.Bool(!args.Unprotected),
	}, component.Under(b)...)
	if err != nil {
		return fmt.Errorf("creating the load balancer: %w", err)
	}
	b.DNSName = made.DnsName
	for _, door := range args.Doors {
		if err := b.door(ctx, name, args, door, made); err != nil {
			return fmt.Errorf("opening %s: %w", door.Name, err)
		}
	}
	return nil
}

// door leads one port of the balancer to the nodes.
func (b *Balancer) door(ctx *pulumi.Context, name string, args Args, door Door, balancer *lb.LoadBalancer) error {
	targets, err := lb.NewTargetGroup(ctx, name+"-"+door.Name, &lb.TargetGroupArgs{
		VpcId: args.VPCID.ToStringOutput(), TargetType: pulumi.String("instance"),
		Protocol: pulumi.String("TCP"), Port: pulumi.Int(door.NodePort),
		PreserveClientIp:    pulumi.String("true"),
		DeregistrationDelay: pulumi.Int(args.DrainSeconds),
		HealthCheck: lb.TargetGroupHealthCheckArgs{
			Protocol: pulumi.String("HTTP"), Path: pulumi.String("/healthz"), Port: pulumi.String(strconv.Itoa(args.HealthPort)),
			Interval: pulumi.Int(args.HealthSeconds), Timeout: pulumi.Int(min(args.HealthSeconds, 6)),
			HealthyThreshold: pulumi.Int(2), UnhealthyThreshold: pulumi.Int(args.UnhealthyCount), Matcher: pulumi.String("200"),
		},
		TargetHealthStates: lb.TargetGroupTargetHealthStateArray{lb.TargetGroupTargetHealthStateArgs{
			// See doc.go: unhealthy means "nothing new", not "cut off".
			EnableUnhealthyConnectionTermination: pulumi.Bool(false),
			UnhealthyDrainingInterval:            pulumi.Int(args.DrainSeconds),
		}},
	}, component.Under(b)...)
	if err != nil {
		return fmt.Errorf("creating the target group: %w", err)
	}
	if _, err := lb.NewListener(ctx, name+"-"+door.Name+"-listener", &lb.ListenerArgs{
		LoadBalancerArn: balancer.Arn, Protocol: pulumi.String("TCP"), Port: pulumi.Int(door.Port),
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("forward"), TargetGroupArn: targets.Arn,
		}},
	}, component.Under(b)...); err != nil {
		return fmt.Errorf("creating the listener: %w", err)
	}
	for _, nodes := range slices.Sorted(maps.Keys(args.Nodes)) {
		if _, err := autoscaling.NewAttachment(ctx, name+"-"+door.Name+"-"+nodes, &autoscaling.AttachmentArgs{
			AutoscalingGroupName: args.Nodes[nodes], LbTargetGroupArn: targets.Arn,
		}, component.Under(b)...); err != nil {
			return fmt.Errorf("making nodes %s targets: %w", nodes, err)
		}
	}
	return nil
}

// rules let clients reach the balancer, and the balancer the nodes.
func (b *Balancer) rules(ctx *pulumi.Context, name string, args Args) (*ec2.SecurityGroup, error) {
	group, err := ec2.NewSecurityGroup(ctx, name+"-group", &ec2.SecurityGroupArgs{
		VpcId: args.VPCID.ToStringOutput(), Description: pulumi.String("The way in"),
		Tags: pulumi.StringMap{"Name": pulumi.String(name)},
	}, component.Under(b)...)
	if err != nil {
		return nil, fmt.Errorf("creating the security group: %w", err)
	}
	clients := slices.Clone(args.Clients)
	if len(clients) == 0 {
		clients = []string{"0.0.0.0/0"}
	}
	inside := []Door{{Name: "health", NodePort: args.HealthPort}}
	for _, door := range args.Doors {
		inside = append(inside, door)
		for _, network := range clients {
			if _, err := vpc.NewSecurityGroupIngressRule(ctx, fmt.Sprintf("%s-%s-from-%s", name, door.Name, network),
				&vpc.SecurityGroupIngressRuleArgs{
					SecurityGroupId: group.ID(), CidrIpv4: pulumi.String(network), IpProtocol: pulumi.String("tcp"),
					FromPort: pulumi.Int(door.Port), ToPort: pulumi.Int(door.Port), Description: pulumi.String("Clients to " + door.Name),
				}, component.Under(b)...); err != nil {
				return nil, fmt.Errorf("letting %s in: %w", network, err)
			}
		}
	}
	for _, door := range inside {
		if _, err := vpc.NewSecurityGroupEgressRule(ctx, name+"-to-nodes-"+door.Name, &vpc.SecurityGroupEgressRuleArgs{
			SecurityGroupId: group.ID(), ReferencedSecurityGroupId: args.NodeSecurityGroupID.ToStringOutput(),
			IpProtocol: pulumi.String("tcp"), FromPort: pulumi.Int(door.NodePort), ToPort: pulumi.Int(door.NodePort),
			Description: pulumi.String("To nodes, " + door.Name),
		}, component.Under(b)...); err != nil {
			return nil, fmt.Errorf("letting the balancer reach the nodes: %w", err)
		}
		if _, err := vpc.NewSecurityGroupIngressRule(ctx, name+"-nodes-"+door.Name, &vpc.SecurityGroupIngressRuleArgs{
			SecurityGroupId: args.NodeSecurityGroupID, ReferencedSecurityGroupId: group.ID(),
			IpProtocol: pulumi.String("tcp"), FromPort: pulumi.Int(door.NodePort), ToPort: pulumi.Int(door.NodePort),
			Description: pulumi.String("From the load balancer, " + door.Name),
		}, component.Under(b)...); err != nil {
			return nil, fmt.Errorf("opening the nodes to the balancer: %w", err)
		}
	}
	return group, nil
}
