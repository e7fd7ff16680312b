package simcloud

import (
	"fmt"
	"strings"
)

var (
	bucketVersioning = token("s3", "BucketVersioningV2")
	bucketLock       = token("s3", "BucketObjectLockConfigurationV2")
	bucketBlock      = token("s3", "BucketPublicAccessBlock")
	bucketPolicy     = token("s3", "BucketPolicy")
)

func bucketRuleKinds() []*kind {
	return []*kind{
		onBucket("BucketVersioningV2", "S3 bucket versioning", "s3:PutBucketVersioning", kind{
			replace: words("expectedBucketOwner"),
			rules: []rule{
				oneOf("versioningConfiguration.status", "Enabled", "Suspended", "Disabled"), oneOf("versioningConfiguration.mfaDelete", "Enabled", "Disabled"),
			},
			create: func(o *op) error {
				b := o.bucket(o.in.Text("bucket"))
				if o.in.Text("versioningConfiguration.status") != "Enabled" && (b.Properties.Flag("objectLockEnabled") || o.Get(bucketLock, b.ID, "global") != nil) {
					return refuse("InvalidBucketState", "an object lock configuration is present on this bucket, so the versioning state cannot be changed: '%s'", b.ID)
				}
				if was := o.old.Text("versioningConfiguration.status"); was != "" && was != "Disabled" && o.in.Text("versioningConfiguration.status") == "Disabled" {
					return refuse("IllegalVersioningConfigurationException", "versioning of '%s' can be suspended, and not disabled again", b.ID)
				}
				return nil
			},
			remove: func(o *op) error {
				if o.Get(bucketLock, o.out.Text("bucket"), "global") != nil {
					return refuse("InvalidBucketState", "an object lock configuration is present on this bucket, so the versioning state cannot be changed: '%s'", o.out["bucket"])
				}
				return nil
			},
		}),
		onBucket("BucketObjectLockConfigurationV2", "S3 object lock", "s3:PutObjectLockConfiguration", kind{
			replace:  words("expectedBucketOwner"),
			defaults: Props{"objectLockEnabled": "Enabled"},
			rules:    []rule{oneOf("objectLockEnabled", "Enabled"), oneOf("rule.defaultRetention.mode", "GOVERNANCE", "COMPLIANCE")},
			check: func(in Props, report fault) {
				if in.At("rule.defaultRetention") != nil {
					exactly(false, "rule.defaultRetention.days", "rule.defaultRetention.years")(in, report)
				}
			},
			create: func(o *op) error {
				b := o.bucket(o.in.Text("bucket"))
				v := o.Get(bucketVersioning, b.ID, "global")
				if !b.Properties.Flag("objectLockEnabled") && (v == nil || v.Properties.Text("versioningConfiguration.status") != "Enabled") {
					return refuse("InvalidBucketState", "versioning must be 'Enabled' on the bucket '%s' to apply an object lock configuration", b.ID)
				}
				return nil
			},
		}),
		onBucket("BucketServerSideEncryptionConfigurationV2", "S3 bucket encryption", "s3:PutBucketEncryption", kind{
			replace: words("expectedBucketOwner"),
			rules:   []rule{oneOf("rules[].applyServerSideEncryptionByDefault.sseAlgorithm", "AES256", "aws:kms", "aws:kms:dsse")},
			check: func(in Props, report fault) {
				for i, r := range in.Objects("rules") {
					d := r.Object("applyServerSideEncryptionByDefault")
					if d["kmsMasterKeyId"] != nil && d["sseAlgorithm"] == "AES256" {
						report(fmt.Sprintf("rules[%d].applyServerSideEncryptionByDefault.kmsMasterKeyId", i), "is not for AES256")
					}
				}
			},
			create: func(o *op) error {
				for i, r := range o.in.Objects("rules") {
					name := r.Text("applyServerSideEncryptionByDefault.kmsMasterKeyId")
					if name != "" && o.key(name) == nil {
						return refuse("KMS.NotFoundException", "rules[%d]: the KMS key %s does not exist in %s", i, name, o.p.region)
					}
				}
				return nil
			},
		}),
		onBucket("BucketPublicAccessBlock", "S3 public access block", "s3:PutPublicAccessBlock", kind{
			defaults: Props{"blockPublicAcls": false, "blockPublicPolicy": false, "ignorePublicAcls": false, "restrictPublicBuckets": false},
		}),
		onBucket("BucketOwnershipControls", "S3 ownership controls", "s3:PutBucketOwnershipControls", kind{
			rules: []rule{oneOf("rule.objectOwnership", "BucketOwnerPreferred", "ObjectWriter", "BucketOwnerEnforced")},
		}),
		onBucket("BucketPolicy", "S3 bucket policy", "s3:PutBucketPolicy", kind{
			check: func(in Props, report fault) {
				checkPolicy(resourcePolicy, "policy", in["policy"], report)
				checkSize("policy", in["policy"], 20480, report)
			},
			create: createBucketPolicy,
		}),
		onBucket("BucketLifecycleConfigurationV2", "S3 lifecycle", "s3:PutBucketLifecycleConfiguration", kind{
			replace: words("expectedBucketOwner"),
			rules: []rule{
				oneOf("rules[].status", "Enabled", "Disabled"),
				oneOf("rules[].transitions[].storageClass", "GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR"),
				between("rules", 1, 1000), between("rules[].id", 1, 255), between("rules[].expiration.days", 0, 1<<31),
			},
			check: checkLifecycle,
		}),
		onBucket("BucketLoggingV2", "S3 access log", "s3:PutBucketLogging", kind{
			replace: words("expectedBucketOwner"),
			create: func(o *op) error {
				if o.bucket(o.in.Text("targetBucket")) == nil {
					return refuse("InvalidTargetBucketForLogging", "targetBucket: the target bucket for logging does not exist: '%s'", o.in["targetBucket"])
				}
				return nil
			},
		}),
	}
}

