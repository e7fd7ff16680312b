package cloud

import (
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// part finds the resource that configures an aspect of a bucket: the one that
// depends on it, or names it.
func part(s *rule.Stack, of *rule.Resource, token string) *rule.Resource {
	for _, other := range s.Of(token) {
		if other.DependsOn(of) || of.Text("bucket") != "" && other.Text("bucket") == of.Text("bucket") {
			return other
		}
	}
	return nil
}

func buckets() []*rule.Rule {
	const backups = "aws:s3/bucketV2:BucketV2/backups"
	names := []string{"bucket"}
	return []*rule.Rule{
		{
			ID: "bucket-private", Title: "No bucket can be made public",
			Why:        "Public buckets are made by one wrong policy; the block refuses it.",
			Remedy:     "Declare a BucketPublicAccessBlock with all four switches on.",
			References: []string{"CIS AWS 2.1.4"},
			Types:      []string{bucketType}, Reads: names,
			Consults: map[string][]string{blockType: {"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"}},
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, _ *bucket, _ rule.Limits) []rule.Complaint {
				b := rule.As[bucketPart](part(s, r, blockType))
				if b == nil || !b.BlockPublicAcls || !b.BlockPublicPolicy || !b.IgnorePublicAcls || !b.RestrictPublicBuckets {
					return rule.Complain("", "no BucketPublicAccessBlock with all four switches on belongs to it")
				}
				return nil
			}),
			Example: rule.Example{Resource: backups, Unknown: "blockPublicPolicy", UnknownIn: blockType + "/backups",
				Also: map[string]map[string]any{blockType + "/backups": {"blockPublicPolicy": false}}},
		},
		{
			ID: "bucket-encrypted", Title: "Buckets are encrypted with a key of our own",
			Why:        "Who may read the bucket then still needs the right to use the key.",
			Remedy:     "Declare a BucketServerSideEncryptionConfiguration with sseAlgorithm aws:kms and the key's ARN as kmsMasterKeyId: without it Amazon's own key is used, which everybody in the account may use.",
			References: []string{"CIS AWS 2.1.1"},
			Types:      []string{bucketType}, Reads: names,
			Consults: map[string][]string{encryptType: {"rules"}},
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, _ *bucket, _ rule.Limits) []rule.Complaint {
				if e := rule.As[encryption](part(s, r, encryptType)); e != nil {
					for _, one := range e.Rules {
						if one.Default != nil && strings.HasPrefix(one.Default.SSEAlgorithm, "aws:kms") && ownKey(one.Default.KMSKeyID) {
							return nil
						}
					}
				}
				return rule.Complain("", "no server-side encryption with aws:kms and a key of our own belongs to it")
			}),
			Example: rule.Example{Resource: backups, Unknown: "rules", UnknownIn: encryptType + "/backups",
				Also: map[string]map[string]any{encryptType + "/backups": {"rules[0].applyServerSideEncryptionByDefault.kmsMasterKeyId": nil}}},
		},
		{
			ID: "backup-bucket-kept", Title: "Backups are versioned and kept long enough",
			Why:        "Without versions whoever can write can destroy; a lifecycle shorter than the time to notice keeps nothing worth restoring.",
			Remedy:     "Enable versioning, let nothing expire before minBackupDays, neither objects nor versions of them, and leave forceDestroy off; where lockBackups is set, set objectLockEnabled as well. A bucket counts as one for backups when its name says backup.",
			References: []string{"AWS Well-Architected, REL09-BP02"},
			Types:      []string{bucketType}, Reads: append([]string{"forceDestroy", "objectLockEnabled"}, names...),
			Consults: map[string][]string{versionsType: {"versioningConfiguration"}, lifecycleType: {"rules"}}, EitherWay: true,
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, b *bucket, limits rule.Limits) []rule.Complaint {
				if !strings.Contains(r.Name+r.Text("bucket"), "backup") {
					return nil
				}
				if b.ForceDestroy {
					return rule.Complain("forceDestroy", "is true: deleting it deletes every backup first")
				}
				if limits.LockBackups && !b.ObjectLock {
					return rule.Complain("objectLockEnabled", "is not true: whoever takes over the account can delete every version")
				}
				if v := rule.As[bucketPart](part(s, r, versionsType)); v == nil || v.VersioningConfiguration == nil || v.VersioningConfiguration.Status != "Enabled" {
					return rule.Complain("", "it is not versioned")
				}
				l := rule.As[lifecycle](part(s, r, lifecycleType))
				if l == nil {
					return rule.Complain("", "it has no lifecycle: backups are kept for ever")
				}
				for _, one := range l.Rules {
					if one.Expiration != nil && one.Expiration.Days > 0 && one.Expiration.Days < limits.MinBackupDays {
						return rule.Complain("", "backups end after %d days, %d are needed", one.Expiration.Days, limits.MinBackupDays)
					}
					if one.Noncurrent != nil && one.Noncurrent.NoncurrentDays > 0 && one.Noncurrent.NoncurrentDays < limits.MinBackupDays {
						return rule.Complain("", "a deleted backup ends after %d days, %d are needed", one.Noncurrent.NoncurrentDays, limits.MinBackupDays)
					}
				}
				return nil
			}),
			Example: rule.Example{Resource: backups, Unknown: "rules", UnknownIn: lifecycleType + "/backups",
				Also: map[string]map[string]any{lifecycleType + "/backups": {"rules[0].expiration.days": 3}}},
		},
	}
}
