package simcloud

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	launchTemplate = token("ec2", "LaunchTemplate")
	flowLog        = token("ec2", "FlowLog")
	ebsEncryption  = token("ebs", "EncryptionByDefault")
	ebsKey         = token("ebs", "DefaultKmsKey")
)

// instanceType is family, generation, options, dot, size. That a family has a
// size in a region is not known here.
var instanceType = regexp.MustCompile(`^(?:t2|t3|t3a|t4g|m5|m5a|m5d|m6i|m6a|m6g|m6gd|m7i|m7i-flex|m7a|m7g|m8g|c5|c5a|c6i|c6a|c6g|c7i|c7a|c7g|c8g|r5|r5a|r6i|r6a|r6g|r7i|r7a|r7g|r8g|i3|i4i|i4g)\.(?:nano|micro|small|medium|large|(?:2|3|4|6|8|9|10|12|16|18|24|32|48)?xlarge|metal)$`)

func checkInstanceTypes(path string) func(in Props, report fault) {
	return func(in Props, report fault) {
		for _, f := range Walk(map[string]any(in), path) {
			if text, ok := f.Value.(string); ok && !instanceType.MatchString(text) {
				report(f.Path, fmt.Sprintf("is %q, which is no instance type that the simulation knows, such as t3.medium or m7g.large", text))
			}
		}
	}
}

func computeKinds() []*kind {
	return []*kind{
		{
			token: launchTemplate, called: "launch template", action: "ec2:CreateLaunchTemplate", prefix: "lt", missing: "InvalidLaunchTemplateId.NotFound",
			naming: &naming{property: "name", max: 128, pattern: regexp.MustCompile(`^[a-zA-Z0-9().\-/_]{3,128}$`)}, replace: words("name namePrefix"),
			arn: "arn:{partition}:ec2:{region}:{account}:launch-template/{id}", unique: "{name}", taken: "InvalidLaunchTemplateName.AlreadyExistsException",
			volatile: words("latestVersion defaultVersion"),
			rules: []rule{
				oneOf("metadataOptions.httpTokens", "optional", "required"), oneOf("metadataOptions.httpEndpoint", "enabled", "disabled"),
				oneOf("metadataOptions.instanceMetadataTags", "enabled", "disabled"), between("metadataOptions.httpPutResponseHopLimit", 1, 64),
				oneOf("blockDeviceMappings[].ebs.volumeType", "standard", "io1", "io2", "gp2", "gp3", "sc1", "st1"),
				between("blockDeviceMappings[].ebs.volumeSize", 1, 65536), between("blockDeviceMappings[].ebs.iops", 100, 256000),
				between("blockDeviceMappings[].ebs.throughput", 125, 2000), matches("imageId", `ami-[0-9a-f]{8,17}|resolve:ssm:.+`, "an image ID such as ami-0123456789abcdef0"),
				oneOf("tagSpecifications[].resourceType", "instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"),
			},
			refs: []ref{
				{path: "vpcSecurityGroupIds[]", token: securityGroup}, {path: "networkInterfaces[].securityGroups[]", token: securityGroup},
				{path: "blockDeviceMappings[].ebs.kmsKeyId", token: kmsKey, by: "arn"},
			},
			check: all(checkInstanceTypes("instanceType"), func(in Props, report fault) {
				if !empty(in["vpcSecurityGroupIds"]) && !empty(in["networkInterfaces"]) {
					report("vpcSecurityGroupIds", "cannot stand beside networkInterfaces: give the groups there")
				}
				for i, disk := range in.Objects("blockDeviceMappings") {
					ebs := disk.Object("ebs")
					path := fmt.Sprintf("blockDeviceMappings[%d].ebs", i)
					if ebs["kmsKeyId"] != nil && ebs.Text("encrypted") == "false" {
						report(path+".kmsKeyId", "is set while encrypted is false")
					}
					if kind := ebs.Text("volumeType"); ebs["throughput"] != nil && kind != "" && kind != "gp3" {
						report(path+".throughput", "is only for gp3, not for "+kind)
					}
				}
			}),
			create: func(o *op) error {
				latest, _ := o.old["latestVersion"].(float64)
				o.out["latestVersion"] = latest + 1
				if o.out["defaultVersion"] == nil || o.in.Flag("updateDefaultVersion") {
					o.out["defaultVersion"] = latest + 1
				}
				if o.old == nil {
					o.out["defaultVersion"] = 1.0
				}
				return nil
			},
			creating: time.Second, updating: time.Second, deleting: time.Second,
		},
		{
			token: flowLog, called: "flow log", action: "ec2:CreateFlowLogs", prefix: "fl", missing: "InvalidFlowLogId.NotFound",
			arn: "arn:{partition}:ec2:{region}:{account}:vpc-flow-log/{id}",
			replace: words(`vpcId subnetId eniId transitGatewayId transitGatewayAttachmentId trafficType logDestination
				logDestinationType logFormat logGroupName maxAggregationInterval iamRoleArn destinationOptions deliverCrossAccountRole`),
			defaults: Props{"maxAggregationInterval": 600.0, "logDestinationType": "cloud-watch-logs"},
			rules: []rule{
				oneOf("logDestinationType", "cloud-watch-logs", "s3", "kinesis-data-firehose"), oneOf("trafficType", "ACCEPT", "REJECT", "ALL"),
				oneOf("destinationOptions.fileFormat", "plain-text", "parquet"),
			},
			refs: []ref{{path: "vpcId", token: vpc}, {path: "subnetId", token: subnet}, {path: "iamRoleArn", token: iamRole, by: "arn"}},
			check: all(exactly(false, "vpcId", "subnetId", "eniId", "transitGatewayId", "transitGatewayAttachmentId"), func(in Props, report fault) {
				if n := in.Number("maxAggregationInterval"); n != 60 && n != 600 {
					report("maxAggregationInterval", fmt.Sprintf("is %v, must be 60 or 600", n))
				}
				logs := in["logDestinationType"] == "cloud-watch-logs"
				if logs && in["iamRoleArn"] == nil {
					report("iamRoleArn", "is required for the destination cloud-watch-logs")
				}
				if !logs && in["iamRoleArn"] != nil {
					report("iamRoleArn", "is not for the destination "+in.Text("logDestinationType"))
				}
				if in["trafficType"] == nil && in["transitGatewayId"] == nil {
					report("trafficType", "is required and not set")
				}
			}),
			create: createFlowLog, update: func(*op) error { return nil }, creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: ebsEncryption, called: "EBS encryption by default", action: "ec2:EnableEbsEncryptionByDefault", id: "{region}",
			missing: "NotFound", defaults: Props{"enabled": true}, creating: time.Second,
		},
		{
			token: ebsKey, called: "default EBS key", action: "ec2:ModifyEbsDefaultKmsKeyId", id: "{keyArn}", missing: "NotFound",
			replace: words("keyArn"), refs: []ref{{path: "keyArn", token: kmsKey, by: "arn"}}, creating: time.Second,
		},
	}
}

