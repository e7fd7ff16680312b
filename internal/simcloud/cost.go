package simcloud

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var (
	budget         = token("budgets", "Budget")
	anomalyMonitor = token("costexplorer", "AnomalyMonitor")
	anomalyAlert   = token("costexplorer", "AnomalySubscription")
	allocationTag  = token("costexplorer", "CostAllocationTag")
)

func costKinds() []*kind {
	return []*kind{
		{
			token: budget, called: "budget", action: "budgets:CreateBudget", id: "{account}:{name}", global: true, missing: "NotFoundException", taken: "DuplicateRecordException",
			naming: &naming{property: "name", max: 100}, replace: words("accountId name namePrefix"), arn: "arn:{partition}:budgets::{account}:budget/{name}",
			outputs: map[string]string{"accountId": "{account}", "timePeriodEnd": "2087-06-15_00:00", "timePeriodStart": "2026-01-01_00:00"},
			rules: []rule{
				oneOf("budgetType", "USAGE", "COST", "RI_UTILIZATION", "RI_COVERAGE", "SAVINGS_PLANS_UTILIZATION", "SAVINGS_PLANS_COVERAGE"),
				oneOf("timeUnit", "DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY", "CUSTOM"), oneOf("notifications[].comparisonOperator", "GREATER_THAN", "LESS_THAN", "EQUAL_TO"),
				oneOf("notifications[].notificationType", "ACTUAL", "FORECASTED"), oneOf("notifications[].thresholdType", "PERCENTAGE", "ABSOLUTE_VALUE"),
				between("notifications", 0, 10), between("notifications[].subscriberEmailAddresses", 0, 10), between("notifications[].subscriberSnsTopicArns", 0, 1),
				matches("notifications[].subscriberEmailAddresses[]", `[^@\s]+@[^@\s]+\.[^@\s]+`, "an e-mail address"),
			},
			check: func(in Props, report fault) {
				if amount, ok := in["limitAmount"].(string); ok {
					if n, err := strconv.ParseFloat(amount, 64); err != nil || n <= 0 {
						report("limitAmount", fmt.Sprintf("is %q, must be a number above 0", amount))
					}
				}
				if in["limitAmount"] != nil && in["limitUnit"] == nil {
					report("limitUnit", "is required beside limitAmount")
				}
				if empty(in["limitAmount"]) && empty(in["autoAdjustData"]) && empty(in["plannedLimits"]) {
					report("limitAmount", "is not set: give one of limitAmount, plannedLimits, autoAdjustData")
				}
				for i, n := range in.Objects("notifications") {
					if empty(n["subscriberEmailAddresses"]) && empty(n["subscriberSnsTopicArns"]) {
						report(fmt.Sprintf("notifications[%d]", i), "has nobody to tell: give subscriberEmailAddresses or subscriberSnsTopicArns")
					}
				}
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: anomalyMonitor, called: "cost anomaly monitor", action: "ce:CreateAnomalyMonitor", id: "{arn}", global: true, missing: "UnknownMonitorException",
			naming: &naming{property: "name", max: 1024}, replace: words("monitorType monitorDimension monitorSpecification"),
			rules: []rule{oneOf("monitorType", "DIMENSIONAL", "CUSTOM"), oneOf("monitorDimension", "SERVICE", "LINKED_ACCOUNT", "TAG", "COST_CATEGORY")},
			check: func(in Props, report fault) {
				if in["monitorType"] == "DIMENSIONAL" && in["monitorDimension"] == nil {
					report("monitorDimension", "is required for the type DIMENSIONAL")
				}
				if in["monitorType"] == "CUSTOM" && in["monitorSpecification"] == nil {
					report("monitorSpecification", "is required for the type CUSTOM")
				}
			},
			create: func(o *op) error {
				for _, other := range o.find(anomalyMonitor) {
					if other.ID != o.record.ID && o.in["monitorType"] == "DIMENSIONAL" && other.Properties["monitorDimension"] == o.in["monitorDimension"] {
						return refuse("LimitExceededException", "limit exceeded on dimensional spend monitor creation: the account has %s", other.ID)
					}
				}
				o.keep("arn", "arn:aws:ce::"+o.p.Settings.Account+":anomalymonitor/"+digest(32, o.record.URN, o.Operations))
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: anomalyAlert, called: "cost anomaly subscription", action: "ce:CreateAnomalySubscription", id: "{arn}", global: true, missing: "UnknownSubscriptionException",
			naming: &naming{property: "name", max: 1024}, replace: words("accountId"), outputs: map[string]string{"accountId": "{account}"},
			rules: []rule{oneOf("frequency", "DAILY", "IMMEDIATE", "WEEKLY"), oneOf("subscribers[].type", "EMAIL", "SNS")},
			refs:  []ref{{path: "monitorArnLists[]", token: anomalyMonitor, by: "arn"}},
			check: func(in Props, report fault) {
				want := "EMAIL"
				if in["frequency"] == "IMMEDIATE" {
					want = "SNS"
				}
				for i, s := range in.Objects("subscribers") {
					if kind := s.Text("type"); kind != "" && kind != want {
						report(fmt.Sprintf("subscribers[%d].type", i), fmt.Sprintf("is %s, must be %s for the frequency %v", kind, want, in["frequency"]))
					}
				}
			},
			create: func(o *op) error {
				o.keep("arn", "arn:aws:ce::"+o.p.Settings.Account+":anomalysubscription/"+digest(32, o.record.URN, o.Operations))
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: allocationTag, called: "cost allocation tag", action: "ce:UpdateCostAllocationTagsStatus", id: "{tagKey}", global: true, missing: "NotFoundException",
			replace: words("tagKey"), rules: []rule{oneOf("status", "Active", "Inactive")}, outputs: map[string]string{"type": "UserDefined"},
			create: func(o *op) error {
				// AWS knows a tag key up to a day after its first use; here at once.
				for _, r := range o.All("") {
					tags, _ := r.Properties["tagsAll"].(map[string]any)
					if _, ok := tags[o.in.Text("tagKey")]; ok || strings.HasPrefix(o.in.Text("tagKey"), "aws:") {
						return nil
					}
				}
				return refuse("ValidationException", "tag keys not found: %s: nothing in the account bears it", o.in["tagKey"])
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
	}
}
