// Package cloud holds the rules about AWS resources. They judge what the
// program asks for; nothing here was ever run against an AWS account.
package cloud

import "slipway.dev/slipway/policies/rule"

type cluster struct {
	Name      string `json:"name,omitempty"`
	VPCConfig struct {
		EndpointPublicAccess  *bool    `json:"endpointPublicAccess,omitempty"`
		EndpointPrivateAccess bool     `json:"endpointPrivateAccess,omitempty"`
		PublicAccessCidrs     []string `json:"publicAccessCidrs,omitempty"`
	} `json:"vpcConfig"`
	EncryptionConfig *struct {
		Resources []string `json:"resources,omitempty"`
	} `json:"encryptionConfig,omitempty"`
	EnabledClusterLogTypes []string `json:"enabledClusterLogTypes,omitempty"`
}

type launchTemplate struct {
	BlockDeviceMappings []struct {
		EBS *struct {
			Encrypted any    `json:"encrypted,omitempty"`
			KMSKeyID  string `json:"kmsKeyId,omitempty"`
		} `json:"ebs,omitempty"`
	} `json:"blockDeviceMappings,omitempty"`
	MetadataOptions *struct {
		HTTPTokens string `json:"httpTokens,omitempty"`
		HopLimit   int    `json:"httpPutResponseHopLimit,omitempty"`
	} `json:"metadataOptions,omitempty"`
	NetworkInterfaces []struct {
		AssociatePublicIPAddress any `json:"associatePublicIpAddress,omitempty"`
	} `json:"networkInterfaces,omitempty"`
}

type volume struct {
	Encrypted bool   `json:"encrypted,omitempty"`
	KMSKeyID  string `json:"kmsKeyId,omitempty"`
}

type port struct {
	FromPort   *int     `json:"fromPort,omitempty"`
	ToPort     *int     `json:"toPort,omitempty"`
	Protocol   string   `json:"protocol,omitempty"`
	CidrBlocks []string `json:"cidrBlocks,omitempty"`
	IPv6Blocks []string `json:"ipv6CidrBlocks,omitempty"`
}

type securityGroup struct {
	Ingress []port `json:"ingress,omitempty"`
}

// oldRule is a rule of a security group in the form in which both directions
// share a type.
type oldRule struct {
	Type       string   `json:"type,omitempty"`
	FromPort   *int     `json:"fromPort,omitempty"`
	ToPort     *int     `json:"toPort,omitempty"`
	CidrBlocks []string `json:"cidrBlocks,omitempty"`
	IPv6Blocks []string `json:"ipv6CidrBlocks,omitempty"`
}

type ingressRule struct {
	FromPort *int   `json:"fromPort,omitempty"`
	ToPort   *int   `json:"toPort,omitempty"`
	Protocol string `json:"ipProtocol,omitempty"`
	IPv4     string `json:"cidrIpv4,omitempty"`
	IPv6     string `json:"cidrIpv6,omitempty"`
}

type key struct {
	EnableKeyRotation bool   `json:"enableKeyRotation,omitempty"`
	Spec              string `json:"customerMasterKeySpec,omitempty"`
	DeletionWindow    int    `json:"deletionWindowInDays,omitempty"`
}

type bucket struct {
	Bucket       string `json:"bucket,omitempty"`
	ForceDestroy bool   `json:"forceDestroy,omitempty"`
	ObjectLock   bool   `json:"objectLockEnabled,omitempty"`
}

type bucketPart struct {
	Bucket string `json:"bucket,omitempty"`

	BlockPublicAcls       bool `json:"blockPublicAcls,omitempty"`
	BlockPublicPolicy     bool `json:"blockPublicPolicy,omitempty"`
	IgnorePublicAcls      bool `json:"ignorePublicAcls,omitempty"`
	RestrictPublicBuckets bool `json:"restrictPublicBuckets,omitempty"`

	VersioningConfiguration *struct {
		Status string `json:"status,omitempty"`
	} `json:"versioningConfiguration,omitempty"`
}

type encryption struct {
	Rules []struct {
		Default *struct {
			SSEAlgorithm string `json:"sseAlgorithm,omitempty"`
			KMSKeyID     string `json:"kmsMasterKeyId,omitempty"`
		} `json:"applyServerSideEncryptionByDefault,omitempty"`
	} `json:"rules,omitempty"`
}

type lifecycle struct {
	Rules []struct {
		Status     string `json:"status,omitempty"`
		Expiration *struct {
			Days int `json:"days,omitempty"`
		} `json:"expiration,omitempty"`
		Noncurrent *struct {
			NoncurrentDays int `json:"noncurrentDays,omitempty"`
		} `json:"noncurrentVersionExpiration,omitempty"`
	} `json:"rules,omitempty"`
}

type repository struct {
	ImageTagMutability string `json:"imageTagMutability,omitempty"`
	Scanning           *struct {
		ScanOnPush bool `json:"scanOnPush,omitempty"`
	} `json:"imageScanningConfiguration,omitempty"`
}

type loadBalancer struct {
	AccessLogs *struct {
		Enabled bool `json:"enabled,omitempty"`
	} `json:"accessLogs,omitempty"`
	Type string `json:"loadBalancerType,omitempty"`
}

type listener struct {
	Protocol  string `json:"protocol,omitempty"`
	SSLPolicy string `json:"sslPolicy,omitempty"`
	Actions   []struct {
		Type     string `json:"type,omitempty"`
		Redirect *struct {
			Protocol string `json:"protocol,omitempty"`
		} `json:"redirect,omitempty"`
	} `json:"defaultActions,omitempty"`
}

// Type tokens.
var (
	clusterType   = rule.Shape[cluster]("aws:eks/cluster:Cluster")
	templateType  = rule.Shape[launchTemplate]("aws:ec2/launchTemplate:LaunchTemplate")
	volumeType    = rule.Shape[volume]("aws:ebs/volume:Volume")
	groupType     = rule.Shape[securityGroup]("aws:ec2/securityGroup:SecurityGroup")
	ruleType      = rule.Shape[ingressRule]("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
	keyType       = rule.Shape[key]("aws:kms/key:Key")
	bucketType    = rule.Shape[bucket]("aws:s3/bucketV2:BucketV2")
	blockType     = rule.Shape[bucketPart]("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
	versionsType  = rule.Shape[bucketPart]("aws:s3/bucketVersioningV2:BucketVersioningV2")
	encryptType   = rule.Shape[encryption]("aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2")
	lifecycleType = rule.Shape[lifecycle]("aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2")
	registryType  = rule.Shape[repository]("aws:ecr/repository:Repository")
	balancerType  = rule.Shape[loadBalancer]("aws:lb/loadBalancer:LoadBalancer")
	listenerType  = rule.Shape[listener]("aws:lb/listener:Listener")

	// The same things under their other names.
	defaultGroupType = rule.Shape[securityGroup]("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
	oldRuleType      = rule.Shape[oldRule]("aws:ec2/securityGroupRule:SecurityGroupRule")
	albType          = rule.Shape[loadBalancer]("aws:alb/loadBalancer:LoadBalancer")
	albListenerType  = rule.Shape[listener]("aws:alb/listener:Listener")
)
