// Package cost holds the rules that keep the bill explained and bounded.
package cost

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/rule"
)

// billed are the types that cost money by themselves and carry tags.
var billed = []string{
	"aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup", "aws:s3/bucketV2:BucketV2", "aws:s3/bucket:Bucket", "aws:ebs/volume:Volume",
	"aws:kms/key:Key", "aws:lb/loadBalancer:LoadBalancer", "aws:ec2/natGateway:NatGateway", "aws:ec2/vpc:Vpc", "aws:cloudwatch/logGroup:LogGroup",
	"aws:ecr/repository:Repository", "aws:route53/zone:Zone", "aws:rds/instance:Instance", "aws:ec2/instance:Instance", "aws:ec2/eip:Eip",
}

const (
	nodes  = "aws:eks/nodeGroup:NodeGroup"
	bucket = "aws:s3/bucketV2:BucketV2/backups"
)

// Rules are the package's rules.
func Rules() []*rule.Rule {
	return rule.Group("cost",
		&rule.Rule{
			ID: "allocation-tags", Title: "Whatever costs money says for whom",
			Why:        "What is not tagged is on everyone's bill, and nobody turns it off.",
			Remedy:     "Set the tags that allocationTags lists, on the resource or by the provider's defaultTags.",
			References: []string{"AWS Well-Architected, COST03-BP02"},
			Types:      billed, Reads: []string{"tags", "tagsAll"},
			Consults: map[string][]string{"pulumi:providers:aws": {"defaultTags"}},
			Check: func(s *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				tags := tagsOf(s, r)
				for _, want := range limits.AllocationTags {
					if tags[want] == nil {
						return rule.Complain("tags."+want, "is missing")
					}
				}
				return nil
			},
			Example: rule.Example{Resource: bucket, Set: map[string]any{"tags.owner": nil}},
		},
		&rule.Rule{
			ID: "instance-types", Title: "Machines are of a size the stack is allowed",
			Why:        "A development stack on the machines of production costs as much as production.",
			Remedy:     "Choose a type that begins with one of instanceTypes.",
			References: []string{"AWS Well-Architected, COST06-BP02"},
			Types:      []string{nodes, "aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"}, Reads: []string{"instanceTypes", "instanceType"},
			Check: func(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				types := []string{r.Text("instanceType")}
				list, _ := r.Value("instanceTypes").([]any)
				for _, one := range list {
					text, _ := one.(string)
					types = append(types, text)
				}
				for _, one := range types {
					if one != "" && len(limits.InstanceTypes) > 0 && !slices.ContainsFunc(limits.InstanceTypes, func(prefix string) bool { return strings.HasPrefix(one, prefix) }) {
						return rule.Complain("instanceTypes", "%s does not begin with any of %s", one, strings.Join(limits.InstanceTypes, ", "))
					}
				}
				return nil
			},
			Example: rule.Example{Resource: nodes + "/system", Stack: "dev", Set: map[string]any{"instanceTypes": []any{"m7i.24xlarge"}}},
		},
		&rule.Rule{
			ID: "ephemeral-expiry", Title: "A stack made for a review says when it ends",
			Why:        "Review stacks are forgotten with the pull request and paid for until somebody wonders.",
			Remedy:     "Tag what costs money, or annotate namespaces, with expiryTag and a date such as 2026-12-01, or a moment such as 2026-12-01T12:00:00Z.",
			References: []string{"AWS Well-Architected, COST04-BP03"},
			Types:      append(slices.Clone(billed), rule.Namespace), Reads: []string{"tags", "metadata.annotations"},
			Consults: map[string][]string{"pulumi:providers:aws": {"defaultTags"}},
			Check: func(s *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				if !slices.ContainsFunc(limits.EphemeralStacks, func(prefix string) bool { return strings.HasPrefix(s.Name, prefix) }) {
					return nil
				}
				at, value := "tags", tagsOf(s, r)[limits.ExpiryTag]
				if r.IsKubernetes() {
					at, value = "metadata.annotations", r.Annotations()[limits.ExpiryTag]
				}
				text, _ := value.(string)
				_, day := time.Parse(time.DateOnly, text)
				_, moment := time.Parse(time.RFC3339, text)
				if day != nil && moment != nil {
					return rule.Complain(at+`["`+limits.ExpiryTag+`"]`, "is no date")
				}
				return nil
			},
			Example: rule.Example{Resource: bucket, Stack: "pr-17", Set: map[string]any{`tags["slipway.dev/expires"]`: nil}},
		},
		&rule.Rule{
			ID: "namespace-bounded", Title: "Every namespace has a quota, and a size for pods that name none",
			Why:        "Without a quota one workload gone mad takes the room of all others, and where nodes are added by themselves it is paid for as well. With one, a pod that names no size is refused unless there is one for it.",
			Remedy:     "Declare a ResourceQuota that bounds requests.cpu, requests.memory and limits.memory, and a LimitRange that gives containers a default of memory and a defaultRequest of memory and cpu.",
			References: []string{"https://kubernetes.io/docs/concepts/policy/resource-quotas/", "https://kubernetes.io/docs/concepts/policy/limit-range/"},
			Types:      []string{rule.Namespace}, Reads: []string{"metadata.name"},
			Consults: map[string][]string{rule.ResourceQuota: {"spec.hard", "metadata.namespace"}, rule.LimitRange: {"spec.limits", "metadata.namespace"}},
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				for _, bounded := range []corev1.ResourceName{corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceLimitsMemory} {
					if !slices.ContainsFunc(s.In(r.ObjectName(), rule.ResourceQuota), func(other *rule.Resource) bool { return bounds(other, bounded) }) {
						return rule.Complain("", "no ResourceQuota in it bounds %s", bounded)
					}
				}
				if !slices.ContainsFunc(s.In(r.ObjectName(), rule.LimitRange), sizes) {
					return rule.Complain("", "no LimitRange in it gives containers a default of memory and a defaultRequest of memory and cpu")
				}
				return nil
			},
			Example: rule.Example{Resource: "Namespace/shop", Remove: []string{"ResourceQuota/shop/quota"}, Unknown: "spec.limits", UnknownIn: "LimitRange/shop/limits"},
		},
	)
}

// bounds tells whether a quota bounds a resource.
func bounds(other *rule.Resource, bounded corev1.ResourceName) bool {
	q := rule.As[corev1.ResourceQuota](other)
	if q == nil {
		return false
	}
	_, has := q.Spec.Hard[bounded]
	return has
}

// sizes tells whether a limit range gives containers a size in all that a quota
// has to bound.
func sizes(other *rule.Resource) bool {
	l := rule.As[corev1.LimitRange](other)
	return l != nil && slices.ContainsFunc(l.Spec.Limits, func(one corev1.LimitRangeItem) bool {
		_, limited := one.Default[corev1.ResourceMemory]
		_, requested := one.DefaultRequest[corev1.ResourceMemory]
		_, timed := one.DefaultRequest[corev1.ResourceCPU]
		return one.Type == corev1.LimitTypeContainer && limited && requested && timed
	})
}

// tagsOf are a resource's tags and those its provider adds.
func tagsOf(s *rule.Stack, r *rule.Resource) map[string]any {
	tags := map[string]any{}
	for _, provider := range s.Of("pulumi:providers:aws") {
		defaults, _ := provider.Value("defaultTags", "tags").(map[string]any)
		for key, value := range defaults {
			tags[key] = value
		}
	}
	for _, field := range []string{"tagsAll", "tags"} {
		own, _ := r.Value(field).(map[string]any)
		for key, value := range own {
			tags[key] = value
		}
	}
	return tags
}
