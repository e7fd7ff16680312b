package graph

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway.dev/slipway/components/component/componenttest"
)

// Our own rules are not the only judge of what is declared on AWS. The recorded
// graph is written as Terraform's JSON, which tools of others read; see
// scripts/aws-judges.

var judgedTo = flag.String("judged", "", "directory to write stacks as Terraform JSON and their IAM policies to")

// terraform names, for each type of resource in use, its counterpart. A type
// that is not here fails the test: it would be judged by nobody.
var terraform = map[string]string{
	"aws:autoscaling/attachment:Attachment":                                  "aws_autoscaling_attachment",
	"aws:autoscaling/schedule:Schedule":                                      "aws_autoscaling_schedule",
	"aws:budgets/budget:Budget":                                              "aws_budgets_budget",
	"aws:cloudwatch/logGroup:LogGroup":                                       "aws_cloudwatch_log_group",
	"aws:cloudwatch/logResourcePolicy:LogResourcePolicy":                     "aws_cloudwatch_log_resource_policy",
	"aws:costexplorer/anomalyMonitor:AnomalyMonitor":                         "aws_ce_anomaly_monitor",
	"aws:costexplorer/anomalySubscription:AnomalySubscription":               "aws_ce_anomaly_subscription",
	"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":                      "aws_default_security_group",
	"aws:ec2/eip:Eip":                                                        "aws_eip",
	"aws:ec2/flowLog:FlowLog":                                                "aws_flow_log",
	"aws:ec2/internetGateway:InternetGateway":                                "aws_internet_gateway",
	"aws:ec2/launchTemplate:LaunchTemplate":                                  "aws_launch_template",
	"aws:ec2/natGateway:NatGateway":                                          "aws_nat_gateway",
	"aws:ec2/route:Route":                                                    "aws_route",
	"aws:ec2/routeTable:RouteTable":                                          "aws_route_table",
	"aws:ec2/routeTableAssociation:RouteTableAssociation":                    "aws_route_table_association",
	"aws:ec2/securityGroup:SecurityGroup":                                    "aws_security_group",
	"aws:ec2/subnet:Subnet":                                                  "aws_subnet",
	"aws:ec2/vpc:Vpc":                                                        "aws_vpc",
	"aws:ec2/vpcEndpoint:VpcEndpoint":                                        "aws_vpc_endpoint",
	"aws:ecr/lifecyclePolicy:LifecyclePolicy":                                "aws_ecr_lifecycle_policy",
	"aws:ecr/repository:Repository":                                          "aws_ecr_repository",
	"aws:eks/accessEntry:AccessEntry":                                        "aws_eks_access_entry",
	"aws:eks/accessPolicyAssociation:AccessPolicyAssociation":                "aws_eks_access_policy_association",
	"aws:eks/addon:Addon":                                                    "aws_eks_addon",
	"aws:eks/cluster:Cluster":                                                "aws_eks_cluster",
	"aws:eks/nodeGroup:NodeGroup":                                            "aws_eks_node_group",
	"aws:iam/openIdConnectProvider:OpenIdConnectProvider":                    "aws_iam_openid_connect_provider",
	"aws:iam/role:Role":                                                      "aws_iam_role",
	"aws:iam/rolePolicy:RolePolicy":                                          "aws_iam_role_policy",
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment":                      "aws_iam_role_policy_attachment",
	"aws:kms/alias:Alias":                                                    "aws_kms_alias",
	"aws:kms/key:Key":                                                        "aws_kms_key",
	"aws:lb/listener:Listener":                                               "aws_lb_listener",
	"aws:lb/loadBalancer:LoadBalancer":                                       "aws_lb",
	"aws:lb/targetGroup:TargetGroup":                                         "aws_lb_target_group",
	"aws:route53/hostedZoneDnsSec:HostedZoneDnsSec":                          "aws_route53_hosted_zone_dnssec",
	"aws:route53/keySigningKey:KeySigningKey":                                "aws_route53_key_signing_key",
	"aws:route53/queryLog:QueryLog":                                          "aws_route53_query_log",
	"aws:route53/record:Record":                                              "aws_route53_record",
	"aws:route53/zone:Zone":                                                  "aws_route53_zone",
	"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2":   "aws_s3_bucket_lifecycle_configuration",
	"aws:s3/bucketObjectLockConfigurationV2:BucketObjectLockConfigurationV2": "aws_s3_bucket_object_lock_configuration",
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls":                 "aws_s3_bucket_ownership_controls",
	"aws:s3/bucketPolicy:BucketPolicy":                                       "aws_s3_bucket_policy",
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":                 "aws_s3_bucket_public_access_block",
	"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": "aws_s3_bucket_server_side_encryption_configuration",
	"aws:s3/bucketV2:BucketV2":                                  "aws_s3_bucket",
	"aws:s3/bucketVersioningV2:BucketVersioningV2":              "aws_s3_bucket_versioning",
	"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":   "aws_vpc_security_group_egress_rule",
	"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "aws_vpc_security_group_ingress_rule",
}

