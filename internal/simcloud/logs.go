package simcloud

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

var (
	logGroup          = token("cloudwatch", "LogGroup")
	logResourcePolicy = token("cloudwatch", "LogResourcePolicy")
	eventRule         = token("cloudwatch", "EventRule")
	eventTarget       = token("cloudwatch", "EventTarget")
	metricAlarm       = token("cloudwatch", "MetricAlarm")
)

// retentions are the numbers of days that CloudWatch Logs keeps.
var retentions = []float64{0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func logKinds() []*kind {
	return []*kind{
		{
			token: logGroup, called: "log group", action: "logs:CreateLogGroup", id: "{name}", missing: "ResourceNotFoundException", taken: "ResourceAlreadyExistsException",
			naming: &naming{property: "name", max: 512, pattern: regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`)}, replace: words("name namePrefix logGroupClass"),
			arn: "arn:{partition}:logs:{region}:{account}:log-group:{name}", defaults: Props{"retentionInDays": 0.0, "skipDestroy": false, "logGroupClass": "STANDARD"},
			rules: []rule{oneOf("logGroupClass", "STANDARD", "INFREQUENT_ACCESS", "DELIVERY")},
			check: func(in Props, report fault) {
				if days, ok := in["retentionInDays"].(float64); ok && !slices.Contains(retentions, days) {
					report("retentionInDays", fmt.Sprintf("is %v, must be one of %v", days, retentions))
				}
			},
			create: func(o *op) error {
				name := o.in.Text("kmsKeyId")
				if name == "" {
					return nil
				}
				key := o.key(name)
				if key == nil {
					return refuse("InvalidParameterException", "kmsKeyId: the key %s does not exist in %s", name, o.p.region)
				}
				document, _ := parsePolicy(key.Properties["policy"])
				for _, service := range []string{"logs." + o.p.region + ".amazonaws.com", "logs.amazonaws.com"} {
					if lets(document, service, "kms:GenerateDataKey") {
						return nil
					}
				}
				return refuse("AccessDeniedException", "kmsKeyId: the policy of %s does not let logs.%s.amazonaws.com use the key", key.ID, o.p.region)
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: logResourcePolicy, called: "CloudWatch Logs resource policy", action: "logs:PutResourcePolicy", id: "{policyName}", missing: "ResourceNotFoundException",
			replace: words("policyName"),
			check: func(in Props, report fault) {
				checkPolicy(resourcePolicy, "policyDocument", in["policyDocument"], report)
				checkSize("policyDocument", in["policyDocument"], 5120, report)
			},
			create: func(o *op) error {
				if existing := o.find(logResourcePolicy); o.old == nil && len(existing) >= 10 {
					return refuse("LimitExceededException", "resource limit exceeded: a region has at most 10 resource policies")
				}
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: eventRule, called: "EventBridge rule", action: "events:PutRule", id: "{name}", missing: "ResourceNotFoundException", taken: "ResourceAlreadyExistsException",
			naming: &naming{property: "name", max: 64, pattern: regexp.MustCompile(`^[.\-_A-Za-z0-9]+$`)}, replace: words("name namePrefix eventBusName"),
			arn: "arn:{partition}:events:{region}:{account}:rule/{name}", defaults: Props{"eventBusName": "default"},
			check: exactly(false, "eventPattern", "scheduleExpression"), creating: time.Second, deleting: time.Second,
		},
		{
			token: eventTarget, called: "EventBridge target", action: "events:PutTargets", id: "{rule}-{targetId}", missing: "ResourceNotFoundException",
			naming: &naming{property: "targetId", max: 64, pattern: regexp.MustCompile(`^[.\-_A-Za-z0-9]+$`)}, replace: words("rule targetId eventBusName"),
			refs: []ref{{path: "rule", token: eventRule}}, defaults: Props{"eventBusName": "default"}, creating: time.Second, deleting: time.Second,
		},
		{
			token: metricAlarm, called: "CloudWatch alarm", action: "cloudwatch:PutMetricAlarm", id: "{name}", missing: "ResourceNotFound",
			naming: &naming{property: "name", max: 255}, replace: words("name"), arn: "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}",
			rules: []rule{
				oneOf("comparisonOperator", words(`GreaterThanOrEqualToThreshold GreaterThanThreshold LessThanThreshold LessThanOrEqualToThreshold
					LessThanLowerOrGreaterThanUpperThreshold LessThanLowerThreshold GreaterThanUpperThreshold`)...),
				oneOf("statistic", "SampleCount", "Average", "Sum", "Minimum", "Maximum"), oneOf("treatMissingData", "breaching", "notBreaching", "ignore", "missing"),
			},
			check: exactly(false, "metricName", "metricQueries"), creating: time.Second, deleting: time.Second,
		},
	}
}