func createBucketPolicy(o *op) error {
	b := o.bucket(o.in.Text("bucket"))
	document, _ := parsePolicy(o.in["policy"])
	block := o.Get(bucketBlock, b.ID, "global")
	for i, s := range statements("policy", document) {
		for _, resource := range texts(s.Props["Resource"]) {
			arn := "arn:aws:s3:::" + b.ID
			if resource != arn && !strings.HasPrefix(resource, arn+"/") {
				return refuse("MalformedPolicy", "policy.Statement[%d]: policy has invalid resource: %s is not of the bucket %s", i, resource, b.ID)
			}
		}
		open := s.Props["Principal"] == "*"
		if object, ok := s.Props["Principal"].(map[string]any); ok {
			for _, arn := range texts(object["AWS"]) {
				open = open || arn == "*"
			}
		}
		if open && s.Props["Effect"] == "Allow" && s.Props["Condition"] == nil && block != nil && block.Properties.Flag("blockPublicPolicy") {
			return refuse("AccessDenied", "policy.Statement[%d] is public, and public policies are blocked by the BlockPublicPolicy setting of '%s'", i, b.ID)
		}
	}
	if err := o.principals(document); err != nil {
		return refuse("MalformedPolicy", "%v", err)
	}
	return nil
}

func checkLifecycle(in Props, report fault) {
	ids := map[string]bool{}
	for i, r := range in.Objects("rules") {
		path := fmt.Sprintf("rules[%d]", i)
		if id := r.Text("id"); ids[id] {
			report(path+".id", fmt.Sprintf("%q is used twice", id))
		} else {
			ids[id] = true
		}
		actions := words("expiration transitions noncurrentVersionExpiration noncurrentVersionTransitions abortIncompleteMultipartUpload")
		does := false
		for _, action := range actions {
			does = does || !empty(r[action])
		}
		if !does {
			report(path, "does nothing: give one of "+strings.Join(actions, ", "))
		}
		previous := 0.0
		for j, t := range r.Objects("transitions") {
			days := t.Number("days")
			if class := t.Text("storageClass"); strings.HasSuffix(class, "_IA") && days < 30 && !IsUnknown(t["days"]) {
				report(fmt.Sprintf("%s.transitions[%d].days", path, j), fmt.Sprintf("is %v, must be at least 30 for %s", days, class))
			}
			if days < previous {
				report(fmt.Sprintf("%s.transitions[%d].days", path, j), fmt.Sprintf("is %v, less than that of the transition before", days))
			}
			previous = days
		}
		if expires := r.Number("expiration.days"); expires > 0 && previous > 0 && expires <= previous {
			report(path+".expiration.days", fmt.Sprintf("is %v, must be after the last transition, which is at %v", expires, previous))
		}
	}
}
