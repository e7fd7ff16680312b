package simcloud

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	eksCluster     = token("eks", "Cluster")
	eksNodeGroup   = token("eks", "NodeGroup")
	eksAddon       = token("eks", "Addon")
	eksAccess      = token("eks", "AccessEntry")
	eksAccessGrant = token("eks", "AccessPolicyAssociation")
	eksPodIdentity = token("eks", "PodIdentityAssociation")
)

// kubernetesVersions are those that EKS offers, oldest first.
var kubernetesVersions = words("1.28 1.29 1.30 1.31 1.32 1.33 1.34 1.35")

// accessPolicies are the names of the policies for access entries, after
// arn:aws:eks::aws:cluster-access-policy/.
var accessPolicies = words(`AmazonEKSClusterAdminPolicy AmazonEKSAdminPolicy AmazonEKSAdminViewPolicy AmazonEKSEditPolicy
	AmazonEKSViewPolicy AmazonEKSAutoNodePolicy AmazonEKSBlockStoragePolicy AmazonEKSLoadBalancingPolicy
	AmazonEKSNetworkingPolicy AmazonEKSComputePolicy AmazonEKSBlockStorageClusterPolicy AmazonEKSComputeClusterPolicy
	AmazonEKSClusterInsightsPolicy AmazonEKSHybridPolicy AmazonEKSSecretReaderPolicy`)

var clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)

const accessPolicyPrefix = "arn:aws:eks::aws:cluster-access-policy/"

