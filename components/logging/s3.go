package logging

import (
	"errors"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// Account is the collectors' service account where there is a bucket.
const Account = product

// prefixInBucket is what the keys of all classes begin with.
const prefixInBucket = "pods/"

// S3 is a bucket and who may write to it.
type S3 struct {
	// Bucket is its name, Region where it is. Required.
	Bucket, Region string
	// Minutes is how long a record is on its node alone, 1 to 60, and about a
	// minute more. A small one makes more and smaller objects, each of which is
	// paid for. A change rolls the pods.
	Minutes int
	// Role is what the collectors' service account says of itself in the annotation
	// RoleAnnotation, to be let in. Required.
	Role           pulumi.StringInput
	RoleAnnotation string
	// Inside are networks in which the cloud's own services have private
	// addresses, as CIDRs. Default: none.
	Inside []string
}

// faults reports what is wrong with the bucket, each with its path.
func (s *S3) faults() []error {
	faults := workload.CheckNetworks("s3.inside", s.Inside)
	if s.Bucket == "" || s.Region == "" {
		faults = append(faults, fmt.Errorf("s3.bucket: is %q in region %q, both must be named", s.Bucket, s.Region))
	}
	if s.Minutes < 1 || s.Minutes > 60 {
		faults = append(faults, fmt.Errorf("s3.minutes: is %d, must be 1 to 60", s.Minutes))
	}
	if s.Role == nil || s.RoleAnnotation == "" {
		faults = append(faults, errors.New("s3.role: is missing, or the annotation that names it is"))
	}
	return faults
}

// Prefix is what the keys of a class begin with: what may be written, and for how
// long it is kept, is said for each class.
func (c Class) Prefix() string { return prefixInBucket + c.Name + "/" }

// account declares who the collectors are for the cloud, where they need to be
// somebody. For the cluster they are nobody.
func (l *Logging) account(ctx *pulumi.Context, p parts) (*corev1.ServiceAccount, error) {
	if p.S3 == nil {
		return nil, nil
	}
	made, err := corev1.NewServiceAccount(ctx, p.name+"-account", &corev1.ServiceAccountArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(Account), Namespace: p.namespace, Labels: component.StringMap(p.labels()),
			Annotations: pulumi.StringMap{p.S3.RoleAnnotation: p.S3.Role},
		},
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, component.Under(l)...)
	if err != nil {
		return nil, fmt.Errorf("creating the collectors' service account: %w", err)
	}
	return made, nil
}

// sending lets the collectors reach the bucket, and who gives out credentials for
// it. Their addresses are public unless they are Inside.
func (s *S3) sending() workload.Flows {
	return workload.Flows{Egress: workload.ToCloud(s.Inside)}
}
