package benchmark

import (
	"cmp"
	"fmt"
	"strconv"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

const (
	// user is whom the image runs as.
	user = 65532

	authorityDir  = "/etc/benchmark"
	authorityFile = "authority.crt"
	// report is where Kubernetes looks for a pod's last words, of which it keeps
	// 4096 bytes.
	report = "/dev/termination-log"

	// aroundSeconds is what a run takes besides what is measured: a minute until the
	// service answers, storing the rows to read, warming up, the last answers, and
	// deleting rows; see images/benchmark.
	aroundSeconds = 240
	// cleanSeconds is how long a run that is told to stop has to delete its rows. It
	// gives itself 30.
	cleanSeconds = 45
	// lateSeconds is how late a run may begin. Later, the hour it was planned for is
	// over, and it waits for the next.
	lateSeconds = 3600
	// kept is how many runs that passed, and how many that failed, stay to be
	// looked at, and keptSeconds for how long at most.
	kept        = 3
	keptSeconds = 60 * 24 * 3600
)

// running is what one run asks for. A second one may be started by hand while the first
// deletes its rows.
var running = component.Load{Pods: 2, CPU: "100m", Memory: "32Mi", MemoryLimit: "128Mi"}

// collectAt is where the program is told to collect garbage before it gets to its
// limit, in MiB.
const collectAt = 96

// schedule declares the CronJob.
func (b *builder) schedule() error {
	_, err := batchv1.NewCronJob(b.ctx, b.name+"-runs", &batchv1.CronJobArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(product), Namespace: b.namespace, Labels: b.labels()},
		Spec: batchv1.CronJobSpecArgs{
			Schedule: pulumi.String(cmp.Or(b.Schedule, never)), TimeZone: pulumi.String("Etc/UTC"),
			Suspend:                    pulumi.Bool(b.Schedule == ""),
			ConcurrencyPolicy:          pulumi.String("Forbid"),
			StartingDeadlineSeconds:    pulumi.Int(lateSeconds),
			SuccessfulJobsHistoryLimit: pulumi.Int(kept), FailedJobsHistoryLimit: pulumi.Int(kept),
			JobTemplate: batchv1.JobTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: b.labels()},
				Spec: batchv1.JobSpecArgs{
					// A second try would hide that the first one failed.
					BackoffLimit:            pulumi.Int(0),
					ActiveDeadlineSeconds:   pulumi.Int(b.DurationSeconds + aroundSeconds),
					TtlSecondsAfterFinished: pulumi.Int(keptSeconds),
					Template:                b.pod(),
				},
			},
		},
	}, component.Under(b.benchmark)...)
	if err != nil {
		return fmt.Errorf("creating the CronJob: %w", err)
	}
	return nil
}

func (b *builder) pod() corev1.PodTemplateSpecArgs {
	spec := corev1.PodSpecArgs{
		RestartPolicy:                 pulumi.String("Never"),
		AutomountServiceAccountToken:  pulumi.Bool(false),
		EnableServiceLinks:            pulumi.Bool(false),
		TerminationGracePeriodSeconds: pulumi.Int(cleanSeconds),
		SecurityContext:               workload.PodSecurity(user),
		Containers:                    corev1.ContainerArray{b.container()},
	}
	if b.authority != nil {
		spec.Volumes = corev1.VolumeArray{corev1.VolumeArgs{
			Name:      pulumi.String("authority"),
			ConfigMap: corev1.ConfigMapVolumeSourceArgs{Name: b.authority.Metadata.Name()},
		}}
	}
	return corev1.PodTemplateSpecArgs{Metadata: metav1.ObjectMetaArgs{Labels: b.labels()}, Spec: spec}
}

func (b *builder) container() corev1.ContainerArgs {
	address := pulumi.Sprintf("%s.%s.svc:%d", b.Ingress.Service, b.Ingress.Namespace, b.Ingress.Port)
	args := pulumi.StringArray{
		pulumi.String("-url=" + b.URL), pulumi.Sprintf("-address=%s", address),
		pulumi.String("-rate=" + strconv.Itoa(b.Rate)), pulumi.String(fmt.Sprintf("-duration=%ds", b.DurationSeconds)),
		pulumi.String("-mix=" + string(b.Mix)),
		pulumi.String("-max-p99=" + strconv.Itoa(b.MaxP99Milliseconds)), pulumi.String("-max-failures=" + strconv.Itoa(b.MaxErrors)),
		pulumi.String("-report=" + report),
	}
	made := corev1.ContainerArgs{
		Name: pulumi.String(product), Image: pulumi.String(b.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Env: corev1.EnvVarArray{
			corev1.EnvVarArgs{Name: pulumi.String("GOMEMLIMIT"), Value: pulumi.String(fmt.Sprintf("%dMiB", collectAt))},
		},
		TerminationMessagePath: pulumi.String(report),
		// Where it could not measure there is no result; what it said instead is kept.
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
		SecurityContext:          workload.ContainerSecurity(),
		Resources:                running.Resources(),
	}
	if b.authority != nil {
		args = append(args, pulumi.String("-authority="+authorityDir+"/"+authorityFile))
		made.VolumeMounts = corev1.VolumeMountArray{corev1.VolumeMountArgs{
			Name: pulumi.String("authority"), MountPath: pulumi.String(authorityDir), ReadOnly: pulumi.Bool(true),
		}}
	}
	made.Args = args
	return made
}
