package simcloud

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// broken is a program that must be refused: at which thing, and with which
// words. Every one has a reason of its own.
var broken = []struct {
	title   string
	program program
	at      string
	want    string
}{
	// Inputs that are wrong by themselves: seen in a preview.
	{"unknown type", sound().plus(thing{name: "sky", token: "aws:sky/cloud:Cloud"}), "sky", `does not know the resource type "aws:sky/cloud:Cloud"`},
	{"unknown property", sound().with("vpc", "cidr", "10.0.0.0/16"), "vpc", "cidr is not a property of aws:ec2/vpc:Vpc"},
	{"unknown nested property", sound().with("nodes", "scalingConfig.size", 3), "nodes", "scalingConfig.size is not a property"},
	{"missing property", sound().with("nodes", "nodeRoleArn", nil), "nodes", "nodeRoleArn is required and not set"},
	{"wrong type", sound().with("logs", "retentionInDays", "30"), "logs", "retentionInDays must be a whole number, not a string"},
	{"retention that CloudWatch does not offer", sound().with("logs", "retentionInDays", 45), "logs", "retentionInDays is 45, must be one of"},
	{"reserved tag", sound().with("vpc", "tags", map[string]any{"aws:name": "x"}), "vpc", "tags.aws:name begins with aws:"},
	{"network too large", sound().with("vpc", "cidrBlock", "10.0.0.0/8"), "vpc", "cidrBlock is 10.0.0.0/8, must be from /16 to /28"},
	{"host address for a network", sound().with("private-a", "cidrBlock", "10.0.1.7/24"), "private-a", "did you mean 10.0.1.0/24"},
	{"DNS names without DNS", sound().with("vpc", "enableDnsSupport", false), "vpc", "enableDnsHostnames is true, which needs enableDnsSupport"},
	{"route to two places", sound().with("out-private", "gatewayId", "${gateway.id}"), "out-private", "natGatewayId is set beside gatewayId"},
	{"ports that fall", sound().with("https", "fromPort", 8443), "https", "fromPort is 8443 to 443"},
	{"subnets at a gateway endpoint", sound().with("to-s3", "subnetIds", []any{"${private-a.id}"}), "to-s3", "subnetIds is only for endpoints of type Interface"},
	{"unknown Kubernetes version", sound().with("cluster", "version", "1.19"), "cluster", `version is "1.19", must be one of`},
	{"cluster that nobody reaches", sound().with("cluster", "vpcConfig.endpointPrivateAccess", false).with("cluster", "vpcConfig.endpointPublicAccess", false), "cluster", "vpcConfig.endpointPrivateAccess must be true"},
	{"more nodes wanted than allowed", sound().with("nodes", "scalingConfig.desiredSize", 9), "nodes", "which must not fall"},
	{"unknown instance type", sound().with("nodes", "instanceTypes", []any{"m7i.huge"}), "nodes", `instanceTypes[0] is "m7i.huge"`},
	{"unknown add-on", sound().with("coredns", "addonName", "core-dns"), "coredns", `addonName is "core-dns"`},
	{"policy with a typing error", sound().with("pod-policy", "policy", document(`{"Efect":"Allow","Action":"route53:List*","Resource":"*"}`)), "pod-policy", "policy.Statement[0].Efect is not an element of a policy"},
	{"trust policy with an action of another service", sound().with("node-role", "assumeRolePolicy", document(`{"Effect":"Allow","Action":"ec2:RunInstances","Principal":{"Service":"ec2.amazonaws.com"}}`)), "node-role", "may only have STS actions"},
	{"key deleted too soon", sound().with("key", "deletionWindowInDays", 3), "key", "deletionWindowInDays is 3, must be from 7 to 30"},
	{"rotation of a signing key", sound().with("sign", "enableKeyRotation", true), "sign", "enableKeyRotation is only for symmetric keys"},
	{"bucket name in capitals", sound().with("archive", "bucket", "Archive"), "archive", `bucket is "Archive", must match`},
	{"cold storage too early", sound().with("lifecycle", "rules", []any{map[string]any{"id": "a", "status": "Enabled", "transitions": []any{map[string]any{"days": 7, "storageClass": "STANDARD_IA"}}}}), "lifecycle", "must be at least 30 for STANDARD_IA"},
	{"address record with a name", sound().with("www", "records", []any{"example.net"}), "www", "must be an IPv4 address"},
	{"image rules without priority", sound().with("images-rules", "policy", `{"rules":[{"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":5},"action":{"type":"expire"}}]}`), "images-rules", "rulePriority is 0"},
	{"budget that tells nobody", sound().with("budget", "notifications", []any{map[string]any{"comparisonOperator": "GREATER_THAN", "threshold": 80, "thresholdType": "PERCENTAGE", "notificationType": "ACTUAL"}}), "budget", "has nobody to tell"},
	{"daily alert by SNS", sound().with("alert", "subscribers", []any{map[string]any{"type": "SNS", "address": "arn:aws:sns:us-east-1:123456789012:x"}}), "alert", "must be EMAIL for the frequency DAILY"},

	// Inputs that do not go with what exists: seen in an update.
	{"subnet of no network", sound().without("vpc"), "public", "InvalidVpcID.NotFound"},
	{"subnet outside its network", sound().with("private-b", "cidrBlock", "10.1.2.0/24"), "private-b", "InvalidSubnet.Range"},
	{"overlapping subnets", sound().with("private-b", "cidrBlock", "10.0.1.128/25"), "private-b", "InvalidSubnet.Conflict"},
	{"zone of another region", sound().with("private-b", "availabilityZone", "eu-west-1b"), "private-b", "value (eu-west-1b) for parameter availabilityZone"},
	{"second gateway", sound().plus(thing{name: "second", token: internetGateway, in: Props{"vpcId": "${vpc.id}"}}), "second", "already has an internet gateway attached"},
	{"NAT without a gateway", sound().without("gateway", "out-public"), "nat", "Gateway.NotAttached"},
	{"address used twice", sound().plus(thing{name: "second", token: natGateway, in: Props{"subnetId": "${public.id}", "allocationId": "${address.id}"}}), "second", "is already associated with nat-"},
	{"route twice", sound().plus(thing{name: "again", token: route, in: Props{"routeTableId": "${table-public.id}", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "${gateway.id}"}}), "again", "RouteAlreadyExists"},
	{"table of another network", foreign().plus(thing{name: "across", token: tableAssociation, in: Props{"subnetId": "${foreign-a.id}", "routeTableId": "${table-public.id}"}}), "across", "belong to different networks"},
	{"subnet in two tables", sound().plus(thing{name: "twice", token: tableAssociation, in: Props{"subnetId": "${public.id}", "routeTableId": "${table-private.id}"}}), "twice", "Resource.AlreadyAssociated"},
	{"same rule twice", sound().plus(thing{name: "again", token: ingressRule, in: Props{"securityGroupId": "${endpoints.id}", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/16"}}), "again", "InvalidPermission.Duplicate"},
	{"endpoint of another region", sound().with("to-s3", "serviceName", "com.amazonaws.eu-west-1.s3"), "to-s3", "InvalidServiceName"},
	{"private names without DNS in the network", sound().with("vpc", "enableDnsHostnames", false), "to-ecr", "requires both enableDnsSupport and enableDnsHostnames"},
	{"two endpoint subnets in a zone", sound().with("to-ecr", "subnetIds", []any{"${private-a.id}", "${public.id}"}), "to-ecr", "DuplicateSubnetsInSameZone"},
	{"flow log to no bucket", sound().with("flow", "logDestination", "arn:aws:s3:::nobody"), "flow", `there is no bucket "nobody"`},
	{"cluster role that EKS cannot take", sound().with("cluster-role", "assumeRolePolicy", trust("ec2.amazonaws.com")), "cluster", "eks.amazonaws.com is not let in"},
	{"missing role", sound().with("cluster", "roleArn", "arn:aws:iam::123456789012:role/nobody"), "cluster", "InvalidParameterException: roleArn"},
	{"cluster in one zone", sound().with("private-b", "availabilityZone", "eu-central-1a").with("to-ecr", "subnetIds", []any{"${private-a.id}"}), "cluster", "at least two different availability zones"},
	{"cluster across networks", foreign().with("cluster", "vpcConfig.subnetIds", []any{"${private-a.id}", "${foreign-b.id}"}), "cluster", "not all of one VPC"},
	{"service addresses inside the network", sound().with("cluster", "kubernetesNetworkConfig", map[string]any{"serviceIpv4Cidr": "10.0.0.0/20"}), "cluster", "overlaps the VPC's 10.0.0.0/16"},
	{"nodes that may not join", sound().without("node-policy"), "nodes", "lacks the policy AmazonEKSWorkerNodePolicy"},
	{"nodes that may not pull", sound().without("node-pull"), "nodes", "may not pull from ECR"},
	{"nodes without a way out", sound().without("out-private"), "nodes", "there is no route to a NAT gateway"},
	{"nodes before their cluster", sound().without("cluster", "oidc"), "nodes", "the EKS cluster 'cluster-missing' does not exist"},
	{"ARM nodes with an Intel image", sound().with("nodes", "instanceTypes", []any{"m7g.large"}), "nodes", "is not valid for the AMI type"},
	{"launch template of a version it has not", sound().with("nodes", "launchTemplate.version", "7"), "nodes", "has no version 7"},
	{"DNS add-on without nodes", sound().without("nodes"), "coredns", "has no nodes"},
	{"misspelt managed policy", sound().with("node-pull", "policyArn", awsPolicy+"AmazonEC2ContainerRegistryPull"), "node-pull", "does not exist or is not attachable"},
	{"role that lets in nobody", sound().with("deployer", "assumeRolePolicy", document(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::123456789012:role/ghost"}}`)), "deployer", "invalid principal in policy"},
	{"access in the old mode", sound().with("cluster", "accessConfig.authenticationMode", "CONFIG_MAP"), "access", "has no access entries"},
	{"grant without an entry", sound().with("grant", "principalArn", "${pod-role.arn}"), "grant", "has no access entry"},
	{"pod role that pods cannot take", sound().with("pod-role", "assumeRolePolicy", trust("ec2.amazonaws.com")), "pod", "does not let pods.eks.amazonaws.com in"},
	{"name taken", sound().plus(thing{name: "second", token: eksCluster, in: sound().get("cluster").in}), "second", "the EKS cluster 'main' exists already"},
	{"alias of no key", sound().with("alias", "targetKeyId", "00000000-0000-0000-0000-000000000000"), "alias", "NotFoundException"},
	{"key that nobody administers", sound().with("key", "policy", document(`{"Effect":"Allow","Action":"kms:Encrypt","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Resource":"*"}`)), "key", "will not allow you to update the key policy"},
	{"logs with a key they may not use", sound().with("key", "policy", document(root)), "logs", "does not let logs.eu-central-1.amazonaws.com use the key"},
	{"record of another zone", sound().with("www", "zoneId", "${inside.id}"), "www", "is not permitted in zone internal.example.org"},
	{"alias name at the apex", sound().with("www", "name", "example.org").with("www", "type", "CNAME").with("www", "records", []any{"example.net"}), "www", "not permitted at apex"},
	{"record twice", sound().plus(thing{name: "again", token: dnsRecord, in: Props{"zoneId": "${zone.id}", "name": "www", "type": "A", "ttl": 60, "records": []any{"192.0.2.2"}}}), "again", "but it already exists"},
	{"signing key in the wrong region", at("eu-central-1", sound(), "sign"), "ksk", "the key is in eu-central-1, and must be in us-east-1"},
	{"signing without an active key", sound().with("ksk", "status", "INACTIVE"), "dnssec", "KeySigningKeyWithActiveStatusNotFound"},
	{"query log that Route 53 may not write", sound().without("queries-policy"), "query-log", "InsufficientCloudWatchLogsResourcePolicy"},
	{"object lock without versions", sound().without("versions").with("archive", "objectLockEnabled", nil), "lock", "versioning must be 'Enabled'"},
	{"policy for another bucket", sound().with("tls-only", "policy", document(`{"Effect":"Deny","Action":"s3:*","Principal":"*","Resource":"arn:aws:s3:::other/*"}`)), "tls-only", "policy has invalid resource"},
	{"public policy where it is blocked", sound().with("tls-only", "policy", document(`{"Effect":"Allow","Action":"s3:GetObject","Principal":"*","Resource":"${archive.arn}/*"}`)), "tls-only", "public policies are blocked"},
	{"second monitor of all services", sound().plus(thing{name: "second", token: anomalyMonitor, in: Props{"monitorType": "DIMENSIONAL", "monitorDimension": "SERVICE"}}), "second", "dimensional spend monitor"},
	{"same group twice", sound().plus(thing{name: "again", token: securityGroup, in: Props{"vpcId": "${vpc.id}", "name": "${endpoints.name}"}}), "again", "security group '"},
	{"group of no network", sound().with("endpoints", "vpcId", nil), "endpoints", "VPCIdNotSpecified"},
	{"rule from another network", foreign().plus(thing{name: "theirs", token: securityGroup, in: Props{"vpcId": "${other.id}"}},
		thing{name: "across", token: egressRule, in: Props{"securityGroupId": "${endpoints.id}", "ipProtocol": "-1", "referencedSecurityGroupId": "${theirs.id}"}}), "across", "belongs to vpc-"},
	{"route to the network itself", sound().plus(thing{name: "local", token: route, in: Props{"routeTableId": "${table-public.id}", "destinationCidrBlock": "10.0.0.0/16", "gatewayId": "${gateway.id}"}}), "local", "is the local route of"},
	{"route to a gateway of another network", foreign().plus(thing{name: "theirs", token: routeTable, in: Props{"vpcId": "${other.id}"}},
		thing{name: "across", token: route, in: Props{"routeTableId": "${theirs.id}", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "${gateway.id}"}}), "across", "the network gateway igw-"},
	{"route to a NAT of another network", foreign().plus(thing{name: "theirs", token: routeTable, in: Props{"vpcId": "${other.id}"}},
		thing{name: "across", token: route, in: Props{"routeTableId": "${theirs.id}", "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "${nat.id}"}}), "across", "the NAT gateway nat-"},
	{"flow log twice", sound().plus(thing{name: "again", token: flowLog, in: sound().get("flow").in}), "again", "FlowLogAlreadyExists"},
	{"private names twice", sound().plus(thing{name: "again", token: vpcEndpoint, in: sound().get("to-ecr").in}), "again", "already a conflicting DNS domain"},
	{"gateway endpoint twice", sound().plus(thing{name: "again", token: vpcEndpoint, in: sound().get("to-s3").in}), "again", "already has a route for"},
	{"cluster role without its policy", sound().without("cluster-policy"), "cluster", "lacks the policy AmazonEKSClusterPolicy"},
	{"access for nobody", sound().with("access", "principalArn", "arn:aws:iam::123456789012:role/ghost"), "access", "the specified principal"},
	{"node role that EC2 cannot take", sound().with("node-role", "assumeRolePolicy", trust("eks.amazonaws.com")), "nodes", "does not let ec2.amazonaws.com in"},
	{"nodes in another network", foreign().with("nodes", "subnetIds", []any{"${foreign-a.id}"}), "nodes", "subnetIds[0]: subnet-"},
	{"nodes newer than their cluster", sound().with("nodes", "version", "1.34"), "nodes", "does not go with the cluster's"},
	{"proxy newer than its cluster", sound().plus(thing{name: "proxy", token: eksAddon, in: Props{"clusterName": "${cluster.name}", "addonName": "kube-proxy", "addonVersion": "v1.34.0-eksbuild.1"}}), "proxy", "is not supported with version 1.33"},
	{"add-on role of another provider", sound().with("cni", "serviceAccountRoleArn", "${node-role.arn}"), "cni", "does not let the cluster's OIDC provider in"},
	{"private zone twice", sound().plus(thing{name: "again", token: dnsZone, in: sound().get("inside").in}), "again", "ConflictingDomainExists"},
	{"name servers at the apex", sound().with("www", "name", "example.org").with("www", "type", "NS").with("www", "records", []any{"ns.example.net"}), "www", "type='NS'"},
	{"alias beside an address", sound().plus(thing{name: "again", token: dnsRecord, in: Props{"zoneId": "${zone.id}", "name": "www", "type": "CNAME", "ttl": 60, "records": []any{"example.net"}}}), "again", "conflicts with other records"},
	{"signing of a private zone", sound().with("ksk", "hostedZoneId", "${inside.id}"), "ksk", "a private zone cannot be signed"},
	{"signing with no key", sound().without("sign"), "ksk", "InvalidKMSArn: keyManagementServiceArn: key"},
	{"signing with a key for data", sound().with("sign", "customerMasterKeySpec", nil).with("sign", "keyUsage", nil), "ksk", "must be of the kind ECC_NIST_P256"},
	{"signing with a key that Route 53 may not use", sound().with("sign", "policy", document(root)), "ksk", "does not let dnssec-route53.amazonaws.com do"},
	{"queries to no log", sound().without("queries"), "query-log", "NoSuchCloudWatchLogsLogGroup"},
	{"queries to a log elsewhere", at("eu-central-1", sound(), "queries"), "query-log", "the log group is in eu-central-1"},
	{"log with no key", sound().with("logs", "kmsKeyId", "arn:aws:kms:eu-central-1:123456789012:key/ghost"), "logs", "kmsKeyId: the key"},
	{"bucket twice", sound().plus(thing{name: "again", token: bucketV1, in: Props{"bucket": "${archive.id}"}}), "again", "you already own it"},
	{"versions of no bucket", sound().with("versions", "bucket", "ghost"), "versions", "NoSuchBucket"},
	{"versions from another region", at(dnsHome, sound(), "versions"), "versions", "PermanentRedirect"},
	{"encryption with no key", sound().with("sealed", "rules", []any{map[string]any{"applyServerSideEncryptionByDefault": map[string]any{"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "ghost"}}}), "sealed", "KMS.NotFoundException"},
	{"cost tag that nothing bears", sound().with("cost-tag", "tagKey", "team"), "cost-tag", "tag keys not found: team"},
}

// foreign is the sound program with a second network before the cluster.
func foreign() program {
	before := program{
		{name: "other", token: vpc, in: Props{"cidrBlock": "10.9.0.0/16"}},
		{name: "foreign-a", token: subnet, in: Props{"vpcId": "${other.id}", "cidrBlock": "10.9.1.0/24", "availabilityZone": "eu-central-1a"}},
		{name: "foreign-b", token: subnet, in: Props{"vpcId": "${other.id}", "cidrBlock": "10.9.2.0/24", "availabilityZone": "eu-central-1b"}},
	}
	return append(before, sound()...)
}

// at moves the named thing to another region.
func at(region string, p program, name string) program {
	moved := append(program{}, p...)
	for i := range moved {
		if moved[i].name == name {
			moved[i].region = region
		}
	}
	return moved
}

func TestBrokenProgramsAreRefusedEachForItsReason(t *testing.T) {
	require.GreaterOrEqual(t, len(broken), 40)
	reasons := map[string]string{}
	for _, test := range broken {
		t.Run(test.title, func(t *testing.T) {
			name, err := newCloud(t).run(test.program)
			require.Error(t, err, "the whole program went through")
			assert.Equal(t, test.at, name, "%v", err)
			assert.ErrorContains(t, err, test.want)
			for line := range strings.Lines(err.Error()) {
				assert.Contains(t, line, "SIMULATED")
			}
			if other, twice := reasons[test.at+test.want]; twice {
				t.Errorf("is refused for the same reason as %q", other)
			}
			reasons[test.at+test.want] = test.title
		})
	}
}
