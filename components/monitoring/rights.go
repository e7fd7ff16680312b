package monitoring

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

func may(group string, verbs []string, resources ...string) rbacv1.PolicyRuleArgs {
	return rbacv1.PolicyRuleArgs{
		ApiGroups: pulumi.ToStringArray([]string{group}),
		Resources: pulumi.ToStringArray(resources), Verbs: pulumi.ToStringArray(verbs),
	}
}

// finding is what Prometheus may do: look where targets are, and read metrics
// of nodes and of the API server. It may not reach through a node's proxy,
// which would be a way into every pod.
func finding() rbacv1.PolicyRuleArray {
	return rbacv1.PolicyRuleArray{
		may("", []string{"list"}, "nodes", "pods"),
		may("discovery.k8s.io", []string{"list"}, "endpointslices"),
		may("", []string{"get"}, "nodes/metrics"),
		rbacv1.PolicyRuleArgs{
			NonResourceURLs: pulumi.ToStringArray([]string{"/metrics"}), Verbs: pulumi.ToStringArray([]string{"get"}),
		},
	}
}

// listing is what kube-state-metrics may do: see the kinds it reports.
func listing() rbacv1.PolicyRuleArray {
	list := []string{"list", "watch"}
	return rbacv1.PolicyRuleArray{
		may("", list, "nodes", "persistentvolumeclaims", "pods"),
		may("apps", list, "daemonsets", "deployments", "statefulsets"),
		may("autoscaling", list, "horizontalpodautoscalers"),
		may("batch", list, "jobs"),
	}
}

// account declares who a product is and what it may do in the whole cluster.
func (b *builder) account(product string, rules rbacv1.PolicyRuleArray) (*corev1.ServiceAccount, pulumi.Resource, error) {
	account, err := corev1.NewServiceAccount(b.ctx, b.name+"-"+product+"-account", &corev1.ServiceAccountArgs{
		Metadata: b.meta(product),
		// The token is mounted by the pod that asks for it.
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, b.under()...)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the service account of %s: %w", product, err)
	}
	wide := metav1.ObjectMetaArgs{
		Name: pulumi.String(b.plan.Namespace + "-" + product), Labels: component.StringMap(b.labels(product)),
	}
	role, err := rbacv1.NewClusterRole(b.ctx, b.name+"-"+product+"-role", &rbacv1.ClusterRoleArgs{
		Metadata: wide, Rules: rules,
	}, b.under()...)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the role of %s: %w", product, err)
	}
	binding, err := rbacv1.NewClusterRoleBinding(b.ctx, b.name+"-"+product+"-binding", &rbacv1.ClusterRoleBindingArgs{
		Metadata: wide,
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"),
			Name: role.Metadata.Name().Elem(),
		},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: account.Metadata.Name().Elem(), Namespace: b.namespace.Elem(),
		}},
	}, b.under()...)
	if err != nil {
		return nil, nil, fmt.Errorf("binding the role of %s: %w", product, err)
	}
	return account, binding, nil
}
