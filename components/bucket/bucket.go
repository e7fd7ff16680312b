package bucket

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/grant"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:bucket:Bucket"

// Args describes one bucket.
type Args struct {
	// Bucket is its name, unique in the world; others refer to it before it
	// exists. Required. A change makes another, empty one.
	Bucket string
	// Account owns it. Required.
	Account string
	// KeyARN is the key its content is encrypted with. Required.
	KeyARN pulumi.StringInput
	// ExpireDays deletes objects this many days after they were written. 0 keeps
	// them.
	ExpireDays int
	// PrefixDays deletes objects below a prefix sooner than ExpireDays says, in
	// days by prefix. Each prefix ends with '/'. A change holds for what is there
	// already, too.
	PrefixDays map[string]int
	// ColdDays moves objects to cheaper storage, which answers as fast but costs
	// to read, after this many days; at least 30. 0 moves nothing.
	ColdDays int
	// OldVersionDays deletes a version this many days after it was overwritten or
	// deleted. Required: it is the time in which a mistake can be undone.
	OldVersionDays int
	// LockDays keeps every version from being deleted for this long by anyone
	// without the special right to. 0 makes a bucket without locks. Switching
	// between 0 and more replaces the bucket.
	LockDays int
	// Delivery lets AWS's log delivery write below this prefix. Empty: no.
	Delivery string
	// Unprotected lets a destroy delete the bucket, provided it is empty.
	// Default: guarded.
	Unprotected bool
}

// Bucket is a bucket.
type Bucket struct {
	pulumi.ResourceState

	// Name is the bucket's name.
	Name pulumi.StringOutput `pulumi:"name"`
	// ARN is known when writing to the bucket is allowed to those who may.
	ARN pulumi.StringOutput `pulumi:"arn"`
}

// bucketName is S3's rule without dots, which break TLS.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// Check reports every fault of the arguments, each with its path.
func (args Args) Check() error {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	if !bucketName.MatchString(args.Bucket) {
		fault("bucket", "%q is not a bucket name of 3 to 63 lower-case letters, digits and dashes", args.Bucket)
	}
	if args.Account == "" {
		fault("account", "is empty")
	}
	if args.KeyARN == nil {
		fault("keyARN", "is not set")
	}
	if args.OldVersionDays < 1 {
		fault("oldVersionDays", "is %d, must be at least 1", args.OldVersionDays)
	}
	if args.ColdDays != 0 && args.ColdDays < 30 {
		fault("coldDays", "is %d, must be 0 (never) or at least 30", args.ColdDays)
	}
	if args.ExpireDays < 0 || args.LockDays < 0 {
		fault("expireDays", "and lockDays must not be negative, are %d and %d", args.ExpireDays, args.LockDays)
	}
	if args.ExpireDays > 0 && args.ColdDays >= args.ExpireDays {
		fault("coldDays", "is %d, must be below expireDays = %d", args.ColdDays, args.ExpireDays)
	}
	for _, prefix := range slices.Sorted(maps.Keys(args.PrefixDays)) {
		days := args.PrefixDays[prefix]
		if !strings.HasSuffix(prefix, "/") || strings.HasPrefix(prefix, "/") || days < 1 {
			fault("prefixDays", "has %q with %d days, must be a prefix such as logs/ with at least 1", prefix, days)
		}
		// The shorter of two times wins.
		if args.ExpireDays > 0 && days > args.ExpireDays {
			fault("expireDays", "is %d, must be at least the %d days for which %s is kept", args.ExpireDays, days, prefix)
		}
	}
	if args.LockDays > 0 && args.ExpireDays > 0 && args.LockDays > args.ExpireDays {
		fault("lockDays", "is %d, must not exceed expireDays = %d", args.LockDays, args.ExpireDays)
	}
	if strings.HasPrefix(args.Delivery, "/") {
		fault("delivery", "%q must not begin with '/'", args.Delivery)
	}
	return errors.Join(faults...)
}

