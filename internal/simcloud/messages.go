package simcloud

import (
	"regexp"
	"time"
)

var (
	topic             = token("sns", "Topic")
	topicPolicy       = token("sns", "TopicPolicy")
	topicSubscription = token("sns", "TopicSubscription")
	queue             = token("sqs", "Queue")
	queuePolicy       = token("sqs", "QueuePolicy")
	parameter         = token("ssm", "Parameter")
)

func messageKinds() []*kind {
	name := regexp.MustCompile(`^[a-zA-Z0-9_-]+(?:\.fifo)?$`)
	return []*kind{
		{
			token: topic, called: "SNS topic", action: "sns:CreateTopic", id: "{arn}", missing: "NotFoundException", replace: words("name namePrefix fifoTopic"),
			naming: &naming{property: "name", max: 256, pattern: name}, arn: "arn:{partition}:sns:{region}:{account}:{name}",
			create: func(o *op) error {
				o.out["arn"] = o.vars().fill(o.kind.arn)
				if key := o.in.Text("kmsMasterKeyId"); key != "" && key != "alias/aws/sns" && o.key(key) == nil {
					return refuse("KMSNotFound", "kmsMasterKeyId: the key %s does not exist in %s", key, o.p.region)
				}
				return nil
			},
			check:    func(in Props, report fault) { checkPolicy(resourcePolicy, "policy", in["policy"], report) },
			creating: time.Second, deleting: time.Second,
		},
		{
			token: topicPolicy, called: "SNS topic policy", action: "sns:SetTopicAttributes", id: "{arn}", missing: "NotFoundException", replace: words("arn"),
			refs:     []ref{{path: "arn", token: topic, loose: true}},
			check:    func(in Props, report fault) { checkPolicy(resourcePolicy, "policy", in["policy"], report) },
			creating: time.Second, deleting: time.Second,
		},
		{
			token: topicSubscription, called: "SNS subscription", action: "sns:Subscribe", id: "{arn}", missing: "NotFoundException", replace: words("topic protocol endpoint"),
			rules: []rule{oneOf("protocol", "sqs", "sms", "lambda", "firehose", "application", "email", "email-json", "http", "https")},
			refs:  []ref{{path: "topic", token: topic, loose: true}},
			create: func(o *op) error {
				o.keep("arn", o.in.Text("topic")+":"+digest(32, o.record.URN, o.Operations))
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: queue, called: "SQS queue", action: "sqs:CreateQueue", id: "{url}", missing: "QueueDoesNotExist", replace: words("name namePrefix fifoQueue"),
			naming: &naming{property: "name", max: 80, pattern: name}, arn: "arn:{partition}:sqs:{region}:{account}:{name}",
			rules: []rule{between("messageRetentionSeconds", 60, 1209600), between("visibilityTimeoutSeconds", 0, 43200), between("delaySeconds", 0, 900)},
			create: func(o *op) error {
				o.out["url"] = o.vars().fill("https://sqs.{region}.amazonaws.com/{account}/{name}")
				return nil
			},
			check:    func(in Props, report fault) { checkPolicy(resourcePolicy, "policy", in["policy"], report) },
			creating: 25 * time.Second, deleting: 60 * time.Second,
		},
		{
			token: queuePolicy, called: "SQS queue policy", action: "sqs:SetQueueAttributes", id: "{queueUrl}", missing: "QueueDoesNotExist", replace: words("queueUrl"),
			refs:     []ref{{path: "queueUrl", token: queue, loose: true}},
			check:    func(in Props, report fault) { checkPolicy(resourcePolicy, "policy", in["policy"], report) },
			creating: 25 * time.Second, deleting: time.Second,
		},
		{
			token: parameter, called: "SSM parameter", action: "ssm:PutParameter", id: "{name}", missing: "ParameterNotFound", taken: "ParameterAlreadyExists",
			naming: &naming{property: "name", max: 1011, pattern: regexp.MustCompile(`^[a-zA-Z0-9_./-]+$`)}, replace: words("name type"),
			arn: "arn:{partition}:ssm:{region}:{account}:parameter/{name}", rules: []rule{oneOf("type", "String", "StringList", "SecureString")},
			creating: time.Second, deleting: time.Second,
		},
	}
}
