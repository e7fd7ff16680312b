package simcloud

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

var (
	loadBalancer = token("lb", "LoadBalancer")
	targetGroup  = token("lb", "TargetGroup")
	listener     = token("lb", "Listener")
)

func balancerKinds() []*kind {
	short := regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$`)
	return []*kind{
		{
			token: loadBalancer, called: "load balancer", action: "elasticloadbalancing:CreateLoadBalancer", id: "{arn}", missing: "LoadBalancerNotFound",
			quota: "balancers", unique: "{name}", taken: "DuplicateLoadBalancerName", naming: &naming{property: "name", max: 32, pattern: short},
			replace:  words("name namePrefix internal loadBalancerType customerOwnedIpv4Pool"),
			defaults: Props{"loadBalancerType": "application", "internal": false, "ipAddressType": "ipv4", "enableDeletionProtection": false},
			rules:    []rule{oneOf("loadBalancerType", "application", "network", "gateway"), oneOf("ipAddressType", "ipv4", "dualstack", "dualstack-without-public-ipv4")},
			refs:     []ref{{path: "subnets[]", token: subnet}, {path: "securityGroups[]", token: securityGroup}},
			create: func(o *op) error {
				zones := map[any]bool{}
				for i, id := range o.in.Texts("subnets") {
					s := o.lookup(subnet, id)
					if zones[s.Properties["availabilityZone"]] {
						return refuse("InvalidConfigurationRequest", "subnets[%d]: a load balancer cannot be attached to multiple subnets in the same availability zone", i)
					}
					zones[s.Properties["availabilityZone"]] = true
					o.keep("vpcId", s.Properties["vpcId"])
				}
				if len(zones) < 2 && o.out["loadBalancerType"] == "application" {
					return refuse("ValidationError", "subnets: at least two subnets in two different availability zones must be specified")
				}
				if err := o.sameVPC(o.out.Text("vpcId"), "subnets[]", "securityGroups[]"); err != nil {
					return err
				}
				hash := digest(16, o.record.URN, o.Operations)
				kind := map[string]string{"application": "app", "network": "net", "gateway": "gwy"}[o.out.Text("loadBalancerType")]
				o.keep("arn", fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:loadbalancer/%s/%s/%s", o.p.region, o.p.Settings.Account, kind, o.out["name"], hash))
				o.keep("arnSuffix", fmt.Sprintf("%s/%s/%s", kind, o.out["name"], hash))
				o.keep("dnsName", fmt.Sprintf("%s-%s.elb.%s.amazonaws.com", o.out["name"], hash, o.p.region))
				o.keep("zoneId", "Z3F0SRJ5LGBH90")
				return nil
			},
			remove: func(o *op) error {
				if o.out.Flag("enableDeletionProtection") {
					return refuse("OperationNotPermitted", "the load balancer '%s' cannot be deleted because deletion protection is enabled", o.record.ID)
				}
				return nil
			},
			creating: 150 * time.Second, deleting: 20 * time.Second,
		},
		{
			token: targetGroup, called: "target group", action: "elasticloadbalancing:CreateTargetGroup", id: "{arn}", missing: "TargetGroupNotFound",
			unique: "{name}", taken: "DuplicateTargetGroupName", naming: &naming{property: "name", max: 32, pattern: short},
			replace: words("name namePrefix port protocol protocolVersion targetType vpcId ipAddressType"), defaults: Props{"targetType": "instance", "deregistrationDelay": 300.0},
			rules: []rule{
				oneOf("targetType", "instance", "ip", "lambda", "alb"), oneOf("protocol", "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE"),
				between("port", 1, 65535), between("deregistrationDelay", 0, 3600),
			},
			refs: []ref{{path: "vpcId", token: vpc}},
			create: func(o *op) error {
				hash := digest(16, o.record.URN, o.Operations)
				o.keep("arn", fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:targetgroup/%s/%s", o.p.region, o.p.Settings.Account, o.out["name"], hash))
				o.keep("arnSuffix", fmt.Sprintf("targetgroup/%s/%s", o.out["name"], hash))
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: listener, called: "listener", action: "elasticloadbalancing:CreateListener", id: "{arn}", missing: "ListenerNotFound", unique: "{loadBalancerArn}:{port}",
			taken: "DuplicateListener", replace: words("loadBalancerArn"), rules: []rule{between("port", 1, 65535)},
			refs: []ref{
				{path: "loadBalancerArn", token: loadBalancer, by: "arn", loose: true}, {path: "defaultActions[].targetGroupArn", token: targetGroup, by: "arn"},
			},
			check: func(in Props, report fault) {
				secure := slices.Contains([]any{"HTTPS", "TLS"}, in["protocol"])
				if secure == (in["certificateArn"] == nil) {
					report("certificateArn", "must be set for HTTPS and TLS, and only for them")
				}
			},
			create: func(o *op) error {
				o.keep("arn", o.in.Text("loadBalancerArn")+"/listener-"+digest(16, o.record.URN, o.Operations))
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
	}
}
