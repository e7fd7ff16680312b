package simcloud

import "time"

var groupAttachment = token("autoscaling", "Attachment")

func autoscalingKinds() []*kind {
	return []*kind{{
		token: groupAttachment, called: "auto scaling attachment", action: "autoscaling:AttachLoadBalancerTargetGroups", missing: "ValidationError",
		id: "{autoscalingGroupName}-{lbTargetGroupArn}", replace: words("*"),
		refs:  []ref{{path: "lbTargetGroupArn", token: targetGroup, by: "arn"}},
		check: exactly(false, "lbTargetGroupArn", "elb"),
		create: func(o *op) error {
			// The only groups here are those that EKS makes for its nodes.
			for _, g := range o.find(eksNodeGroup) {
				for _, f := range Walk(map[string]any(g.Properties), "resources[].autoscalingGroups[].name") {
					if f.Value == o.in["autoscalingGroupName"] {
						return nil
					}
				}
			}
			return refuse("ValidationError", "autoscalingGroupName: there is no auto scaling group %s", o.in["autoscalingGroupName"])
		},
		creating: 10 * time.Second, deleting: 10 * time.Second,
	}}
}
