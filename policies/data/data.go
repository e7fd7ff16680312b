// Package data holds the rules about what must not be lost: the Patroni
// cluster, volumes, and changes that delete or replace either.
package data

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/policies/rule"
)

const (
	members   = "StatefulSet/data/postgres"
	settings  = "ConfigMap/data/postgres-settings"
	patroniQA = "https://patroni.readthedocs.io/en/latest/"
)

// bearing are the types that hold data which cannot be made again, or that
// everything runs on.
var bearing = []string{
	rule.StatefulSet, rule.PersistentVolumeClaim, "kubernetes:core/v1:PersistentVolume", rule.StorageClass, rule.Namespace,
	"random:index/randomPassword:RandomPassword",
	"aws:s3/bucketV2:BucketV2", "aws:s3/bucket:Bucket", "aws:ebs/volume:Volume", "aws:kms/key:Key", "aws:rds/instance:Instance", "aws:rds/cluster:Cluster",
	"aws:route53/zone:Zone", "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup", "aws:ecr/repository:Repository", "aws:efs/fileSystem:FileSystem", "aws:dynamodb/table:Table",
	"aws:cloudwatch/logGroup:LogGroup",
}

// Rules are the package's rules.
func Rules() []*rule.Rule { return rule.Group("data", append(patroni(), volumes()...)...) }

