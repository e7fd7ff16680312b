package simcloud

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// addons that EKS offers. Those that need nodes are ready only where their pods
// can run.
var addons = map[string]struct{ needsNodes bool }{
	"vpc-cni": {}, "kube-proxy": {}, "eks-pod-identity-agent": {}, "coredns": {true}, "aws-ebs-csi-driver": {true},
	"aws-efs-csi-driver": {true}, "metrics-server": {true}, "snapshot-controller": {true}, "kube-state-metrics": {true},
	"prometheus-node-exporter": {}, "cert-manager": {true}, "external-dns": {true}, "amazon-cloudwatch-observability": {true},
	"aws-guardduty-agent": {}, "eks-node-monitoring-agent": {}, "adot": {true}, "aws-secrets-store-csi-driver-provider": {},
	"aws-mountpoint-s3-csi-driver": {},
}

func nodeKinds() []*kind {
	return []*kind{
		{
			token: eksNodeGroup, called: "EKS node group", action: "eks:CreateNodegroup", id: "{clusterName}:{nodeGroupName}", missing: "ResourceNotFoundException",
			taken: "ResourceInUseException", naming: &naming{property: "nodeGroupName", max: 63, pattern: clusterName},
			arn: "arn:{partition}:eks:{region}:{account}:nodegroup/{clusterName}/{nodeGroupName}/{id}",
			replace: words(`clusterName nodeGroupName nodeGroupNamePrefix nodeRoleArn subnetIds amiType capacityType diskSize instanceTypes
				remoteAccess launchTemplate.id launchTemplate.name`),
			defaults: Props{"capacityType": "ON_DEMAND"},
			rules: []rule{
				oneOf("capacityType", "ON_DEMAND", "SPOT", "CAPACITY_BLOCK"), oneOf("taints[].effect", "NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"),
				oneOf("amiType", words(`AL2_x86_64 AL2_x86_64_GPU AL2_ARM_64 CUSTOM BOTTLEROCKET_ARM_64 BOTTLEROCKET_x86_64
					BOTTLEROCKET_ARM_64_FIPS BOTTLEROCKET_x86_64_FIPS BOTTLEROCKET_ARM_64_NVIDIA BOTTLEROCKET_x86_64_NVIDIA
					AL2023_x86_64_STANDARD AL2023_ARM_64_STANDARD AL2023_x86_64_NEURON AL2023_x86_64_NVIDIA AL2023_ARM_64_NVIDIA`)...),
				between("scalingConfig.minSize", 0, 450), between("scalingConfig.maxSize", 1, 450), between("scalingConfig.desiredSize", 0, 450),
				between("updateConfig.maxUnavailable", 1, 100), between("updateConfig.maxUnavailablePercentage", 1, 100),
				between("diskSize", 1, 16384), oneOf("version", kubernetesVersions...), between("taints", 0, 50), between("instanceTypes", 0, 20),
			},
			refs: []ref{
				{path: "clusterName", token: eksCluster}, {path: "nodeRoleArn", token: iamRole, by: "arn", code: "InvalidParameterException"},
				{path: "subnetIds[]", token: subnet, code: "InvalidParameterException"},
				{path: "launchTemplate.id", token: launchTemplate, code: "InvalidParameterException"},
			},
			check: checkNodeGroup, create: createNodeGroup, creating: 150 * time.Second, updating: 240 * time.Second, deleting: 240 * time.Second,
		},
		{
			token: eksAddon, called: "EKS add-on", action: "eks:CreateAddon", id: "{clusterName}:{addonName}", missing: "ResourceNotFoundException",
			taken: "ResourceInUseException", replace: words("clusterName addonName"), arn: "arn:{partition}:eks:{region}:{account}:addon/{clusterName}/{addonName}/{id}",
			outputs: map[string]string{"createdAt": "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z"},
			rules: []rule{
				oneOf("resolveConflictsOnCreate", "NONE", "OVERWRITE"), oneOf("resolveConflictsOnUpdate", "NONE", "OVERWRITE", "PRESERVE"),
				matches("addonVersion", `v\d+\.\d+\.\d+-eksbuild\.\d+`, "a version such as v1.19.3-eksbuild.1"),
			},
			refs: []ref{{path: "clusterName", token: eksCluster}, {path: "serviceAccountRoleArn", token: iamRole, by: "arn", code: "InvalidParameterException"}},
			check: func(in Props, report fault) {
				if _, ok := addons[in.Text("addonName")]; !ok && !IsUnknown(in["addonName"]) {
					report("addonName", fmt.Sprintf("is %q, which is no add-on that the simulation knows", in["addonName"]))
				}
				if in["serviceAccountRoleArn"] != nil && !empty(in["podIdentityAssociations"]) {
					report("podIdentityAssociations", "is set beside serviceAccountRoleArn: give only one")
				}
			},
			create: createAddon, creating: 40 * time.Second, updating: 40 * time.Second, deleting: 20 * time.Second,
		},
	}
}