// New declares a bucket.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Bucket, error) {
	if err := args.Check(); err != nil {
		return nil, fmt.Errorf("bucket %q: %w", name, err)
	}
	bucket := &Bucket{}
	if err := ctx.RegisterComponentResource(TypeToken, name, bucket, opts...); err != nil {
		return nil, fmt.Errorf("registering bucket %q: %w", name, err)
	}
	if err := bucket.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building bucket %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(bucket, pulumi.Map{"name": bucket.Name, "arn": bucket.ARN}); err != nil {
		return nil, fmt.Errorf("publishing bucket %q: %w", name, err)
	}
	return bucket, nil
}

func (b *Bucket) build(ctx *pulumi.Context, name string, args Args) error {
	made, err := s3.NewBucketV2(ctx, name+"-bucket", &s3.BucketV2Args{
		Bucket:            pulumi.String(args.Bucket),
		ObjectLockEnabled: pulumi.Bool(args.LockDays > 0),
	}, component.Under(b, component.Guard(args.Unprotected).Options()...)...)
	if err != nil {
		return fmt.Errorf("creating the bucket: %w", err)
	}
	closed, err := s3.NewBucketPublicAccessBlock(ctx, name+"-closed", &s3.BucketPublicAccessBlockArgs{
		Bucket: made.Bucket, BlockPublicAcls: pulumi.Bool(true), BlockPublicPolicy: pulumi.Bool(true),
		IgnorePublicAcls: pulumi.Bool(true), RestrictPublicBuckets: pulumi.Bool(true),
	}, component.Under(b)...)
	if err != nil {
		return fmt.Errorf("closing the bucket to the public: %w", err)
	}
	if _, err := s3.NewBucketOwnershipControls(ctx, name+"-ownership", &s3.BucketOwnershipControlsArgs{
		Bucket: made.Bucket,
		Rule:   s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String("BucketOwnerEnforced")},
	}, component.Under(b)...); err != nil {
		return fmt.Errorf("deciding who owns objects: %w", err)
	}
	if _, err := s3.NewBucketServerSideEncryptionConfigurationV2(ctx, name+"-encryption",
		&s3.BucketServerSideEncryptionConfigurationV2Args{
			Bucket: made.Bucket,
			Rules: s3.BucketServerSideEncryptionConfigurationV2RuleArray{
				s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
					// One data key per bucket and moment instead of one per object: a
					// hundredth of the calls to KMS.
					BucketKeyEnabled: pulumi.Bool(true),
					ApplyServerSideEncryptionByDefault: s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
						SseAlgorithm: pulumi.String("aws:kms"), KmsMasterKeyId: args.KeyARN,
					},
				},
			},
		}, component.Under(b)...); err != nil {
		return fmt.Errorf("encrypting the bucket: %w", err)
	}
	versions, err := s3.NewBucketVersioningV2(ctx, name+"-versions", &s3.BucketVersioningV2Args{
		Bucket: made.Bucket,
		VersioningConfiguration: s3.BucketVersioningV2VersioningConfigurationArgs{
			Status: pulumi.String("Enabled"),
		},
	}, component.Under(b)...)
	if err != nil {
		return fmt.Errorf("keeping versions: %w", err)
	}
	if err := b.ageing(ctx, name, args, made, versions); err != nil {
		return err
	}
	policy, err := grant.Document(policy(args)...)
	if err != nil {
		return err
	}
	// S3 takes one change of a bucket's policy and of its public access at a
	// time and refuses the other.
	allowed, err := s3.NewBucketPolicy(ctx, name+"-policy", &s3.BucketPolicyArgs{
		Bucket: made.Bucket, Policy: pulumi.String(policy),
	}, component.Under(b, pulumi.DependsOn([]pulumi.Resource{closed}))...)
	if err != nil {
		return fmt.Errorf("deciding who may use the bucket: %w", err)
	}
	b.Name = made.Bucket
	b.ARN = pulumi.All(made.Arn, allowed.ID()).ApplyT(func(known []any) (string, error) {
		arn, ok := known[0].(string)
		if !ok {
			return "", fmt.Errorf("the bucket's ARN is a %T", known[0])
		}
		return arn, nil
	}).(pulumi.StringOutput)
	return nil
}

