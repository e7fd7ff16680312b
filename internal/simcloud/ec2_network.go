package simcloud

import (
	"net/netip"
	"slices"
	"time"
)

var (
	vpc              = token("ec2", "Vpc")
	subnet           = token("ec2", "Subnet")
	routeTable       = token("ec2", "RouteTable")
	tableAssociation = token("ec2", "RouteTableAssociation")
	route            = token("ec2", "Route")
	securityGroup    = token("ec2", "SecurityGroup")
)

func networkKinds() []*kind {
	return []*kind{
		{
			token: vpc, called: "VPC", action: "ec2:CreateVpc", prefix: "vpc", missing: "InvalidVpcID.NotFound", quota: "vpcs",
			arn:     "arn:{partition}:ec2:{region}:{account}:vpc/{id}",
			replace: words("cidrBlock ipv4IpamPoolId ipv4NetmaskLength"),
			defaults: Props{
				"enableDnsSupport": true, "enableDnsHostnames": false, "instanceTenancy": "default",
				"enableNetworkAddressUsageMetrics": false,
			},
			rules: []rule{oneOf("instanceTenancy", "default", "dedicated")},
			check: all(checkCIDR("cidrBlock", 16, 28), exactly(false, "cidrBlock", "ipv4IpamPoolId"), func(in Props, report fault) {
				if in.Flag("enableDnsHostnames") && in["enableDnsSupport"] == false {
					report("enableDnsHostnames", "is true, which needs enableDnsSupport")
				}
			}),
			create: func(o *op) error {
				for _, name := range []string{"mainRouteTableId", "defaultRouteTableId"} {
					o.keep(name, "rtb-"+digest(17, "rtb", o.record.ID))
				}
				o.keep("defaultNetworkAclId", "acl-"+digest(17, "acl", o.record.ID))
				o.keep("defaultSecurityGroupId", "sg-"+digest(17, "sg", o.record.ID))
				o.keep("dhcpOptionsId", "dopt-"+digest(17, o.record.Account, o.record.Region))
				return nil
			},
			creating: 3 * time.Second, deleting: time.Second,
		},
		{
			token: subnet, called: "subnet", action: "ec2:CreateSubnet", prefix: "subnet", missing: "InvalidSubnetID.NotFound",
			arn:     "arn:{partition}:ec2:{region}:{account}:subnet/{id}",
			replace: words("vpcId cidrBlock availabilityZone availabilityZoneId ipv6Native outpostArn"),
			defaults: Props{
				"mapPublicIpOnLaunch": false, "assignIpv6AddressOnCreation": false, "enableDns64": false, "ipv6Native": false,
				"enableResourceNameDnsAaaaRecordOnLaunch": false, "enableResourceNameDnsARecordOnLaunch": false,
				"privateDnsHostnameTypeOnLaunch": "ip-name",
			},
			refs:     []ref{{path: "vpcId", token: vpc}},
			check:    all(checkCIDR("cidrBlock", 16, 28), exactly(true, "availabilityZone", "availabilityZoneId")),
			create:   createSubnet,
			update:   func(*op) error { return nil },
			creating: time.Second, deleting: time.Second,
		},
		{
			token: routeTable, called: "route table", action: "ec2:CreateRouteTable", prefix: "rtb", missing: "InvalidRouteTableID.NotFound",
			arn: "arn:{partition}:ec2:{region}:{account}:route-table/{id}", replace: words("vpcId"),
			refs:  []ref{{path: "vpcId", token: vpc}, {path: "routes[].gatewayId", token: internetGateway, code: "InvalidGatewayID.NotFound"}, {path: "routes[].natGatewayId", token: natGateway}},
			check: checkCIDR("routes[].cidrBlock", 0, 32),
			create: func(o *op) error {
				for _, r := range o.in.Objects("routes") {
					if err := o.reachable(o.in.Text("vpcId"), r.Text("gatewayId"), r.Text("natGatewayId")); err != nil {
						return err
					}
				}
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: tableAssociation, called: "route table association", action: "ec2:AssociateRouteTable", prefix: "rtbassoc",
			missing: "InvalidAssociationID.NotFound", replace: words("subnetId gatewayId"),
			refs:  []ref{{path: "subnetId", token: subnet}, {path: "routeTableId", token: routeTable}, {path: "gatewayId", token: internetGateway}},
			check: exactly(false, "subnetId", "gatewayId"),
			create: func(o *op) error {
				if s := o.target("subnetId"); s != nil {
					if table := o.target("routeTableId"); s.Properties["vpcId"] != table.Properties["vpcId"] {
						return refuse("InvalidParameterValue", "route table %s and subnet %s belong to different networks", table.ID, s.ID)
					}
					for _, other := range o.find(tableAssociation) {
						if other.ID != o.record.ID && other.Properties["subnetId"] == s.ID {
							return refuse("Resource.AlreadyAssociated", "the specified association for subnet %s conflicts with an existing association %s", s.ID, other.ID)
						}
					}
				}
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: route, called: "route", action: "ec2:CreateRoute", prefix: "r", missing: "InvalidRoute.NotFound",
			id:      "r-{routeTableId}-{destinationCidrBlock}{destinationIpv6CidrBlock}{destinationPrefixListId}",
			replace: words("routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId"), taken: "RouteAlreadyExists",
			refs: []ref{
				{path: "routeTableId", token: routeTable}, {path: "gatewayId", token: internetGateway, code: "InvalidGatewayID.NotFound"},
				{path: "natGatewayId", token: natGateway}, {path: "vpcEndpointId", token: vpcEndpoint},
			},
			outputs: map[string]string{"origin": "CreateRoute", "state": "active"},
			check: all(
				checkCIDR("destinationCidrBlock", 0, 32), checkCIDR("destinationIpv6CidrBlock", 0, 128),
				exactly(false, "destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId"),
				exactly(false, "gatewayId", "natGatewayId", "egressOnlyGatewayId", "vpcEndpointId", "transitGatewayId",
					"vpcPeeringConnectionId", "networkInterfaceId", "carrierGatewayId", "localGatewayId", "coreNetworkArn"),
			),
			create: createRoute, creating: time.Second, deleting: time.Second,
		},
	}
}

// keep sets an output unless an earlier creation did.
func (o *op) keep(name string, value any) {
	if o.out[name] == nil {
		o.out[name] = value
	}
}

func createSubnet(o *op) error {
	parent := o.target("vpcId")
	own, err := network(o.in.Text("cidrBlock"))
	if err != nil {
		return refuse("InvalidParameterValue", "cidrBlock %v", err)
	}
	around, err := network(parent.Properties.Text("cidrBlock"))
	if err != nil || !around.Contains(own.Addr()) || own.Bits() < around.Bits() {
		return refuse("InvalidSubnet.Range", "the CIDR '%s' is invalid: it is not within %s of VPC %s", own, around, parent.ID)
	}
	siblings := 0
	for _, other := range o.find(subnet) {
		if other.Properties["vpcId"] != parent.ID {
			continue
		}
		siblings++
		if prefix, err := netip.ParsePrefix(other.Properties.Text("cidrBlock")); err == nil && prefix.Overlaps(own) {
			return refuse("InvalidSubnet.Conflict", "the CIDR '%s' conflicts with another subnet: %s has %s", own, other.ID, prefix)
		}
	}
	if siblings >= o.quota("subnetsOfVpc") {
		return refuse("SubnetLimitExceeded", "the VPC %s has %d subnets: the quota subnetsOfVpc is reached", parent.ID, siblings)
	}
	zones := zonesOf(o.p.region)
	zone := o.in.Text("availabilityZone")
	for _, candidate := range zones {
		if zoneID(candidate) == o.in.Text("availabilityZoneId") {
			zone = candidate
		}
	}
	if zone == "" {
		zone = zones[0]
	}
	if !slices.Contains(zones, zone) {
		return refuse("InvalidParameterValue", "value (%s) for parameter availabilityZone is invalid; subnets can be created in %v", zone, zones)
	}
	o.out["availabilityZone"], o.out["availabilityZoneId"] = zone, zoneID(zone)
	return nil
}

func createRoute(o *op) error {
	table := o.target("routeTableId")
	home := o.lookup(vpc, table.Properties.Text("vpcId"))
	if home != nil && home.Properties["cidrBlock"] == o.in["destinationCidrBlock"] {
		return refuse("RouteAlreadyExists", "the destination %s is the local route of %s", o.in["destinationCidrBlock"], table.ID)
	}
	for _, r := range table.Properties.Objects("routes") {
		if r["cidrBlock"] != nil && r["cidrBlock"] == o.in["destinationCidrBlock"] {
			return refuse("RouteAlreadyExists", "the route identified by %s already exists in %s", r["cidrBlock"], table.ID)
		}
	}
	return o.reachable(table.Properties.Text("vpcId"), o.in.Text("gatewayId"), o.in.Text("natGatewayId"))
}

// reachable refuses a gateway that another network owns.
func (o *op) reachable(vpcID, gatewayID, natID string) error {
	if g := o.lookup(internetGateway, gatewayID); gatewayID != "" && g != nil && g.Properties["vpcId"] != vpcID {
		return refuse("InvalidParameterValue", "the route table and the network gateway %s belong to different networks", gatewayID)
	}
	if n := o.lookup(natGateway, natID); natID != "" && n != nil {
		if s := o.lookup(subnet, n.Properties.Text("subnetId")); s == nil || s.Properties["vpcId"] != vpcID {
			return refuse("InvalidParameterValue", "the route table and the NAT gateway %s belong to different networks", natID)
		}
	}
	return nil
}