func checkNodeGroup(in Props, report fault) {
	low, wanted, high := in.Number("scalingConfig.minSize"), in.Number("scalingConfig.desiredSize"), in.Number("scalingConfig.maxSize")
	if !HasUnknown(in["scalingConfig"]) && (low > wanted || wanted > high) {
		report("scalingConfig", fmt.Sprintf("has minSize %v, desiredSize %v, maxSize %v, which must not fall", low, wanted, high))
	}
	checkInstanceTypes("instanceTypes[]")(in, report)
	if in["launchTemplate"] != nil {
		for _, name := range []string{"diskSize", "remoteAccess"} {
			if in[name] != nil {
				report(name, "cannot stand beside launchTemplate: say it there")
			}
		}
		exactly(false, "launchTemplate.id", "launchTemplate.name")(in, report)
	}
	if in["updateConfig"] != nil {
		exactly(false, "updateConfig.maxUnavailable", "updateConfig.maxUnavailablePercentage")(in, report)
	}
	for _, key := range []string{"kubernetes.io/", "k8s.io/", "eks.amazonaws.com/"} {
		for label := range in.Object("labels") {
			domain, _, _ := strings.Cut(label, "/")
			if strings.HasSuffix(domain+"/", key) && domain != "node.kubernetes.io" {
				report("labels."+label, "is in a domain that is reserved: "+key)
			}
		}
	}
}

func createNodeGroup(o *op) error {
	cluster, role := o.target("clusterName"), o.target("nodeRoleArn")
	if !trusts(role, "ec2.amazonaws.com") {
		return refuse("InvalidParameterException", "nodeRoleArn: the trust policy of %s does not let ec2.amazonaws.com in", role.ID)
	}
	attached := o.attached(role.ID)
	if !slices.Contains(attached, awsPolicy+"AmazonEKSWorkerNodePolicy") && !slices.Contains(attached, awsPolicy+"AmazonEKSWorkerNodeMinimalPolicy") {
		return refuse("NodeCreationFailure", "instances failed to join the kubernetes cluster: the role %s lacks the policy AmazonEKSWorkerNodePolicy", role.ID)
	}
	if !slices.ContainsFunc(attached, func(arn string) bool {
		return strings.HasPrefix(arn, awsPolicy+"AmazonEC2ContainerRegistry")
	}) {
		return refuse("NodeCreationFailure", "unhealthy nodes in the kubernetes cluster: the role %s may not pull from ECR: AmazonEC2ContainerRegistryPullOnly is missing", role.ID)
	}
	home := cluster.Properties.Text("vpcConfig.vpcId")
	for i, id := range o.in.Texts("subnetIds") {
		s := o.lookup(subnet, id)
		if s.Properties["vpcId"] != home {
			return refuse("InvalidParameterException", "subnetIds[%d]: %s belongs to %s, the cluster to %s", i, id, s.Properties["vpcId"], home)
		}
		if err := o.joins(s, cluster); err != nil {
			return err
		}
	}
	if siblings := o.nodeGroups(cluster.ID); o.old == nil && len(siblings) >= o.quota("nodeGroupsOfCluster") {
		return refuse("ResourceLimitExceededException", "the cluster %s has %d node groups: the quota nodeGroupsOfCluster is reached", cluster.ID, len(siblings))
	}
	version := cluster.Properties.Text("version")
	if own := o.out.Text("version"); own != "" && (minor(own) > minor(version) || minor(version)-minor(own) > 3) {
		return refuse("InvalidParameterException", "version: %s does not go with the cluster's %s", own, version)
	}
	o.keep("version", version)
	o.out["releaseVersion"] = o.out.Text("version") + ".0-20260101"
	o.out["status"] = "ACTIVE"
	if o.in["launchTemplate"] == nil {
		o.keep("diskSize", 20.0)
	} else if template := o.lookup(launchTemplate, o.in.Text("launchTemplate.id")); template != nil {
		if wanted := o.in.Text("launchTemplate.version"); wanted != "" && !strings.HasPrefix(wanted, "$") && wanted > fmt.Sprint(template.Properties["latestVersion"]) {
			return refuse("InvalidParameterException", "launchTemplate.version: %s has no version %s", template.ID, wanted)
		}
		o.out.Set("launchTemplate.name", template.Properties["name"])
	}
	if o.in["launchTemplate"] == nil && empty(o.out["instanceTypes"]) {
		o.out["instanceTypes"] = []any{"t3.medium"}
	}
	o.keep("amiType", "AL2023_x86_64_STANDARD")
	for _, kind := range o.out.Texts("instanceTypes") {
		family, _, _ := strings.Cut(kind, ".")
		arm := strings.HasSuffix(family, "g") || strings.HasSuffix(family, "gd")
		if ami := o.out.Text("amiType"); ami != "CUSTOM" && arm != strings.Contains(ami, "ARM_64") {
			return refuse("InvalidParameterException", "instanceTypes: %s is not valid for the AMI type %s", kind, ami)
		}
	}
	o.keep("resources", []any{map[string]any{"autoscalingGroups": []any{map[string]any{
		"name": "eks-" + o.out.Text("nodeGroupName") + "-" + digest(32, o.record.URN, o.Operations),
	}}}})
	return nil
}