// ageing says what becomes of objects with time.
func (b *Bucket) ageing(ctx *pulumi.Context, name string, args Args, made *s3.BucketV2, versions pulumi.Resource) error {
	rule := s3.BucketLifecycleConfigurationV2RuleArgs{
		Id: pulumi.String("ageing"), Status: pulumi.String("Enabled"),
		Filter: s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String("")},
		AbortIncompleteMultipartUpload: s3.BucketLifecycleConfigurationV2RuleAbortIncompleteMultipartUploadArgs{
			DaysAfterInitiation: pulumi.Int(7),
		},
		NoncurrentVersionExpiration: s3.BucketLifecycleConfigurationV2RuleNoncurrentVersionExpirationArgs{
			NoncurrentDays: pulumi.Int(args.OldVersionDays),
		},
	}
	if args.ExpireDays > 0 {
		rule.Expiration = s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(args.ExpireDays)}
	}
	if args.ColdDays > 0 {
		rule.Transitions = s3.BucketLifecycleConfigurationV2RuleTransitionArray{
			s3.BucketLifecycleConfigurationV2RuleTransitionArgs{
				Days: pulumi.Int(args.ColdDays), StorageClass: pulumi.String("STANDARD_IA"),
			},
		}
	}
	rules := s3.BucketLifecycleConfigurationV2RuleArray{rule}
	for _, prefix := range slices.Sorted(maps.Keys(args.PrefixDays)) {
		rules = append(rules, s3.BucketLifecycleConfigurationV2RuleArgs{
			Id:         pulumi.String("ageing-" + strings.ReplaceAll(strings.TrimSuffix(prefix, "/"), "/", "-")),
			Status:     pulumi.String("Enabled"),
			Filter:     s3.BucketLifecycleConfigurationV2RuleFilterArgs{Prefix: pulumi.String(prefix)},
			Expiration: s3.BucketLifecycleConfigurationV2RuleExpirationArgs{Days: pulumi.Int(args.PrefixDays[prefix])},
		})
	}
	after := component.Under(b, pulumi.DependsOn([]pulumi.Resource{versions}))
	if _, err := s3.NewBucketLifecycleConfigurationV2(ctx, name+"-ageing", &s3.BucketLifecycleConfigurationV2Args{
		Bucket: made.Bucket, Rules: rules,
	}, after...); err != nil {
		return fmt.Errorf("deciding when objects go: %w", err)
	}
	if args.LockDays == 0 {
		return nil
	}
	if _, err := s3.NewBucketObjectLockConfigurationV2(ctx, name+"-lock", &s3.BucketObjectLockConfigurationV2Args{
		Bucket: made.Bucket,
		Rule: s3.BucketObjectLockConfigurationV2RuleArgs{
			DefaultRetention: s3.BucketObjectLockConfigurationV2RuleDefaultRetentionArgs{
				// Governance, not compliance: the operator can still answer a request
				// for erasure, with a right that no role of ours has.
				Mode: pulumi.String("GOVERNANCE"), Days: pulumi.Int(args.LockDays),
			},
		},
	}, component.Under(b, pulumi.DependsOn([]pulumi.Resource{versions}))...); err != nil {
		return fmt.Errorf("locking objects: %w", err)
	}
	return nil
}

// policy denies what no one may do, and lets AWS's log delivery write.
func policy(args Args) []grant.Statement {
	arn := "arn:aws:s3:::" + args.Bucket
	statements := []grant.Statement{{
		Sid: "OnlyTLS", Deny: true, Principals: grant.Everyone(),
		Actions: []string{"s3:*"}, Resources: []string{arn, arn + "/*"},
		When: map[string]grant.Conditions{"Bool": {"aws:SecureTransport": {"false"}}},
	}}
	if args.Delivery == "" {
		return statements
	}
	ours := map[string]grant.Conditions{"StringEquals": {"aws:SourceAccount": {args.Account}}}
	return append(statements,
		grant.Statement{
			Sid: "Delivery", Principals: grant.Services("delivery.logs.amazonaws.com"), Actions: []string{"s3:PutObject"},
			Resources: []string{arn + "/" + args.Delivery + "/*"}, When: ours,
		},
		grant.Statement{
			Sid: "DeliveryLooks", Principals: grant.Services("delivery.logs.amazonaws.com"),
			Actions: []string{"s3:GetBucketAcl", "s3:ListBucket"}, Resources: []string{arn}, When: ours,
		})
}
