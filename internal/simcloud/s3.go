package simcloud

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

var (
	bucketV2 = token("s3", "BucketV2")
	bucketV1 = token("s3", "Bucket")
)

// bucketName is what S3 allows: 3 to 63 letters in lower case, digits, dots and
// hyphens, a letter or digit at both ends.
var bucketName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]$`)

// websites are the hosted zones of the S3 website endpoints, which S3 gives
// with every bucket.
var websites = map[string]string{
	"us-east-1": "Z3AQBSTGFYJSTF", "us-east-2": "Z2O1EMRO9K5GLX", "us-west-1": "Z2F56UZL2M1ACD", "us-west-2": "Z3BJ6K6RIION7M",
	"ca-central-1": "Z1QDHH18159H29", "sa-east-1": "Z7KQH4QJS55SO", "eu-central-1": "Z21DNDUVLTQW6Q", "eu-west-1": "Z1BKCTXD74EZPE",
	"eu-west-2": "Z3GKZC51ZF0DB4", "eu-west-3": "Z3R1K369G5AVDG", "eu-north-1": "Z3BAZG2TWCNX0D", "ap-south-1": "Z11RGJOFQNVJUP",
	"ap-northeast-1": "Z2M4EHUR26P7ZW", "ap-northeast-2": "Z3W03O7B5YMIYP", "ap-northeast-3": "Z2YQB5RD63NC85",
	"ap-southeast-1": "Z3O0J2DXBE1FTB", "ap-southeast-2": "Z1WCIGYICN2BYD",
}

func bucketKinds() []*kind {
	of := func(token string, replace []string) *kind {
		return &kind{
			token: token, called: "S3 bucket", action: "s3:CreateBucket", id: "{bucket}", global: true, missing: "NoSuchBucket", taken: "BucketAlreadyOwnedByYou",
			quota: "buckets", naming: &naming{property: "bucket", max: 63, pattern: bucketName, lower: true}, replace: replace,
			arn: "arn:{partition}:s3:::{bucket}", defaults: Props{"forceDestroy": false},
			outputs: map[string]string{
				"bucketDomainName": "{bucket}.s3.amazonaws.com", "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com", "requestPayer": "BucketOwner",
			},
			check: func(in Props, report fault) {
				name := in.Text("bucket")
				_, err := netip.ParseAddr(name)
				switch {
				case name != "" && err == nil:
					report("bucket", fmt.Sprintf("is %q, which is an IP address", name))
				case strings.Contains(name, ".."):
					report("bucket", fmt.Sprintf("is %q, which has two dots in a row", name))
				case strings.HasPrefix(name, "xn--"), strings.HasPrefix(name, "sthree-"), strings.HasPrefix(name, "amzn-s3-demo-"),
					strings.HasSuffix(name, "-s3alias"), strings.HasSuffix(name, "--ol-s3"), strings.HasSuffix(name, ".mrap"), strings.HasSuffix(name, "--x-s3"):
					report("bucket", fmt.Sprintf("is %q, which has a prefix or suffix that is reserved", name))
				}
			},
			create: func(o *op) error {
				// Bucket names are one space for everybody: one that another account
				// has cannot be had.
				for _, other := range []string{bucketV1, bucketV2} {
					if r := o.Get(other, o.out.Text("bucket"), "global"); r != nil && (o.old == nil || r.ID != o.record.ID) {
						if r.Account != o.record.Account {
							return refuse("BucketAlreadyExists", "the requested bucket name is not available: '%s'", r.ID)
						}
						return refuse("BucketAlreadyOwnedByYou", "your previous request to create the named bucket succeeded and you already own it: '%s'", r.ID)
					}
				}
				o.keep("region", o.p.region)
				o.keep("hostedZoneId", websites[o.p.region])
				return nil
			},
			remove: func(o *op) error {
				if n := o.out.Number("simulatedObjects"); n > 0 && !o.out.Flag("forceDestroy") {
					return refuse("BucketNotEmpty", "the bucket '%s' you tried to delete is not empty: it has %v objects; you must delete all versions", o.record.ID, n)
				}
				return nil
			},
			creating: 3 * time.Second, updating: 2 * time.Second, deleting: 2 * time.Second,
		}
	}
	return []*kind{
		of(bucketV2, words("bucket bucketPrefix objectLockEnabled")),
		of(bucketV1, words("bucket bucketPrefix")),
	}
}

// bucket is the bucket of that name, or nil.
func (o *op) bucket(name string) *Record {
	for _, token := range []string{bucketV2, bucketV1} {
		if r := o.Get(token, name, "global"); r != nil && r.Account == o.record.Account {
			return r
		}
	}
	return nil
}

// onBucket is a kind for what belongs to a bucket and has its name as ID.
func onBucket(name, called, action string, k kind) *kind {
	k.token, k.called, k.action = token("s3", name), called, action
	k.id, k.global, k.missing, k.replace = "{bucket}", true, "NoSuchConfiguration", append(k.replace, "bucket")
	judge := k.create
	k.create = func(o *op) error {
		b := o.bucket(o.in.Text("bucket"))
		if b == nil {
			return refuse("NoSuchBucket", "bucket: the specified bucket does not exist: '%s'", o.in["bucket"])
		}
		if b.Properties["region"] != o.p.region {
			return refuse("PermanentRedirect", "bucket: '%s' is in %s, not in %s", b.ID, b.Properties["region"], o.p.region)
		}
		if judge == nil {
			return nil
		}
		return judge(o)
	}
	k.refs = append(k.refs, ref{path: "bucket", token: bucketV2, loose: true, skip: func(string) bool { return true }})
	k.creating, k.updating, k.deleting = 2*time.Second, 2*time.Second, time.Second
	return &k
}