// singular are names of properties that Pulumi puts into the plural and
// Terraform does not, because there they are repeated blocks.
var singular = map[string]string{
	"rules": "rule", "vpcs": "vpc", "block_device_mappings": "block_device_mappings", "tag_specifications": "tag_specifications",
	"encryption_configurations": "encryption_configuration", "notifications": "notification", "cost_filters": "cost_filter",
	"subscribers": "subscriber", "transitions": "transition", "default_actions": "default_action", "taints": "taint",
	"target_health_states": "target_health_state", "client_id_lists": "client_id_list", "monitor_arn_lists": "monitor_arn_list",
	"pod_identity_associations": "pod_identity_association",
}

func TestTerraform(t *testing.T) {
	for _, stack := range []string{"account", "dev", "prod"} {
		t.Run(stack, func(t *testing.T) {
			g := declared(t, stack, false)
			made := map[string]map[string]any{}
			policies := map[string]string{}
			addresses := addresses(g)
			for _, node := range g.Of("aws:") {
				kind, known := terraform[node.TypeToken]
				if !known {
					t.Errorf("nobody judges %s: say in terraform what it is called there", node.TypeToken)
					continue
				}
				if made[kind] == nil {
					made[kind] = map[string]any{}
				}
				body, ok := attribute(resource.NewProperty(node.Inputs), addresses).(map[string]any)
				if !ok {
					t.Fatalf("%s is no object", node.Name)
				}
				made[kind][label(node.Name)] = body
				for _, property := range []string{"policy", "assumeRolePolicy", "policyDocument"} {
					if text := node.Text(property); text != "" && kind != "aws_ecr_lifecycle_policy" {
						if !json.Valid([]byte(text)) {
							t.Errorf("%s of %s is no JSON: %s", property, node.Name, text)
						}
						policies[kind+"."+label(node.Name)+"."+property] = text
					}
				}
			}
			if len(made) < 8 || len(policies) < 5 {
				t.Errorf("only %d kinds and %d policies are judged", len(made), len(policies))
			}
			if *judgedTo != "" {
				write(t, stack, made, policies)
			}
		})
	}
}

// addresses tell by its ID or ARN which resource a value stands for.
func addresses(g *componenttest.Graph) map[string]string {
	known := map[string]string{}
	for _, node := range g.Of("aws:") {
		at := terraform[node.TypeToken] + "." + label(node.Name)
		known[node.Name+"-id"] = "${" + at + ".id}"
		if node.TypeToken == "aws:route53/zone:Zone" {
			known["Z-"+node.Name] = "${" + at + ".zone_id}"
		}
		if name := node.Text("bucket"); name != "" && terraform[node.TypeToken] == "aws_s3_bucket" {
			known[name] = "${" + at + ".id}"
		}
	}
	return known
}

var notLabel = regexp.MustCompile(`[^A-Za-z0-9_-]`)

func label(name string) string { return notLabel.ReplaceAllString(name, "_") }

// snake turns a property's name into an attribute's.
func snake(name string) string {
	var out strings.Builder
	for i, letter := range name {
		if unicode.IsUpper(letter) && i > 0 {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(letter))
	}
	if one, ok := singular[out.String()]; ok {
		return one
	}
	return out.String()
}

// attribute is a value as Terraform's JSON has it, where a resource's name is
// never a reference to itself.
func attribute(value resource.PropertyValue, addresses map[string]string) any {
	switch {
	case value.IsSecret():
		return "secret"
	case value.IsOutput():
		return attribute(value.OutputValue().Element, addresses)
	case value.IsObject():
		fields := map[string]any{}
		for key, inner := range value.ObjectValue() {
			name := snake(string(key))
			if key == "tags" || key == "labels" {
				fields[name] = inner.Mappable()
				continue
			}
			fields[name] = attribute(inner, addresses)
		}
		return fields
	case value.IsArray():
		items := make([]any, 0, len(value.ArrayValue()))
		for _, inner := range value.ArrayValue() {
			items = append(items, attribute(inner, addresses))
		}
		return items
	case value.IsString():
		if address, ok := addresses[value.StringValue()]; ok {
			return address
		}
		// Dollars of the language itself.
		return strings.ReplaceAll(value.StringValue(), "${", "$${")
	default:
		return value.V
	}
}

func write(t *testing.T, stack string, made map[string]map[string]any, policies map[string]string) {
	t.Helper()
	for kind, name := range map[string]string{"aws_s3_bucket": "bucket"} {
		for label, body := range made[kind] {
			// The bucket itself is not called by its own address.
			if fields, ok := body.(map[string]any); ok && fields[name] == "${"+kind+"."+label+".id}" {
				fields[name] = label
			}
		}
	}
	dir := filepath.Join(*judgedTo, stack)
	if err := os.MkdirAll(filepath.Join(dir, "policies"), 0o755); err != nil {
		t.Fatal(err)
	}
	raw, err := json.MarshalIndent(map[string]any{"resource": made}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.tf.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range policies {
		if err := os.WriteFile(filepath.Join(dir, "policies", name+".json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
