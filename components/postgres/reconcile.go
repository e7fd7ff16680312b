package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// reconcileSeconds bounds one run: restarting every member, with time for each
// to catch up.
const reconcileSeconds = 900

// reconcileName names the Job after what it applies, so that other settings
// are another Job: the preview shows it, and the update waits for it.
func (p *plan) reconcileName(dynamic string) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%s\x00%d\x00%s", p.Image, p.Members, dynamic)))
	return fmt.Sprintf("%s-reconcile-%s", p.name, hex.EncodeToString(sum[:5]))
}

// reconcile declares the Job that brings the live cluster in line with its
// settings. On a new cluster it finds nothing to do.
func (b *builder) reconcile(members pulumi.Resource) error {
	p := b.plan
	files, err := p.settings()
	if err != nil {
		return err
	}
	selector := component.Selector("postgres", p.name, reconcilePart)
	metadata := b.meta(p.reconcileName(files["dynamic.yaml"]), reconcilePart)
	// A Job that failed once would fail every later update; run it again.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/replaceUnready": pulumi.String("true")}
	_, err = batchv1.NewJob(b.ctx, p.name+"-reconcile", &batchv1.JobArgs{
		Metadata: metadata,
		Spec: batchv1.JobSpecArgs{
			BackoffLimit:          pulumi.Int(2),
			ActiveDeadlineSeconds: pulumi.Int(reconcileSeconds),
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(
					component.Labels("postgres", p.name, reconcilePart))},
				Spec: corev1.PodSpecArgs{
					RestartPolicy:                pulumi.String("Never"),
					AutomountServiceAccountToken: pulumi.Bool(false),
					EnableServiceLinks:           pulumi.Bool(false),
					SecurityContext:              workload.PodSecurity(memberUser),
					TopologySpreadConstraints:    zones(selector),
					Containers: corev1.ContainerArray{corev1.ContainerArgs{
						Name:            pulumi.String("reconcile"),
						Image:           pulumi.String(p.Image),
						ImagePullPolicy: pulumi.String("IfNotPresent"),
						Args: pulumi.ToStringArray([]string{
							"reconcile", fmt.Sprintf("http://%s:%d", p.host(p.name+"-members"), restPort),
						}),
						Env: corev1.EnvVarArray{corev1.EnvVarArgs{
							Name: pulumi.String("SLIPWAY_POSTGRES_MEMBERS"), Value: pulumi.String(strconv.Itoa(p.Members)),
						}},
						Resources:       reconcileLoad.Resources(),
						SecurityContext: workload.ContainerSecurity(),
						VolumeMounts: volumeMounts([]mount{
							{name: "settings", path: etcDir + "/config"},
							{name: "credentials", path: etcDir + "/credentials"},
						}),
					}},
					Volumes: corev1.VolumeArray{b.settingsVolume(), b.credentialsVolume("restapi")},
				},
			},
		},
	}, b.under(pulumi.DependsOn([]pulumi.Resource{members}))...)
	if err != nil {
		return fmt.Errorf("creating the job that applies the settings: %w", err)
	}
	return nil
}
