package traefik

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// watched are Traefik's own kinds. It waits for every one of them before it
// serves, whether or not there are objects.
var watched = []string{
	"ingressroutes", "ingressroutetcps", "ingressrouteudps", "middlewares", "middlewaretcps",
	"serverstransports", "serverstransporttcps", "tlsoptions", "tlsstores", "traefikservices",
}

// rights returns what Traefik may do: watch what it routes by, and note on an
// Ingress where it is served. It changes nothing else.
func rights() rbacv1.PolicyRuleArray {
	watch := []string{"get", "list", "watch"}
	rule := func(group string, resources, verbs []string) rbacv1.PolicyRuleArgs {
		return rbacv1.PolicyRuleArgs{
			ApiGroups: pulumi.ToStringArray([]string{group}),
			Resources: pulumi.ToStringArray(resources), Verbs: pulumi.ToStringArray(verbs),
		}
	}
	return rbacv1.PolicyRuleArray{
		// Nodes are watched for plain Ingresses only, which do not start without.
		rule("", []string{"configmaps", "nodes", "secrets", "services"}, watch),
		rule("discovery.k8s.io", []string{"endpointslices"}, watch),
		rule("networking.k8s.io", []string{"ingressclasses", "ingresses"}, watch),
		rule("networking.k8s.io", []string{"ingresses/status"}, []string{"update"}),
		rule(group, watched, watch),
	}
}

// account declares who Traefik is and what it may do.
func (t *Traefik) account(ctx *pulumi.Context, p parts) ([]pulumi.Resource, error) {
	account, err := corev1.NewServiceAccount(ctx, p.name+"-account", &corev1.ServiceAccountArgs{
		Metadata: p.metadata(product),
		// The token is mounted by the pod that asks for it.
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, component.Under(t)...)
	if err != nil {
		return nil, fmt.Errorf("creating the service account: %w", err)
	}
	wide := metav1.ObjectMetaArgs{
		Name: pulumi.String("slipway-" + product), Labels: component.StringMap(p.labels()),
	}
	role, err := rbacv1.NewClusterRole(ctx, p.name+"-role", &rbacv1.ClusterRoleArgs{
		Metadata: wide, Rules: rights(),
	}, component.Under(t)...)
	if err != nil {
		return nil, fmt.Errorf("creating the role: %w", err)
	}
	binding, err := rbacv1.NewClusterRoleBinding(ctx, p.name+"-binding", &rbacv1.ClusterRoleBindingArgs{
		Metadata: wide,
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"),
			Name: role.Metadata.Name().Elem(),
		},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: account.Metadata.Name().Elem(), Namespace: p.namespace.Elem(),
		}},
	}, component.Under(t)...)
	if err != nil {
		return nil, fmt.Errorf("binding the role: %w", err)
	}
	return []pulumi.Resource{account, binding}, nil
}
