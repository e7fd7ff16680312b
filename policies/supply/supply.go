// Package supply holds the rules about what runs: where images come from, how
// they are named, and which APIs and labels objects use.
package supply

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/rule"
)

const (
	web   = "Deployment/shop/web"
	image = "spec.template.spec.containers[0].image"
)

// deprecated are API versions that current clusters no longer serve, with what
// replaces them.
var deprecated = map[string]string{
	"kubernetes:extensions/v1beta1:Deployment": "apps/v1", "kubernetes:extensions/v1beta1:DaemonSet": "apps/v1", "kubernetes:extensions/v1beta1:ReplicaSet": "apps/v1",
	"kubernetes:extensions/v1beta1:Ingress": "networking.k8s.io/v1", "kubernetes:extensions/v1beta1:NetworkPolicy": "networking.k8s.io/v1",
	"kubernetes:apps/v1beta1:Deployment": "apps/v1", "kubernetes:apps/v1beta1:StatefulSet": "apps/v1",
	"kubernetes:apps/v1beta2:Deployment": "apps/v1", "kubernetes:apps/v1beta2:StatefulSet": "apps/v1", "kubernetes:apps/v1beta2:DaemonSet": "apps/v1", "kubernetes:apps/v1beta2:ReplicaSet": "apps/v1",
	"kubernetes:networking.k8s.io/v1beta1:Ingress": "networking.k8s.io/v1", "kubernetes:networking.k8s.io/v1beta1:IngressClass": "networking.k8s.io/v1",
	"kubernetes:policy/v1beta1:PodDisruptionBudget": "policy/v1", "kubernetes:policy/v1beta1:PodSecurityPolicy": "pod security admission",
	"kubernetes:batch/v1beta1:CronJob":                                 "batch/v1",
	"kubernetes:autoscaling/v2beta1:HorizontalPodAutoscaler":           "autoscaling/v2",
	"kubernetes:autoscaling/v2beta2:HorizontalPodAutoscaler":           "autoscaling/v2",
	"kubernetes:rbac.authorization.k8s.io/v1beta1:Role":                "rbac.authorization.k8s.io/v1",
	"kubernetes:rbac.authorization.k8s.io/v1beta1:ClusterRole":         "rbac.authorization.k8s.io/v1",
	"kubernetes:apiextensions.k8s.io/v1beta1:CustomResourceDefinition": "apiextensions.k8s.io/v1",
	"kubernetes:core/v1:Endpoints":                                     "discovery.k8s.io/v1 EndpointSlice",
}