// joins refuses a subnet in which a node cannot reach the cluster and its
// images: it needs a way out, or private endpoints.
func (o *op) joins(s, cluster *Record) error {
	for _, association := range o.find(tableAssociation) {
		if association.Properties["subnetId"] != s.ID {
			continue
		}
		table := association.Properties.Text("routeTableId")
		if o.wayOut(table, s) {
			return nil
		}
	}
	private := map[string]bool{}
	for _, e := range o.find(vpcEndpoint) {
		if e.Properties["vpcId"] == s.Properties["vpcId"] {
			private[serviceOf(e.Properties)] = true
		}
	}
	if cluster.Properties.Flag("vpcConfig.endpointPrivateAccess") && private["ecr.api"] && private["ecr.dkr"] && private["s3"] && private["ec2"] && private["sts"] {
		return nil
	}
	return refuse("NodeCreationFailure", "instances failed to join the kubernetes cluster: from %s there is no route to a NAT gateway, none to an internet gateway with public addresses, and not all of the private endpoints", s.ID)
}

func (o *op) wayOut(table string, s *Record) bool {
	leads := func(r Props, destination string) bool {
		if r[destination] != "0.0.0.0/0" {
			return false
		}
		return r.Text("natGatewayId") != "" || r.Text("gatewayId") != "" && s.Properties.Flag("mapPublicIpOnLaunch")
	}
	for _, r := range o.find(route) {
		if r.Properties["routeTableId"] == table && leads(r.Properties, "destinationCidrBlock") {
			return true
		}
	}
	if t := o.lookup(routeTable, table); t != nil {
		return slices.ContainsFunc(t.Properties.Objects("routes"), func(r Props) bool { return leads(r, "cidrBlock") })
	}
	return false
}

// majorMinor is the beginning of an add-on's version, such as 1.34.
func majorMinor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// nodeGroups are those of the cluster.
func (o *op) nodeGroups(cluster string) []*Record {
	var groups []*Record
	for _, g := range o.find(eksNodeGroup) {
		if g.Properties["clusterName"] == cluster {
			groups = append(groups, g)
		}
	}
	return groups
}

func createAddon(o *op) error {
	name, cluster := o.in.Text("addonName"), o.target("clusterName")
	if addons[name].needsNodes && !slices.ContainsFunc(o.nodeGroups(cluster.ID), func(g *Record) bool {
		return g.Status == active && g.Properties.Number("scalingConfig.desiredSize") > 0
	}) {
		return refuse("InsufficientNumberOfReplicas", "unexpected state 'DEGRADED', wanted target 'ACTIVE': the add-on %s is unhealthy because the cluster %s has no nodes", name, cluster.ID)
	}
	if role := o.target("serviceAccountRoleArn"); role != nil {
		issuer := ""
		if list := cluster.Properties.Objects("identities"); len(list) > 0 {
			if oidcs := list[0].Objects("oidcs"); len(oidcs) > 0 {
				issuer = oidcs[0].Text("issuer")
			}
		}
		provider := "arn:aws:iam::" + o.p.Settings.Account + ":oidc-provider/" + strings.TrimPrefix(issuer, "https://")
		if !trusts(role, provider) {
			return refuse("InvalidParameterException", "serviceAccountRoleArn: the trust policy of %s does not let the cluster's OIDC provider in", role.ID)
		}
	}
	// It is a part of Kubernetes, and no release of it works with an older one.
	if given, version := o.in.Text("addonVersion"), cluster.Properties.Text("version"); name == "kube-proxy" && given != "" && minor(majorMinor(given)) > minor(version) {
		return refuse("InvalidParameterException", "addonVersion: %s of kube-proxy is not supported with version %s of the cluster", given, version)
	}
	o.keep("addonVersion", "v1.0.0-eksbuild.1")
	return nil
}