func volumes() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "data-not-replaced", Title: "No update deletes or replaces what holds data",
			Why: "A replacement makes an empty one first and deletes the full one after. " +
				"It is judged where the source says what an update would do: in the JSON of a preview, by `slipway preview`, and by `slipway update` of a stack in a cloud. " +
				"The engine tells a policy pack nothing of it.",
			Remedy:     "Find the property that forces the replacement and leave it; to delete on purpose write a waiver that expires.",
			References: []string{"https://github.com/pulumi/pulumi-kubernetes/issues/1831"},
			Types:      bearing, OfDeletes: true,
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if r.Operation == rule.Delete || r.Operation == rule.Replace {
					return rule.Complain("", "this update would %s it", r.Operation)
				}
				return nil
			},
			Example: rule.Example{Resource: members, Operation: rule.Replace},
		},
		{
			ID: "storage-class-allowed", Title: "Claims name a storage class that is allowed",
			Why:        "The cluster's default changes with whoever set it last, and with it what happens to the data of a deleted claim.",
			Remedy:     "Set storageClassName to one of storageClasses.",
			References: []string{"https://kubernetes.io/docs/concepts/storage/storage-classes/"},
			Types:      []string{rule.StatefulSet, rule.PersistentVolumeClaim}, Reads: []string{"spec.storageClassName", "spec.volumeClaimTemplates"},
			Check: func(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				ask := func(at string, class *string) []rule.Complaint {
					if class == nil || !slices.Contains(limits.StorageClasses, *class) {
						return rule.Complain(at, "is not one of %s", strings.Join(limits.StorageClasses, ", "))
					}
					return nil
				}
				if claim := rule.As[corev1.PersistentVolumeClaim](r); claim != nil {
					return ask("spec.storageClassName", claim.Spec.StorageClassName)
				}
				if set := rule.As[appsv1.StatefulSet](r); set != nil {
					for i, claim := range set.Spec.VolumeClaimTemplates {
						if c := ask("spec.volumeClaimTemplates["+itoa(i)+"].spec.storageClassName", claim.Spec.StorageClassName); c != nil {
							return c
						}
					}
				}
				return nil
			},
			Example: rule.Example{Resource: members, Set: map[string]any{"spec.volumeClaimTemplates[0].spec.storageClassName": "fast"}},
		},
		{
			ID: "storage-class-sound", Title: "Volumes are bound where their pod runs, and data outlives its claim",
			Why:        "Bound at once, a volume may lie in a zone its pod cannot reach; with reclaim policy Delete, deleting a claim deletes the data.",
			Remedy:     "Set volumeBindingMode: WaitForFirstConsumer; set reclaimPolicy: Retain on the class called retain.",
			References: []string{"https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode"},
			Types:      []string{rule.StorageClass}, Reads: []string{"volumeBindingMode", "reclaimPolicy", "metadata.name"},
			Check: rule.On(func(_ *rule.Stack, r *rule.Resource, class *storagev1.StorageClass, _ rule.Limits) []rule.Complaint {
				if class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
					return rule.Complain("volumeBindingMode", "binds volumes before it is known where the pod runs")
				}
				if strings.Contains(r.ObjectName(), "retain") && (class.ReclaimPolicy == nil || *class.ReclaimPolicy != corev1.PersistentVolumeReclaimRetain) {
					return rule.Complain("reclaimPolicy", "does not keep the data")
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `object.?volumeBindingMode.orValue("Immediate") == "WaitForFirstConsumer" &&
(!object.metadata.name.contains("retain") || object.?reclaimPolicy.orValue("Delete") == "Retain")`},
			Example: rule.Example{Resource: "StorageClass/retain", Set: map[string]any{"reclaimPolicy": "Delete"}},
		},
		{
			ID: "statefulset-service", Title: "A StatefulSet's Service exists and has no address of its own",
			Why:        "Its pods get their names from it; without it no member finds another.",
			Remedy:     "Declare a Service with that name and clusterIP: None.",
			References: []string{"https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#limitations"},
			Types:      []string{rule.StatefulSet}, Reads: []string{"spec.serviceName", "metadata.namespace"},
			Consults: map[string][]string{rule.Service: {"metadata.name", "metadata.namespace", "spec.clusterIP"}},
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, set *appsv1.StatefulSet, _ rule.Limits) []rule.Complaint {
				service := rule.As[corev1.Service](s.Named(rule.Service, r.Namespace(), set.Spec.ServiceName))
				if service == nil {
					return rule.Complain("spec.serviceName", "there is no Service %q in namespace %s", set.Spec.ServiceName, r.Namespace())
				}
				if service.Spec.ClusterIP != corev1.ClusterIPNone {
					return rule.Complain("spec.serviceName", "Service %s is not headless", set.Spec.ServiceName)
				}
				return nil
			}),
			Example: rule.Example{Resource: members, Set: map[string]any{"spec.serviceName": "postgres"}},
		},
		{
			ID: "orphan-on-delete", Title: "Deleting a StatefulSet with volumes leaves its pods running",
			Why:        "Growing a volume replaces the StatefulSet; without the annotation, set beforehand, that stops every member at once.",
			Remedy:     "Annotate it with pulumi.com/deletionPropagationPolicy: orphan and keep claims with persistentVolumeClaimRetentionPolicy Retain.",
			References: []string{"https://github.com/pulumi/pulumi-kubernetes/pull/3011"},
			Types:      []string{rule.StatefulSet}, Reads: []string{"metadata.annotations", "spec.persistentVolumeClaimRetentionPolicy", "spec.volumeClaimTemplates"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, set *appsv1.StatefulSet, _ rule.Limits) []rule.Complaint {
				if len(set.Spec.VolumeClaimTemplates) == 0 {
					return nil
				}
				if set.Annotations["pulumi.com/deletionPropagationPolicy"] != "orphan" {
					return rule.Complain(`metadata.annotations["pulumi.com/deletionPropagationPolicy"]`, "is not orphan")
				}
				if kept := set.Spec.PersistentVolumeClaimRetentionPolicy; kept != nil &&
					(kept.WhenDeleted == appsv1.DeletePersistentVolumeClaimRetentionPolicyType || kept.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType) {
					return rule.Complain("spec.persistentVolumeClaimRetentionPolicy", "deletes claims")
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `object.spec.?volumeClaimTemplates.orValue([]).size() == 0 || (
  object.metadata.?annotations[?"pulumi.com/deletionPropagationPolicy"].orValue("") == "orphan" &&
  object.spec.?persistentVolumeClaimRetentionPolicy.?whenDeleted.orValue("Retain") != "Delete" &&
  object.spec.?persistentVolumeClaimRetentionPolicy.?whenScaled.orValue("Retain") != "Delete")`},
			Example: rule.Example{Resource: members, Set: map[string]any{`metadata.annotations["pulumi.com/deletionPropagationPolicy"]`: "background"}},
		},
		{
			ID: "database-memory-fixed", Title: "The database gets exactly the memory it asks for",
			Why:        "With a limit above the request the node promises memory it does not have, and the kernel ends the database first.",
			Remedy:     "Set resources.requests.memory equal to resources.limits.memory, and write both the same way.",
			References: []string{"https://www.postgresql.org/docs/current/kernel-resources.html#LINUX-MEMORY-OVERCOMMIT"},
			Types:      []string{rule.StatefulSet}, Reads: []string{"container.resources", "spec.volumeClaimTemplates"},
			Check: rule.On(func(_ *rule.Stack, r *rule.Resource, set *appsv1.StatefulSet, _ rule.Limits) []rule.Complaint {
				if len(set.Spec.VolumeClaimTemplates) == 0 {
					return nil
				}
				for _, c := range rule.PodOf(r).Containers {
					most := c.Resources.Limits[corev1.ResourceMemory]
					asked, said := c.Resources.Requests[corev1.ResourceMemory]
					if !said {
						asked = most // as the API server fills it in
					}
					if !c.Init && asked.String() != most.String() {
						return rule.Complain(c.Path+".resources", "container %s asks for %s and may use %s", c.Name, asked.String(), most.String())
					}
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `object.spec.?volumeClaimTemplates.orValue([]).size() == 0 || variables.running.all(c,
  c.?resources.?requests[?"memory"].orValue(c.?resources.?limits[?"memory"].orValue("0")) == c.?resources.?limits[?"memory"].orValue("0"))`},
			Example: rule.Example{Resource: members, Set: map[string]any{"spec.template.spec.containers[0].resources.limits.memory": "2Gi"}},
		},
	}
}

// parse reads a YAML file kept in a ConfigMap.
func parse(text string) (map[string]any, error) {
	var tree map[string]any
	err := yaml.Unmarshal([]byte(text), &tree)
	return tree, err
}