// Rules are the package's rules.
func Rules() []*rule.Rule {
	old := make([]string, 0, len(deprecated))
	for token := range deprecated {
		old = append(old, token)
	}
	slices.Sort(old)
	labelled := append(slices.Clone(rule.Servers), rule.Service, rule.Namespace)
	return rule.Group("supply",
		judgedKinds(),
		&rule.Rule{
			ID: "image-not-latest", Title: "An image is named by a version",
			Why:        "What latest means changes under a running system, and a rollback runs the image it was meant to leave.",
			Remedy:     "Name a tag that never moves, or a digest.",
			References: []string{"https://kubernetes.io/docs/concepts/containers/images/#image-names"},
			Types:      rule.Workloads, Reads: []string{"container.image"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
				if tag := tagOf(c.Image); tag == "latest" || tag == "" && !strings.Contains(c.Image, "@") {
					return rule.Complain(c.Path+".image", "container %s runs whatever is newest", c.Name)
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `variables.containers.all(c,
  c.image.contains("@") ? !c.image.split("@")[0].endsWith(":latest") : (c.image.matches(":[^/]+$") && !c.image.endsWith(":latest")))`},
			Example: rule.Example{Resource: web, Set: map[string]any{image: "slipway.dev/web:latest@sha256:" + strings.Repeat("0", 64)}},
		},
		&rule.Rule{
			ID: "image-by-digest", Title: "An image is named by its content",
			Why:        "A tag can be moved by whoever can push; a digest cannot, nor can a tag in a repository that refuses to overwrite it.",
			Remedy:     "Append @sha256:… to the image, or take it from a registry of immutableRegistries; asked for where requireDigest is set.",
			References: []string{"https://kubernetes.io/docs/concepts/containers/images/#image-names"},
			Types:      rule.Workloads, Reads: []string{"container.image"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, limits rule.Limits) []rule.Complaint {
				fixed := slices.ContainsFunc(limits.ImmutableRegistries, func(prefix string) bool {
					return strings.HasPrefix(c.Image, prefix) && tagOf(c.Image) != ""
				})
				if limits.RequireDigest && !fixed && !strings.Contains(c.Image, "@sha256:") {
					return rule.Complain(c.Path+".image", "container %s names its image by a tag that can be moved", c.Name)
				}
				return nil
			}),
			Example: rule.Example{Resource: web, Set: map[string]any{image: "slipway.dev/web:1.2.3"}},
		},
		&rule.Rule{
			ID: "image-registry", Title: "Images come from registries somebody looks after",
			Why:        "An image from anywhere is code from anyone.",
			Remedy:     "Copy the image to an allowed registry, or add its prefix to registries in policies/settings.yaml.",
			References: []string{"https://kubernetes.io/docs/concepts/security/supply-chain-security/"},
			Types:      rule.Workloads, Reads: []string{"container.image"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, limits rule.Limits) []rule.Complaint {
				if slices.ContainsFunc(limits.Registries, func(prefix string) bool { return strings.HasPrefix(c.Image, prefix) }) {
					return nil
				}
				return rule.Complain(c.Path+".image", "container %s is not from %s", c.Name, strings.Join(limits.Registries, ", "))
			}),
			Admission: &rule.Admission{Under: func(limits rule.Limits) string {
				quoted := make([]string, len(limits.Registries))
				for i, prefix := range limits.Registries {
					quoted[i] = strconv.Quote(prefix)
				}
				return "variables.containers.all(c, [" + strings.Join(quoted, ", ") + "].exists(p, c.image.startsWith(p)))"
			}},
			Example: rule.Example{Resource: web, Set: map[string]any{image: "ghcr.io/anyone/web:1.2.3@sha256:" + strings.Repeat("0", 64)}},
		},
		&rule.Rule{
			ID: "no-deprecated-api", Title: "No object uses an API that clusters no longer serve",
			Why:        "The next cluster upgrade takes the API away, and with it the next update.",
			Remedy:     "Use the API version that the message names.",
			References: []string{"https://kubernetes.io/docs/reference/using-api/deprecation-guide/"},
			Types:      old,
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				return rule.Complain("apiVersion", "is gone or going; use %s", deprecated[r.Type])
			},
			Example: rule.Example{Resource: "Endpoints/shop/outside", Add: "apiVersion: v1\nkind: Endpoints\nmetadata: {name: outside, namespace: shop}\n"},
		},
		&rule.Rule{
			ID: "required-labels", Title: "Objects say what they are, what they belong to and who manages them",
			Why:        "Whoever is woken at night finds the owner by them; costs and network policies go by them.",
			Remedy:     "Set the labels that requiredLabels lists.",
			References: []string{"https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/"},
			Types:      labelled, Reads: []string{"metadata.labels"},
			Check: func(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				labels := r.Labels()
				for _, want := range limits.RequiredLabels {
					if labels[want] == "" {
						return rule.Complain(`metadata.labels["`+want+`"]`, "is missing")
					}
				}
				return nil
			},
			Example: rule.Example{Resource: "Service/shop/web", Set: map[string]any{`metadata.labels["app.kubernetes.io/part-of"]`: nil}},
		},
		&rule.Rule{
			ID: "pod-security-labels", Title: "A namespace says which pod security standard it enforces",
			Why:        "Without the label, or with privileged, anything may be run in it by whoever may create a pod.",
			Remedy:     "Set pod-security.kubernetes.io/enforce to restricted or baseline; privileged needs a waiver, which has an owner, a reason and an end.",
			References: []string{"https://kubernetes.io/docs/concepts/security/pod-security-admission/", "CIS Kubernetes 5.2.1"},
			Types:      []string{rule.Namespace}, Reads: []string{"metadata.labels"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, n *corev1.Namespace, _ rule.Limits) []rule.Complaint {
				const label = "pod-security.kubernetes.io/enforce"
				switch n.Labels[label] {
				case "restricted", "baseline":
					return nil
				case "privileged":
					return rule.Complain(`metadata.labels["`+label+`"]`, "holds pods to nothing")
				}
				return rule.Complain(`metadata.labels["`+label+`"]`, "is not a pod security standard")
			}),
			Admission: &rule.Admission{Holds: `object.metadata.?labels.orValue({}).exists(k, k == "pod-security.kubernetes.io/enforce") &&
object.metadata.labels["pod-security.kubernetes.io/enforce"] in ["restricted", "baseline"]`},
			Example: rule.Example{Resource: "Namespace/shop", Set: map[string]any{`metadata.labels["pod-security.kubernetes.io/enforce"]`: nil}},
		},
	)
}

// tagOf is the tag of an image, or "".
func tagOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	last := name[strings.LastIndex(name, "/")+1:]
	_, tag, _ := strings.Cut(last, ":")
	return tag
}
