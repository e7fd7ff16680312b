package simcloud

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	internetGateway = token("ec2", "InternetGateway")
	natGateway      = token("ec2", "NatGateway")
	elasticIP       = token("ec2", "Eip")
	vpcEndpoint     = token("ec2", "VpcEndpoint")
)

// gatewayServices are reached through route tables; all others through network
// interfaces.
var gatewayServices = []string{"s3", "dynamodb"}

// endpointServices are those that a platform of this kind reaches privately.
var endpointServices = words(`s3 dynamodb ecr.api ecr.dkr ec2 ec2messages sts logs monitoring kms eks eks-auth
	elasticloadbalancing autoscaling ssm ssmmessages secretsmanager sqs sns events xray guardduty-data acm-pca route53`)

func gatewayKinds() []*kind {
	return []*kind{
		{
			token: internetGateway, called: "internet gateway", action: "ec2:CreateInternetGateway", prefix: "igw",
			missing: "InvalidInternetGatewayID.NotFound", quota: "internetGateways",
			arn: "arn:{partition}:ec2:{region}:{account}:internet-gateway/{id}", refs: []ref{{path: "vpcId", token: vpc}},
			create: func(o *op) error {
				for _, other := range o.find(internetGateway) {
					if other.ID != o.record.ID && o.in["vpcId"] != nil && other.Properties["vpcId"] == o.in["vpcId"] {
						return refuse("Resource.AlreadyAssociated", "the VPC %s already has an internet gateway attached: %s", o.in["vpcId"], other.ID)
					}
				}
				return nil
			},
			remove: func(o *op) error {
				for _, nat := range o.find(natGateway) {
					s := o.lookup(subnet, nat.Properties.Text("subnetId"))
					if s != nil && s.Properties["vpcId"] == o.out["vpcId"] && nat.Properties["connectivityType"] == "public" {
						return refuse("DependencyViolation", "the network %s has some mapped public address: unmap that of %s before detaching the gateway", o.out["vpcId"], nat.ID)
					}
				}
				return nil
			},
			creating: time.Second, deleting: 10 * time.Second,
		},
		{
			token: elasticIP, called: "elastic IP address", action: "ec2:AllocateAddress", prefix: "eipalloc",
			missing: "InvalidAllocationID.NotFound", quota: "addresses",
			arn: "arn:{partition}:ec2:{region}:{account}:elastic-ip/{id}", replace: words("domain address publicIpv4Pool networkBorderGroup ipamPoolId"),
			defaults: Props{"domain": "vpc"}, rules: []rule{oneOf("domain", "vpc")},
			create: func(o *op) error {
				sum := []byte(digest(6, o.record.ID))
				o.keep("publicIp", fmt.Sprintf("203.0.113.%d", int(sum[0])%100+int(sum[1])%100+int(sum[2])%50))
				o.keep("allocationId", o.record.ID)
				o.keep("networkBorderGroup", o.p.region)
				o.keep("publicIpv4Pool", "amazon")
				o.keep("publicDns", "ec2-"+strings.ReplaceAll(o.out.Text("publicIp"), ".", "-")+"."+o.p.region+".compute.amazonaws.com")
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: natGateway, called: "NAT gateway", action: "ec2:CreateNatGateway", prefix: "nat", missing: "NatGatewayNotFound", quota: "natGateways",
			replace:  words("subnetId allocationId connectivityType privateIp"),
			defaults: Props{"connectivityType": "public"}, rules: []rule{oneOf("connectivityType", "public", "private")},
			refs: []ref{{path: "subnetId", token: subnet}, {path: "allocationId", token: elasticIP}},
			check: func(in Props, report fault) {
				if public := in["connectivityType"] == "public"; public == (in["allocationId"] == nil) && !IsUnknown(in["allocationId"]) {
					report("allocationId", "must be set for a public NAT gateway, and not for a private one")
				}
			},
			create: createNAT, update: func(*op) error { return nil },
			creating: 100 * time.Second, deleting: 50 * time.Second,
		},
		{
			token: vpcEndpoint, called: "VPC endpoint", action: "ec2:CreateVpcEndpoint", prefix: "vpce", missing: "InvalidVpcEndpointId.NotFound", quota: "endpoints",
			arn: "arn:{partition}:ec2:{region}:{account}:vpc-endpoint/{id}", replace: words("serviceName vpcId vpcEndpointType serviceRegion"),
			defaults: Props{"vpcEndpointType": "Gateway", "privateDnsEnabled": false},
			outputs:  map[string]string{"state": "available", "ipAddressType": "ipv4"},
			rules:    []rule{oneOf("vpcEndpointType", "Gateway", "Interface", "GatewayLoadBalancer")},
			refs: []ref{
				{path: "vpcId", token: vpc}, {path: "routeTableIds[]", token: routeTable}, {path: "subnetIds[]", token: subnet},
				{path: "securityGroupIds[]", token: securityGroup},
			},
			check: checkEndpoint, create: createEndpoint, creating: 60 * time.Second, updating: 20 * time.Second, deleting: 60 * time.Second,
		},
	}
}

func createNAT(o *op) error {
	place := o.target("subnetId")
	if o.out["connectivityType"] == "public" {
		attached := slices.ContainsFunc(o.find(internetGateway), func(g *Record) bool { return g.Properties["vpcId"] == place.Properties["vpcId"] })
		if !attached {
			return refuse("Gateway.NotAttached", "the network %s has no internet gateway attached", place.Properties["vpcId"])
		}
		for _, other := range o.find(natGateway) {
			if other.Properties["allocationId"] == o.in["allocationId"] {
				return refuse("Resource.AlreadyAssociated", "the elastic IP address %s is already associated with %s", o.in["allocationId"], other.ID)
			}
		}
		o.out["publicIp"] = o.target("allocationId").Properties["publicIp"]
		o.keep("associationId", "eipassoc-"+digest(17, o.record.ID))
	}
	if prefix, err := network(place.Properties.Text("cidrBlock")); err == nil {
		o.keep("privateIp", prefix.Addr().Next().Next().Next().Next().Next().String())
	}
	o.keep("networkInterfaceId", "eni-"+digest(17, o.record.ID))
	return nil
}

func serviceOf(in Props) string {
	parts := strings.SplitN(in.Text("serviceName"), ".", 4)
	if len(parts) != 4 {
		return ""
	}
	return parts[3]
}

func checkEndpoint(in Props, report fault) {
	if IsUnknown(in["serviceName"]) {
		return
	}
	service := serviceOf(in)
	if !strings.HasPrefix(in.Text("serviceName"), "com.amazonaws.") || !slices.Contains(endpointServices, service) {
		report("serviceName", fmt.Sprintf("is %q, which is no service that the simulation knows: com.amazonaws.REGION. and one of %s",
			in.Text("serviceName"), strings.Join(endpointServices, ", ")))
		return
	}
	gateway := in["vpcEndpointType"] == "Gateway"
	switch {
	case gateway && !slices.Contains(gatewayServices, service):
		report("vpcEndpointType", "is Gateway, which "+service+" does not have; use Interface")
	case gateway && !empty(in["subnetIds"]):
		report("subnetIds", "is only for endpoints of type Interface")
	case gateway && !empty(in["securityGroupIds"]):
		report("securityGroupIds", "is only for endpoints of type Interface")
	case gateway && in.Flag("privateDnsEnabled"):
		report("privateDnsEnabled", "is only for endpoints of type Interface")
	case !gateway && !empty(in["routeTableIds"]):
		report("routeTableIds", "is only for endpoints of type Gateway")
	}
	checkPolicy(resourcePolicy, "policy", in["policy"], report)
}

func createEndpoint(o *op) error {
	if want := "com.amazonaws." + o.p.region + "." + serviceOf(o.in); o.in.Text("serviceName") != want {
		return refuse("InvalidServiceName", "the VPC endpoint service %s does not exist; here it is %s", o.in.Text("serviceName"), want)
	}
	home := o.target("vpcId")
	if err := o.sameVPC(home.ID, "subnetIds[]", "securityGroupIds[]", "routeTableIds[]"); err != nil {
		return err
	}
	zones := map[any]bool{}
	for _, id := range o.in.Texts("subnetIds") {
		zone := o.lookup(subnet, id).Properties["availabilityZone"]
		if zones[zone] {
			return refuse("DuplicateSubnetsInSameZone", "found another VPC endpoint subnet in the availability zone %s", zone)
		}
		zones[zone] = true
	}
	if o.in.Flag("privateDnsEnabled") && (!home.Properties.Flag("enableDnsSupport") || !home.Properties.Flag("enableDnsHostnames")) {
		return refuse("InvalidParameter", "enabling private DNS requires both enableDnsSupport and enableDnsHostnames of %s", home.ID)
	}
	for _, other := range o.find(vpcEndpoint) {
		if other.ID == o.record.ID || other.Properties["vpcId"] != home.ID || other.Properties["serviceName"] != o.in["serviceName"] {
			continue
		}
		if o.in.Flag("privateDnsEnabled") && other.Properties.Flag("privateDnsEnabled") {
			return refuse("InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in %s", o.in["serviceName"], home.ID)
		}
		for _, id := range o.in.Texts("routeTableIds") {
			if slices.Contains(other.Properties.Texts("routeTableIds"), id) {
				return refuse("RouteAlreadyExists", "route table %s already has a route for %s", id, o.in["serviceName"])
			}
		}
	}
	if o.out["vpcEndpointType"] == "Gateway" {
		o.keep("prefixListId", "pl-"+digest(8, o.p.region, serviceOf(o.in)))
		return nil
	}
	o.keep("dnsEntries", []any{map[string]any{
		"dnsName":      o.record.ID + "-" + digest(8, o.record.ID) + "." + serviceOf(o.in) + "." + o.p.region + ".vpce.amazonaws.com",
		"hostedZoneId": "Z" + strings.ToUpper(digest(13, o.p.region)),
	}})
	if len(o.in.Texts("securityGroupIds")) == 0 {
		o.out["securityGroupIds"] = []any{home.Properties["defaultSecurityGroupId"]}
	}
	var interfaces []any
	for _, id := range o.in.Texts("subnetIds") {
		interfaces = append(interfaces, "eni-"+digest(17, o.record.ID, id))
	}
	o.out["networkInterfaceIds"] = interfaces
	return nil
}

// sameVPC refuses references at the paths to things of another network.
func (o *op) sameVPC(vpcID string, paths ...string) error {
	for _, path := range paths {
		for _, r := range o.kind.refs {
			if r.path != path {
				continue
			}
			for _, f := range Walk(map[string]any(o.in), path) {
				id, _ := f.Value.(string)
				if other := o.named(r, id); other != nil && other.Properties["vpcId"] != vpcID {
					return refuse("InvalidParameter", "%s: the %s %s belongs to %s, not to %s", f.Path, kinds[r.token].called, id, other.Properties["vpcId"], vpcID)
				}
			}
		}
	}
	return nil
}
