package fastapi

import (
	"fmt"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

const (
	// migrationSeconds bounds one migration: the expanding kind takes locks
	// for moments, and one that waits for a lock must not wait for ever.
	migrationSeconds = 600
	// migrationRetries is how often a failed migration is tried again, with
	// Kubernetes' growing pauses. It covers a database that fails over
	// meanwhile; a wrong statement fails every time.
	migrationRetries = 4
)

// migrate declares one Job per image that migrates, called after the image's
// tag, and returns them. A new image is a new Job, which has to succeed before
// pods of its release start; pods of the old release serve meanwhile, and the
// old Job goes last. A release whose migrator stays finds its Job finished.
//
// A finished Job stays until its image goes. Deleting it by a time to live
// would make the cluster differ from the state an hour after every release:
// each refresh would report drift and the next update would run it again.
func (b *builder) migrate(after []pulumi.Resource) ([]pulumi.Resource, error) {
	after = append(append([]pulumi.Resource(nil), after...), b.plan.Database.Ready...)
	var jobs []pulumi.Resource
	for _, r := range b.plan.migrators() {
		name := b.name + "-migrate-" + r.version
		pod := b.pod(b.container(r, "migrate", "migrate"))
		// The Job retries with a pod of its own, which leaves a log per attempt.
		pod.RestartPolicy = pulumi.String("Never")
		meta := b.meta(name, b.name, "migration")
		// Its template cannot be changed, so a Job that failed is replaced by
		// the next update instead of failing it for ever.
		meta.Annotations = pulumi.StringMap{"pulumi.com/replaceUnready": pulumi.String("true")}
		job, err := batchv1.NewJob(b.ctx, name, &batchv1.JobArgs{
			Metadata: meta,
			Spec: batchv1.JobSpecArgs{
				BackoffLimit:          pulumi.Int(migrationRetries),
				ActiveDeadlineSeconds: pulumi.Int(migrationSeconds),
				Template: corev1.PodTemplateSpecArgs{
					Metadata: metav1.ObjectMetaArgs{
						Labels: component.StringMap(component.Labels(b.name, b.name, "migration")),
					},
					Spec: pod,
				},
			},
		}, b.under(pulumi.DependsOn(after))...)
		if err != nil {
			return nil, fmt.Errorf("creating migration %s: %w", name, err)
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}
