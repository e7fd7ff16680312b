package simcloud

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

var (
	ingressRule       = token("vpc", "SecurityGroupIngressRule")
	egressRule        = token("vpc", "SecurityGroupEgressRule")
	securityGroupRule = token("ec2", "SecurityGroupRule")
	defaultGroup      = token("ec2", "DefaultSecurityGroup")
)

func firewallKinds() []*kind {
	sources := words("cidrIpv4 cidrIpv6 prefixListId referencedSecurityGroupId")
	single := func(name, action string) *kind {
		return &kind{
			token: token("vpc", name), called: "security group rule", action: action, prefix: "sgr",
			missing: "InvalidSecurityGroupRuleId.NotFound", replace: words("securityGroupId"),
			arn:     "arn:{partition}:ec2:{region}:{account}:security-group-rule/{id}",
			outputs: map[string]string{"securityGroupRuleId": "{id}"},
			refs:    []ref{{path: "securityGroupId", token: securityGroup}, {path: "referencedSecurityGroupId", token: securityGroup}},
			check: all(exactly(false, sources...), checkCIDR("cidrIpv4", 0, 32), checkCIDR("cidrIpv6", 0, 128), func(in Props, report fault) {
				checkPorts("", in["ipProtocol"], in["fromPort"], in["toPort"], report)
			}),
			create: createRule, creating: time.Second, deleting: time.Second,
		}
	}
	return []*kind{
		{
			token: securityGroup, called: "security group", action: "ec2:CreateSecurityGroup", prefix: "sg", missing: "InvalidGroup.NotFound",
			quota: "securityGroups", naming: &naming{property: "name", max: 255},
			arn: "arn:{partition}:ec2:{region}:{account}:security-group/{id}", replace: words("name namePrefix description vpcId"),
			unique: "{vpcId}/{name}", taken: "InvalidGroup.Duplicate",
			defaults: Props{"description": "Managed by Pulumi"},
			rules: []rule{
				matches("description", `[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}`, "at most 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"),
			},
			refs: []ref{
				{path: "vpcId", token: vpc}, {path: "ingress[].securityGroups[]", token: securityGroup}, {path: "egress[].securityGroups[]", token: securityGroup},
			},
			check: func(in Props, report fault) {
				if strings.HasPrefix(in.Text("name"), "sg-") {
					report("name", "begins with sg-, which is reserved for IDs")
				}
				for _, direction := range []string{"ingress", "egress"} {
					checkCIDR(direction+"[].cidrBlocks[]", 0, 32)(in, report)
					checkCIDR(direction+"[].ipv6CidrBlocks[]", 0, 128)(in, report)
					for i, r := range in.Objects(direction) {
						checkPorts(fmt.Sprintf("%s[%d].", direction, i), r["protocol"], r["fromPort"], r["toPort"], report)
					}
				}
			},
			create: func(o *op) error {
				if o.in["vpcId"] == nil {
					return refuse("VPCIdNotSpecified", "no default VPC for this user: set vpcId")
				}
				for _, direction := range []string{"ingress", "egress"} {
					if n := len(o.in.Objects(direction)); n > o.quota("rulesOfGroup") {
						return refuse("RulesPerSecurityGroupLimitExceeded", "%s has %d rules: the quota rulesOfGroup is %d", direction, n, o.quota("rulesOfGroup"))
					}
				}
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: defaultGroup, called: "default security group", action: "ec2:AuthorizeSecurityGroupIngress", prefix: "sg", missing: "InvalidGroup.NotFound",
			arn: "arn:{partition}:ec2:{region}:{account}:security-group/{id}", replace: words("vpcId"),
			refs: []ref{{path: "vpcId", token: vpc, loose: true}}, unique: "{vpcId}", taken: "InvalidGroup.Duplicate",
			outputs: map[string]string{"name": "default", "description": "default VPC security group"},
			create: func(o *op) error {
				home := o.target("vpcId")
				if home == nil {
					return refuse("VPCIdNotSpecified", "no default VPC for this user: set vpcId")
				}
				o.record.ID = home.Properties.Text("defaultSecurityGroupId")
				return nil
			},
			creating: time.Second,
		},
		single("SecurityGroupIngressRule", "ec2:AuthorizeSecurityGroupIngress"),
		single("SecurityGroupEgressRule", "ec2:AuthorizeSecurityGroupEgress"),
		{
			token: securityGroupRule, called: "security group rule", action: "ec2:AuthorizeSecurityGroupIngress", prefix: "sgrule",
			missing: "InvalidPermission.NotFound",
			replace: words("type fromPort toPort protocol cidrBlocks ipv6CidrBlocks prefixListIds securityGroupId self sourceSecurityGroupId"),
			refs:    []ref{{path: "securityGroupId", token: securityGroup}, {path: "sourceSecurityGroupId", token: securityGroup}},
			rules:   []rule{oneOf("type", "ingress", "egress")},
			check: all(checkCIDR("cidrBlocks[]", 0, 32), checkCIDR("ipv6CidrBlocks[]", 0, 128), func(in Props, report fault) {
				checkPorts("", in["protocol"], in["fromPort"], in["toPort"], report)
				if empty(in["cidrBlocks"]) && empty(in["ipv6CidrBlocks"]) && empty(in["prefixListIds"]) && in["sourceSecurityGroupId"] == nil && !in.Flag("self") {
					report("cidrBlocks", "is not set: give one of cidrBlocks, ipv6CidrBlocks, prefixListIds, self, sourceSecurityGroupId")
				}
			}),
			create: createRule, creating: time.Second, deleting: time.Second,
		},
	}
}

// checkPorts reports ports that do not belong to the protocol.
func checkPorts(at string, protocol, from, to any, report fault) {
	name, ok := protocol.(string)
	if !ok || IsUnknown(from) || IsUnknown(to) {
		return
	}
	low, hasLow := from.(float64)
	high, hasHigh := to.(float64)
	switch name {
	case "-1", "all":
		if low != 0 && low != -1 || high != 0 && high != -1 {
			report(at+"fromPort", fmt.Sprintf("is %v to %v, but protocol %s has no ports: leave them out or 0", low, high, name))
		}
	case "tcp", "udp", "6", "17":
		switch {
		case !hasLow || !hasHigh:
			report(at+"fromPort", "and toPort must be set for protocol "+name)
		case low < 0 || high > 65535 || low > high:
			report(at+"fromPort", fmt.Sprintf("is %v to %v, must be a range within 0 to 65535", low, high))
		}
	case "icmp", "icmpv6", "1", "58":
	default:
		report(at+"protocol", fmt.Sprintf("is %q, must be tcp, udp, icmp, icmpv6 or -1", name))
	}
}

// createRule refuses a rule that exists, and a source of another network.
func createRule(o *op) error {
	group := o.target("securityGroupId")
	if err := o.sameVPC(group.Properties.Text("vpcId"), "referencedSecurityGroupId", "sourceSecurityGroupId"); err != nil {
		return err
	}
	essence := func(in Props) Props {
		essential := Props{}
		for name, v := range in {
			if name != "tags" && name != "description" {
				essential[name] = v
			}
		}
		return essential
	}
	siblings := 0
	for _, other := range o.find(o.kind.token) {
		if other.ID == o.record.ID || other.Properties["securityGroupId"] != group.ID {
			continue
		}
		siblings++
		if reflect.DeepEqual(essence(other.Inputs), essence(o.in)) {
			return refuse("InvalidPermission.Duplicate", "the specified rule already exists in %s: %s", group.ID, other.ID)
		}
	}
	if limit := o.quota("rulesOfGroup"); siblings >= limit {
		return refuse("RulesPerSecurityGroupLimitExceeded", "%s has %d rules: the quota rulesOfGroup is %d", group.ID, siblings, limit)
	}
	return nil
}
