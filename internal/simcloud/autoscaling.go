package simcloud

import (
	"fmt"
	"time"
)

var (
	groupAttachment = token("autoscaling", "Attachment")
	groupSchedule   = token("autoscaling", "Schedule")
)

func autoscalingKinds() []*kind {
	return []*kind{{
		token: groupAttachment, called: "auto scaling attachment", action: "autoscaling:AttachLoadBalancerTargetGroups", missing: "ValidationError",
		id: "{autoscalingGroupName}-{lbTargetGroupArn}", replace: words("*"),
		refs:     []ref{{path: "lbTargetGroupArn", token: targetGroup, by: "arn"}},
		check:    exactly(false, "lbTargetGroupArn", "elb"),
		create:   groupExists,
		creating: 10 * time.Second, deleting: 10 * time.Second,
	}, {
		token: groupSchedule, called: "scheduled action", action: "autoscaling:PutScheduledUpdateGroupAction", missing: "ValidationError",
		id: "{autoscalingGroupName}/{scheduledActionName}", replace: words("autoscalingGroupName scheduledActionName"),
		arn: "arn:{partition}:autoscaling:{region}:{account}:scheduledUpdateGroupAction:{autoscalingGroupName}/{scheduledActionName}",
		rules: []rule{
			matches("recurrence", `\d+ \d+ \S+ \S+ \S+`, "five fields of cron"), matches("timeZone", `[A-Za-z]+(/[A-Za-z0-9_+-]+)*`, "a time zone"),
			between("minSize", -1, 10000), between("maxSize", -1, 10000), between("desiredCapacity", -1, 10000),
		},
		check: func(in Props, report fault) {
			fewest, some := in["minSize"].(float64)
			most, limited := in["maxSize"].(float64)
			wanted, asked := in["desiredCapacity"].(float64)
			if some && limited && most >= 0 && fewest > most {
				report("minSize", fmt.Sprintf("is %v, more than maxSize = %v", fewest, most))
			}
			if asked && wanted >= 0 && (limited && most >= 0 && wanted > most || some && wanted < fewest) {
				report("desiredCapacity", fmt.Sprintf("is %v, not between minSize and maxSize", wanted))
			}
			if empty(in["recurrence"]) && empty(in["startTime"]) {
				report("recurrence", "is not set, and neither is startTime: it would never happen")
			}
		},
		create:   groupExists,
		creating: 2 * time.Second, deleting: time.Second,
	}}
}

// groupExists refuses what is about a group that is not there. The only groups
// here are those that EKS makes for its nodes.
func groupExists(o *op) error {
	for _, g := range o.find(eksNodeGroup) {
		for _, f := range Walk(map[string]any(g.Properties), "resources[].autoscalingGroups[].name") {
			if f.Value == o.in["autoscalingGroupName"] {
				return nil
			}
		}
	}
	return refuse("ValidationError", "autoscalingGroupName: there is no auto scaling group %s", o.in["autoscalingGroupName"])
}
