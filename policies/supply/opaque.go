package supply

import (
	"maps"
	"slices"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// opaque are types behind which resources stand that no rule sees, or of which
// it sees a part, with what to use instead.
var opaque = hidden()

func hidden() map[string]string {
	tokens := map[string]string{
		"kubernetes:helm.sh/v3:Release": "the objects themselves", "kubernetes:helm.sh/v3:Chart": "the objects themselves", "kubernetes:helm.sh/v4:Chart": "the objects themselves",
		"kubernetes:core/v1:ReplicationController":             "apps/v1 Deployment",
		"kubernetes:autoscaling/v1:HorizontalPodAutoscaler":    "autoscaling/v2",
		"aws:s3/bucket:Bucket":                                 "aws:s3/bucketV2:BucketV2 and the resources beside it",
		"aws:s3/bucketObject:BucketObject":                     "aws:s3/bucketObjectv2:BucketObjectv2",
		"aws:elasticloadbalancing/loadBalancer:LoadBalancer":   "aws:lb/loadBalancer:LoadBalancer",
		"aws:elasticloadbalancingv2/loadBalancer:LoadBalancer": "aws:lb/loadBalancer:LoadBalancer",
		"aws:elasticloadbalancingv2/listener:Listener":         "aws:lb/listener:Listener",
		"aws:elb/loadBalancer:LoadBalancer":                    "aws:lb/loadBalancer:LoadBalancer",
		"aws:ec2/launchConfiguration:LaunchConfiguration":      "aws:ec2/launchTemplate:LaunchTemplate",
	}
	for _, token := range slices.Concat(rule.Workloads, []string{
		rule.Service, rule.ServiceAccount, rule.Namespace, rule.ConfigMap, rule.SecretType, rule.PersistentVolumeClaim, rule.StorageClass,
		rule.HorizontalPodAutoscaler, rule.PodDisruptionBudget, rule.NetworkPolicy, rule.Ingress, rule.Role, rule.ClusterRole, rule.RoleBinding, rule.ClusterRoleBinding,
	}) {
		tokens[token+"Patch"] = token[strings.LastIndex(token, ":")+1:] + " with all its fields"
	}
	return tokens
}

func judgedKinds() *rule.Rule {
	return &rule.Rule{
		ID: "judged-kinds", Title: "Everything is declared as a kind that the rules can see into",
		Why: "A chart, a patch of an object somebody else declares, or an old kind of a thing is past every rule about that thing: " +
			"what it makes is seen when it runs.",
		Remedy:     "Declare what the message names.",
		References: []string{"https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/"},
		Types:      slices.Sorted(maps.Keys(opaque)),
		Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
			return rule.Complain("", "no rule sees what a %s makes; use %s", r.Kind(), opaque[r.Type])
		},
		Example: rule.Example{Resource: "DeploymentPatch/shop/web", Add: "apiVersion: apps/v1\nkind: DeploymentPatch\nmetadata: {name: web, namespace: shop}\nspec: {template: {spec: {hostNetwork: true}}}\n"},
	}
}