func createFlowLog(o *op) error {
	switch o.out["logDestinationType"] {
	case "s3":
		rest := strings.TrimPrefix(o.in.Text("logDestination"), "arn:aws:s3:::")
		name, _, _ := strings.Cut(rest, "/")
		if rest == o.in.Text("logDestination") || o.bucket(name) == nil {
			return refuse("InvalidParameter", "logDestination: access denied for LogDestination: there is no bucket %q of this account", name)
		}
	case "cloud-watch-logs":
		arn := strings.TrimSuffix(o.in.Text("logDestination"), ":*")
		found := false
		for _, group := range o.find(logGroup) {
			found = found || group.Properties["arn"] == arn || group.Properties["name"] == o.in["logGroupName"]
		}
		if !found {
			return refuse("InvalidParameter", "logDestination: the log group %q does not exist", arn)
		}
		if role := o.target("iamRoleArn"); !trusts(role, "vpc-flow-logs.amazonaws.com") {
			return refuse("InvalidParameter", "iamRoleArn: the role %s does not trust vpc-flow-logs.amazonaws.com", role.ID)
		}
	}
	for _, other := range o.find(flowLog) {
		if other.ID == o.record.ID {
			continue
		}
		alike := true
		for _, name := range words("vpcId subnetId eniId logDestination trafficType") {
			alike = alike && Same(other.Inputs[name], o.in[name])
		}
		if alike {
			return refuse("FlowLogAlreadyExists", "there is an existing flow log with the same configuration and log destination: %s", other.ID)
		}
	}
	return nil
}