func eksKinds() []*kind {
	return []*kind{
		{
			token: eksCluster, called: "EKS cluster", action: "eks:CreateCluster", id: "{name}", missing: "ResourceNotFoundException", taken: "ResourceInUseException",
			quota: "clusters", naming: &naming{property: "name", max: 100, pattern: clusterName},
			arn: "arn:{partition}:eks:{region}:{account}:cluster/{name}",
			replace: words(`name roleArn bootstrapSelfManagedAddons encryptionConfig.provider outpostConfig remoteNetworkConfig
				kubernetesNetworkConfig.serviceIpv4Cidr kubernetesNetworkConfig.ipFamily accessConfig.bootstrapClusterCreatorAdminPermissions`),
			defaults: Props{"bootstrapSelfManagedAddons": true}, volatile: words("platformVersion"),
			rules: []rule{
				oneOf("version", kubernetesVersions...), oneOf("upgradePolicy.supportType", "EXTENDED", "STANDARD"),
				oneOf("enabledClusterLogTypes[]", "api", "audit", "authenticator", "controllerManager", "scheduler"),
				oneOf("accessConfig.authenticationMode", "CONFIG_MAP", "API", "API_AND_CONFIG_MAP"),
				oneOf("encryptionConfig.resources[]", "secrets"), oneOf("kubernetesNetworkConfig.ipFamily", "ipv4", "ipv6"),
			},
			refs: []ref{
				{path: "roleArn", token: iamRole, by: "arn", code: "InvalidParameterException"},
				{path: "vpcConfig.subnetIds[]", token: subnet, code: "InvalidParameterException"},
				{path: "vpcConfig.securityGroupIds[]", token: securityGroup, code: "InvalidParameterException"},
				{path: "encryptionConfig.provider.keyArn", token: kmsKey, by: "arn", code: "InvalidParameterException", loose: true},
			},
			check: checkCluster, create: createCluster, update: updateCluster, remove: removeCluster,
			// AWS promises no times. Its roadmap speaks of 15 minutes on average for a
			// cluster (aws/containers-roadmap#1227, 2021); all times here are of that order.
			creating: 800 * time.Second, updating: 480 * time.Second, deleting: 480 * time.Second,
		},
		{
			token: eksAccess, called: "EKS access entry", action: "eks:CreateAccessEntry", id: "{clusterName}:{principalArn}", missing: "ResourceNotFoundException",
			taken: "ResourceInUseException", replace: words("clusterName principalArn type"), defaults: Props{"type": "STANDARD"},
			rules:   []rule{oneOf("type", "STANDARD", "FARGATE_LINUX", "EC2_LINUX", "EC2_WINDOWS", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX")},
			outputs: map[string]string{"accessEntryArn": "arn:{partition}:eks:{region}:{account}:access-entry/{clusterName}/{id}", "createdAt": "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z"},
			refs:    []ref{{path: "clusterName", token: eksCluster}},
			check: func(in Props, report fault) {
				for i, group := range in.Texts("kubernetesGroups") {
					if strings.HasPrefix(group, "system:") {
						report(fmt.Sprintf("kubernetesGroups[%d]", i), fmt.Sprintf("is %q, and groups of Kubernetes itself cannot be given", group))
					}
				}
			},
			create: func(o *op) error {
				o.keep("userName", o.in.Text("principalArn"))
				if err := o.byEntries(o.target("clusterName")); err != nil {
					return err
				}
				return o.principal("principalArn")
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: eksAccessGrant, called: "EKS access policy association", action: "eks:AssociateAccessPolicy", missing: "ResourceNotFoundException",
			id: "{clusterName}#{principalArn}#{policyArn}", replace: words("*"),
			outputs: map[string]string{"associatedAt": "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z"},
			rules:   []rule{oneOf("accessScope.type", "cluster", "namespace")}, refs: []ref{{path: "clusterName", token: eksCluster}},
			check: func(in Props, report fault) {
				if arn, ok := in["policyArn"].(string); ok && !slices.Contains(accessPolicies, strings.TrimPrefix(arn, accessPolicyPrefix)) {
					report("policyArn", fmt.Sprintf("is %q, must be %s and one of %s", arn, accessPolicyPrefix, strings.Join(accessPolicies, ", ")))
				}
				if namespaced := in.Text("accessScope.type") == "namespace"; namespaced == empty(in.At("accessScope.namespaces")) && !HasUnknown(in["accessScope"]) {
					report("accessScope.namespaces", "must be set for the type namespace, and only for it")
				}
			},
			create: func(o *op) error {
				if o.lookup(eksAccess, o.in.Text("clusterName")+":"+o.in.Text("principalArn")) == nil {
					return refuse("ResourceNotFoundException", "the principal %s has no access entry in the cluster %s", o.in["principalArn"], o.in["clusterName"])
				}
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: eksPodIdentity, called: "EKS pod identity association", action: "eks:CreatePodIdentityAssociation", missing: "ResourceNotFoundException",
			taken: "ResourceInUseException", prefix: "a", replace: words("clusterName namespace serviceAccount"), unique: "{clusterName}/{namespace}/{serviceAccount}",
			outputs: map[string]string{
				"associationId": "{id}", "associationArn": "arn:{partition}:eks:{region}:{account}:podidentityassociation/{clusterName}/{id}",
			},
			refs: []ref{{path: "clusterName", token: eksCluster}, {path: "roleArn", token: iamRole, by: "arn", code: "InvalidParameterException"}},
			create: func(o *op) error {
				if role := o.target("roleArn"); !trusts(role, "pods.eks.amazonaws.com") {
					return refuse("InvalidParameterException", "roleArn: the trust policy of %s does not let pods.eks.amazonaws.com in", role.ID)
				}
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
	}
}

func checkCluster(in Props, report fault) {
	open, closed := in.At("vpcConfig.endpointPublicAccess") != false, !in.Flag("vpcConfig.endpointPrivateAccess")
	if !open && closed {
		report("vpcConfig.endpointPrivateAccess", "must be true where endpointPublicAccess is false")
	}
	if !open && !empty(in.At("vpcConfig.publicAccessCidrs")) {
		report("vpcConfig.publicAccessCidrs", "is only for a public endpoint")
	}
	checkCIDR("vpcConfig.publicAccessCidrs[]", 0, 32)(in, report)
	checkCIDR("kubernetesNetworkConfig.serviceIpv4Cidr", 12, 24)(in, report)
	if subnets, ok := in.At("vpcConfig.subnetIds").([]any); ok && len(subnets) < 2 {
		report("vpcConfig.subnetIds", fmt.Sprintf("has %d elements, and subnets in at least two availability zones are needed", len(subnets)))
	}
}

func createCluster(o *op) error {
	if role := o.target("roleArn"); !trusts(role, "eks.amazonaws.com") {
		return refuse("InvalidParameterException", "roleArn: role %s could not be assumed because the trusted entity is not correct: eks.amazonaws.com is not let in", role.ID)
	} else if attached := o.attached(role.ID); !slices.Contains(attached, awsPolicy+"AmazonEKSClusterPolicy") {
		return refuse("InvalidParameterException", "roleArn: the role %s lacks the policy AmazonEKSClusterPolicy", role.ID)
	}
	if err := o.spread(); err != nil {
		return err
	}
	if o.out["version"] == nil {
		o.out["version"] = kubernetesVersions[len(kubernetesVersions)-1]
	}
	hash := strings.ToUpper(digest(32, o.record.URN, o.Operations))
	o.keep("endpoint", "https://"+hash+".gr7."+o.p.region+".eks.amazonaws.com")
	o.keep("certificateAuthority", map[string]any{"data": "U0lNVUxBVEVE"})
	o.keep("certificateAuthorities", []any{map[string]any{"data": "U0lNVUxBVEVE"}})
	o.keep("identities", []any{map[string]any{"oidcs": []any{map[string]any{
		"issuer": "https://oidc.eks." + o.p.region + ".amazonaws.com/id/" + hash,
	}}}})
	// The group that EKS makes for the cluster can be referred to like any other.
	group := &Record{
		Token: securityGroup, ID: "sg-" + digest(17, hash), Account: o.record.Account, Region: o.record.Region, Status: active,
		Inputs: Props{"vpcId": o.out.Text("vpcConfig.vpcId")},
	}
	group.Properties = Props{"vpcId": o.out.Text("vpcConfig.vpcId"), "name": "eks-cluster-sg-" + o.out.Text("name")}
	o.Put(group)
	o.out.Set("vpcConfig.clusterSecurityGroupId", group.ID)
	o.out["platformVersion"], o.out["status"], o.out["createdAt"] = "eks.1", "ACTIVE", "2026-01-01T00:00:00Z"
	if o.out.At("accessConfig.authenticationMode") == nil {
		o.out.Set("accessConfig.authenticationMode", "CONFIG_MAP")
	}
	if o.out.At("kubernetesNetworkConfig.serviceIpv4Cidr") == nil {
		o.out.Set("kubernetesNetworkConfig.serviceIpv4Cidr", "172.20.0.0/16")
	}
	if o.out.At("upgradePolicy.supportType") == nil {
		o.out.Set("upgradePolicy.supportType", "EXTENDED")
	}
	return o.serviceRange()
}

// removeCluster takes the cluster's objects along. What its controllers made in
// AWS stays behind, as it does there.
func removeCluster(o *op) error {
	host, _, _ := strings.Cut(strings.TrimPrefix(o.out.Text("endpoint"), "https://"), ".")
	if group := o.lookup(securityGroup, o.out.Text("vpcConfig.clusterSecurityGroupId")); group != nil {
		o.Remove(group)
	}
	for _, object := range o.All("") {
		if object.Region == "cluster-"+strings.ToLower(host) {
			o.Remove(object)
		}
	}
	return nil
}

// spread refuses subnets of several networks or of a single zone.
func (o *op) spread() error {
	ids := o.in.Texts("vpcConfig.subnetIds")
	if ids == nil {
		ids = texts(o.in.At("vpcConfig.subnetIds"))
	}
	zones, home := map[string]bool{}, ""
	for _, id := range ids {
		s := o.lookup(subnet, id)
		zones[s.Properties.Text("availabilityZone")] = true
		if own := s.Properties.Text("vpcId"); home != "" && own != home {
			return refuse("InvalidParameterException", "vpcConfig.subnetIds: the subnets are not all of one VPC: %s and %s", home, own)
		}
		home = s.Properties.Text("vpcId")
	}
	if len(zones) < 2 {
		return refuse("InvalidParameterException", "vpcConfig.subnetIds: subnets specified must be in at least two different availability zones")
	}
	o.out.Set("vpcConfig.vpcId", home)
	return o.sameVPC(home, "vpcConfig.securityGroupIds[]")
}

// serviceRange refuses service addresses that are those of the network too.
func (o *op) serviceRange() error {
	home := o.lookup(vpc, o.out.Text("vpcConfig.vpcId"))
	services, err := network(o.out.Text("kubernetesNetworkConfig.serviceIpv4Cidr"))
	if home == nil || err != nil {
		return nil
	}
	if around, err := network(home.Properties.Text("cidrBlock")); err == nil && around.Overlaps(services) {
		return refuse("InvalidParameterException", "kubernetesNetworkConfig.serviceIpv4Cidr: %s overlaps the VPC's %s", services, around)
	}
	return nil
}

func updateCluster(o *op) error {
	before, after := o.old.Text("version"), o.out.Text("version")
	if step := minor(after) - minor(before); step < 0 || step > 1 {
		return refuse("InvalidParameterException", "version: unsupported Kubernetes minor version update from %s to %s: go up one at a time", before, after)
	}
	if was := o.old.Text("accessConfig.authenticationMode"); was == "API" && o.out.Text("accessConfig.authenticationMode") != "API" {
		return refuse("InvalidRequestException", "accessConfig.authenticationMode: cannot go back from API")
	}
	if o.old["encryptionConfig"] != nil && o.out["encryptionConfig"] == nil {
		return refuse("InvalidRequestException", "encryptionConfig: envelope encryption cannot be switched off")
	}
	home := o.old.Text("vpcConfig.vpcId")
	if err := o.spread(); err != nil {
		return err
	}
	if o.out.Text("vpcConfig.vpcId") != home {
		return refuse("InvalidParameterException", "vpcConfig.subnetIds: provided subnets belong to VPC %s, the cluster to %s", o.out.Text("vpcConfig.vpcId"), home)
	}
	for _, nested := range []string{"vpcConfig.clusterSecurityGroupId", "accessConfig.authenticationMode", "kubernetesNetworkConfig.serviceIpv4Cidr", "upgradePolicy.supportType"} {
		if o.out.At(nested) == nil {
			o.out.Set(nested, o.old.At(nested))
		}
	}
	return nil
}

func minor(version string) int {
	_, text, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// byEntries refuses a cluster that does not know access entries.
func (o *op) byEntries(cluster *Record) error {
	if mode := cluster.Properties.Text("accessConfig.authenticationMode"); mode == "CONFIG_MAP" {
		return refuse("InvalidRequestException", "the authentication mode of cluster %s is %s, which has no access entries", cluster.ID, mode)
	}
	return nil
}

// principal refuses an ARN of this account at which nobody is.
func (o *op) principal(path string) error {
	arn := o.in.Text(path)
	switch {
	case !strings.HasPrefix(arn, "arn:aws:iam::"):
		return refuse("InvalidParameterException", "%s: the principal ARN %q is invalid", path, arn)
	case strings.HasPrefix(arn, "arn:aws:iam::"+o.p.Settings.Account+":role/") && !o.exists(arn):
		return refuse("InvalidParameterException", "%s: the specified principal %s does not exist", path, arn)
	}
	return nil
}
