package simcloud

import "testing"

const root = `{"Sid":"Root","Effect":"Allow","Action":"kms:*","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Resource":"*"}`

// sound is a small platform in which everything is right: the broken programs
// differ from it in one thing each.
func sound() program {
	p := program{
		{name: "vpc", token: vpc, in: Props{"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": true, "tags": map[string]any{"Name": "main"}}},
		{name: "public", token: subnet, in: Props{"vpcId": "${vpc.id}", "cidrBlock": "10.0.0.0/24", "availabilityZone": "eu-central-1a"}},
		{name: "private-a", token: subnet, in: Props{"vpcId": "${vpc.id}", "cidrBlock": "10.0.1.0/24", "availabilityZone": "eu-central-1a"}},
		{name: "private-b", token: subnet, in: Props{"vpcId": "${vpc.id}", "cidrBlock": "10.0.2.0/24", "availabilityZone": "eu-central-1b"}},
		{name: "gateway", token: internetGateway, in: Props{"vpcId": "${vpc.id}"}},
		{name: "address", token: elasticIP, in: Props{"domain": "vpc"}},
		{name: "nat", token: natGateway, in: Props{"subnetId": "${public.id}", "allocationId": "${address.id}"}},
		{name: "table-public", token: routeTable, in: Props{"vpcId": "${vpc.id}"}},
		{name: "table-private", token: routeTable, in: Props{"vpcId": "${vpc.id}"}},
		{name: "out-public", token: route, in: Props{"routeTableId": "${table-public.id}", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "${gateway.id}"}},
		{name: "out-private", token: route, in: Props{"routeTableId": "${table-private.id}", "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "${nat.id}"}},
		{name: "of-public", token: tableAssociation, in: Props{"subnetId": "${public.id}", "routeTableId": "${table-public.id}"}},
		{name: "of-private-a", token: tableAssociation, in: Props{"subnetId": "${private-a.id}", "routeTableId": "${table-private.id}"}},
		{name: "of-private-b", token: tableAssociation, in: Props{"subnetId": "${private-b.id}", "routeTableId": "${table-private.id}"}},
		{name: "endpoints", token: securityGroup, in: Props{"vpcId": "${vpc.id}", "description": "Private endpoints"}},
		{name: "https", token: ingressRule, in: Props{"securityGroupId": "${endpoints.id}", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": "10.0.0.0/16"}},
		{name: "to-s3", token: vpcEndpoint, in: Props{"vpcId": "${vpc.id}", "serviceName": "com.amazonaws.eu-central-1.s3", "routeTableIds": []any{"${table-private.id}"}}},
		{name: "to-ecr", token: vpcEndpoint, in: Props{
			"vpcId": "${vpc.id}", "serviceName": "com.amazonaws.eu-central-1.ecr.api", "vpcEndpointType": "Interface", "privateDnsEnabled": true,
			"subnetIds": []any{"${private-a.id}", "${private-b.id}"}, "securityGroupIds": []any{"${endpoints.id}"},
		}},
		{name: "archive", token: bucketV2, in: Props{"objectLockEnabled": true}},
		{name: "flow", token: flowLog, in: Props{"vpcId": "${vpc.id}", "trafficType": "ALL", "logDestinationType": "s3", "logDestination": "${archive.arn}/flow"}},
		{name: "key", token: kmsKey, in: Props{"enableKeyRotation": true, "deletionWindowInDays": 30, "policy": document(root,
			`{"Effect":"Allow","Action":["kms:Encrypt*","kms:GenerateDataKey*"],"Principal":{"Service":"logs.eu-central-1.amazonaws.com"},"Resource":"*"}`)}},
		{name: "alias", token: kmsAlias, in: Props{"name": "alias/main", "targetKeyId": "${key.keyId}"}},
		{name: "logs", token: logGroup, in: Props{"name": "/aws/eks/main/cluster", "retentionInDays": 30, "kmsKeyId": "${key.arn}"}},
	}
	return append(append(p, soundCluster()...), soundRest()...)
}

func soundCluster() program {
	return program{
		{name: "cluster-role", token: iamRole, in: Props{"assumeRolePolicy": trust("eks.amazonaws.com")}},
		{name: "cluster-policy", token: roleAttachment, in: Props{"role": "${cluster-role.name}", "policyArn": awsPolicy + "AmazonEKSClusterPolicy"}},
		{name: "cluster", token: eksCluster, in: Props{
			"name": "main", "roleArn": "${cluster-role.arn}", "version": "1.33", "enabledClusterLogTypes": []any{"api", "audit"},
			"vpcConfig":        map[string]any{"subnetIds": []any{"${private-a.id}", "${private-b.id}"}, "endpointPrivateAccess": true, "publicAccessCidrs": []any{"198.51.100.0/24"}},
			"encryptionConfig": map[string]any{"resources": []any{"secrets"}, "provider": map[string]any{"keyArn": "${key.arn}"}},
			"accessConfig":     map[string]any{"authenticationMode": "API"},
		}},
		{name: "oidc", token: oidcProvider, in: Props{"url": "${cluster.identities[].oidcs[].issuer}", "clientIdLists": []any{"sts.amazonaws.com"}}},
		{name: "node-role", token: iamRole, in: Props{"assumeRolePolicy": trust("ec2.amazonaws.com")}},
		{name: "node-policy", token: roleAttachment, in: Props{"role": "${node-role.name}", "policyArn": awsPolicy + "AmazonEKSWorkerNodePolicy"}},
		{name: "node-pull", token: roleAttachment, in: Props{"role": "${node-role.name}", "policyArn": awsPolicy + "AmazonEC2ContainerRegistryPullOnly"}},
		{name: "template", token: launchTemplate, in: Props{
			"metadataOptions":     map[string]any{"httpTokens": "required", "httpPutResponseHopLimit": 1},
			"blockDeviceMappings": []any{map[string]any{"deviceName": "/dev/xvda", "ebs": map[string]any{"volumeType": "gp3", "volumeSize": 50, "encrypted": "true"}}},
		}},
		{name: "nodes", token: eksNodeGroup, in: Props{
			"clusterName": "${cluster.name}", "nodeRoleArn": "${node-role.arn}", "subnetIds": []any{"${private-a.id}", "${private-b.id}"},
			"scalingConfig": map[string]any{"minSize": 2, "desiredSize": 2, "maxSize": 4}, "instanceTypes": []any{"m7i.large"},
			"launchTemplate": map[string]any{"id": "${template.id}", "version": "1"},
		}},
		{name: "cni", token: eksAddon, in: Props{"clusterName": "${cluster.name}", "addonName": "vpc-cni"}},
		{name: "coredns", token: eksAddon, in: Props{"clusterName": "${cluster.name}", "addonName": "coredns"}},
		{name: "deployer", token: iamRole, in: Props{"assumeRolePolicy": document(
			`{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"${oidc.arn}"}}`)}},
		{name: "access", token: eksAccess, in: Props{"clusterName": "${cluster.name}", "principalArn": "${deployer.arn}"}},
		{name: "grant", token: eksAccessGrant, in: Props{
			"clusterName": "${cluster.name}", "principalArn": "${access.principalArn}", "policyArn": accessPolicyPrefix + "AmazonEKSClusterAdminPolicy",
			"accessScope": map[string]any{"type": "cluster"},
		}},
		{name: "pod-role", token: iamRole, in: Props{"assumeRolePolicy": document(
			`{"Effect":"Allow","Action":["sts:AssumeRole","sts:TagSession"],"Principal":{"Service":"pods.eks.amazonaws.com"}}`)}},
		{name: "pod", token: eksPodIdentity, in: Props{"clusterName": "${cluster.name}", "namespace": "dns", "serviceAccount": "external", "roleArn": "${pod-role.arn}"}},
		{name: "pod-policy", token: rolePolicy, in: Props{"role": "${pod-role.name}", "policy": document(`{"Effect":"Allow","Action":"route53:List*","Resource":"*"}`)}},
	}
}

func soundRest() program {
	return program{
		{name: "delegation", token: delegationSet, in: Props{"referenceName": "main"}},
		{name: "zone", token: dnsZone, in: Props{"name": "example.org", "delegationSetId": "${delegation.id}"}},
		{name: "inside", token: dnsZone, in: Props{"name": "internal.example.org", "vpcs": []any{map[string]any{"vpcId": "${vpc.id}"}}}},
		{name: "www", token: dnsRecord, in: Props{"zoneId": "${zone.id}", "name": "www.example.org", "type": "A", "ttl": 60, "records": []any{"192.0.2.1"}}},
		{name: "sign", token: kmsKey, region: dnsHome, in: Props{
			"customerMasterKeySpec": "ECC_NIST_P256", "keyUsage": "SIGN_VERIFY", "policy": document(root,
				`{"Effect":"Allow","Action":["kms:DescribeKey","kms:GetPublicKey","kms:Sign"],"Principal":{"Service":"dnssec-route53.amazonaws.com"},"Resource":"*"}`),
		}},
		{name: "ksk", token: signingKey, in: Props{"hostedZoneId": "${zone.id}", "keyManagementServiceArn": "${sign.arn}", "name": "main"}},
		{name: "dnssec", token: zoneDNSSEC, in: Props{"hostedZoneId": "${ksk.hostedZoneId}"}},
		{name: "queries", token: logGroup, region: dnsHome, in: Props{"name": "/aws/route53/example.org", "retentionInDays": 30}},
		{name: "queries-policy", token: logResourcePolicy, region: dnsHome, in: Props{"policyName": "route53", "policyDocument": document(
			`{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Principal":{"Service":"route53.amazonaws.com"},"Resource":"*"}`)}},
		{name: "query-log", token: queryLog, in: Props{"zoneId": "${zone.id}", "cloudwatchLogGroupArn": "${queries.arn}"}},
		{name: "versions", token: bucketVersioning, in: Props{"bucket": "${archive.id}", "versioningConfiguration": map[string]any{"status": "Enabled"}}},
		{name: "lock", token: bucketLock, in: Props{"bucket": "${archive.id}", "rule": map[string]any{"defaultRetention": map[string]any{"mode": "GOVERNANCE", "days": 30}}}},
		{name: "block", token: bucketBlock, in: Props{"bucket": "${archive.id}", "blockPublicAcls": true, "blockPublicPolicy": true, "ignorePublicAcls": true, "restrictPublicBuckets": true}},
		{name: "tls-only", token: bucketPolicy, in: Props{"bucket": "${archive.id}", "policy": document(
			`{"Effect":"Deny","Action":"s3:*","Principal":"*","Resource":["${archive.arn}","${archive.arn}/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`)}},
		{name: "lifecycle", token: token("s3", "BucketLifecycleConfigurationV2"), in: Props{"bucket": "${archive.id}", "rules": []any{map[string]any{
			"id": "age", "status": "Enabled", "transitions": []any{map[string]any{"days": 30, "storageClass": "STANDARD_IA"}}, "expiration": map[string]any{"days": 365},
		}}}},
		{name: "sealed", token: token("s3", "BucketServerSideEncryptionConfigurationV2"), in: Props{"bucket": "${archive.id}", "rules": []any{map[string]any{
			"applyServerSideEncryptionByDefault": map[string]any{"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "${key.arn}"},
		}}}},
		{name: "images", token: repository, in: Props{"name": "slipway/api", "imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": map[string]any{"scanOnPush": true}}},
		{name: "images-rules", token: repositoryRules, in: Props{"repository": "${images.name}", "policy": `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":50},"action":{"type":"expire"}}]}`}},
		{name: "budget", token: budget, in: Props{
			"budgetType": "COST", "limitAmount": "500", "limitUnit": "USD", "timeUnit": "MONTHLY",
			"notifications": []any{map[string]any{"comparisonOperator": "GREATER_THAN", "threshold": 80, "thresholdType": "PERCENTAGE", "notificationType": "FORECASTED", "subscriberEmailAddresses": []any{"ops@example.org"}}},
		}},
		{name: "monitor", token: anomalyMonitor, in: Props{"monitorType": "DIMENSIONAL", "monitorDimension": "SERVICE"}},
		{name: "alert", token: anomalyAlert, in: Props{
			"frequency": "DAILY", "monitorArnLists": []any{"${monitor.arn}"}, "subscribers": []any{map[string]any{"type": "EMAIL", "address": "ops@example.org"}},
			"thresholdExpression": map[string]any{"dimension": map[string]any{"key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE", "values": []any{"20"}, "matchOptions": []any{"GREATER_THAN_OR_EQUAL"}}},
		}},
		{name: "cost-tag", token: allocationTag, in: Props{"tagKey": "project", "status": "Active"}},
	}
}

func TestASoundProgramIsBuiltKeptAndTakenDown(t *testing.T) {
	c, p := newCloud(t), sound()
	name, err := c.run(p)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, th := range p {
		outputs := kinds[th.token].schema().Outputs
		for property, output := range outputs {
			if value, ok := Plain(c.made[th.name])[property]; output.Required && !ok {
				t.Errorf("%s: the output %s is always there in AWS, and is %v here", th.name, property, value)
			}
		}
		if d := c.diff(th); len(d.GetDiffs()) > 0 {
			t.Errorf("%s: a second update would change %v", th.name, d.GetDiffs())
		}
		if r := c.read(th); r.GetId() != c.ids[th.name] {
			t.Errorf("%s: a refresh does not find it", th.name)
		}
		if d := c.diff(th); len(d.GetDiffs()) > 0 {
			t.Errorf("%s: an update after a refresh would change %v", th.name, d.GetDiffs())
		}
	}
	for i := len(p) - 1; i >= 0; i-- {
		if err := c.drop(p[i]); err != nil {
			t.Errorf("deleting %s: %v", p[i].name, err)
		}
	}
	if err := c.provider("").World.Do(func(tx *Tx) error {
		if left := tx.All(""); len(left) > 0 {
			t.Errorf("%d things are left, such as %s", len(left), left[0].ID)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
