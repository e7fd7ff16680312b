package certificates

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// rule is what may be done to which resources of one API group.
type rule struct {
	group     string
	resources []string
	names     []string // empty: any
	verbs     []string
}

// Sets of verbs that occur more than once.
var (
	read  = []string{"get", "list", "watch"}
	patch = []string{"update", "patch"}
	event = rule{group: "", resources: []string{"events"}, verbs: []string{"create", "patch"}}
)

// lease is what electing a leader takes. Creating cannot be limited to a name.
func lease(names ...string) []rule {
	return []rule{
		{group: "coordination.k8s.io", resources: []string{"leases"}, verbs: []string{"create"}},
		{group: "coordination.k8s.io", resources: []string{"leases"}, names: names, verbs: []string{"get", "update", "patch"}},
	}
}

// everywhere are the rights a program needs on the whole cluster.
var everywhere = map[string][]rule{
	controller: {
		{group: "cert-manager.io", resources: []string{"issuers", "clusterissuers", "certificates", "certificaterequests"}, verbs: read},
		{group: "cert-manager.io", resources: []string{
			"issuers", "issuers/status", "clusterissuers", "clusterissuers/status",
			"certificates", "certificates/status", "certificaterequests", "certificaterequests/status",
		}, verbs: patch},
		{group: "cert-manager.io", resources: []string{"certificaterequests"}, verbs: []string{"create", "delete"}},
		// Where a cluster checks owners, owning a request takes this right.
		{group: "cert-manager.io", resources: []string{"certificates/finalizers", "certificaterequests/finalizers"}, verbs: []string{"update"}},
		// A request is signed once it is approved. cert-manager approves those for
		// its own issuers, and no others.
		{group: "cert-manager.io", resources: []string{"signers"}, names: []string{
			"issuers.cert-manager.io/*", "clusterissuers.cert-manager.io/*",
		}, verbs: []string{"approve"}},
		{group: "", resources: []string{"secrets"}, verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}},
		event,
	},
	cainjector: {
		{group: "admissionregistration.k8s.io", resources: []string{"validatingwebhookconfigurations", "mutatingwebhookconfigurations"},
			verbs: []string{"get", "list", "watch", "update"}},
		// These are watched whether or not any of them asks for an authority.
		// None does, so it may not change them.
		{group: "apiregistration.k8s.io", resources: []string{"apiservices"}, verbs: read},
		{group: "apiextensions.k8s.io", resources: []string{"customresourcedefinitions"}, verbs: read},
	},
	webhook: {
		{group: "authorization.k8s.io", resources: []string{"subjectaccessreviews"}, verbs: []string{"create"}},
	},
}

// inside are the rights a program needs in cert-manager's own namespace.
var inside = map[string][]rule{
	controller: lease("cert-manager-controller"),
	cainjector: append(lease("cert-manager-cainjector-leader-election", "cert-manager-cainjector-leader-election-core"),
		rule{group: "cert-manager.io", resources: []string{"certificates"}, verbs: read},
		rule{group: "", resources: []string{"secrets"}, verbs: read},
		event,
	),
	webhook: {
		// The webhook makes its own authority and keeps it in this Secret.
		{group: "", resources: []string{"secrets"}, verbs: []string{"create"}},
		{group: "", resources: []string{"secrets"}, names: []string{webhookSecret}, verbs: []string{"get", "list", "watch", "update"}},
	},
}

func policyRules(rules []rule) rbacv1.PolicyRuleArray {
	made := make(rbacv1.PolicyRuleArray, 0, len(rules))
	for _, r := range rules {
		one := rbacv1.PolicyRuleArgs{
			ApiGroups: pulumi.ToStringArray([]string{r.group}),
			Resources: pulumi.ToStringArray(r.resources),
			Verbs:     pulumi.ToStringArray(r.verbs),
		}
		if len(r.names) > 0 {
			one.ResourceNames = pulumi.ToStringArray(r.names)
		}
		made = append(made, one)
	}
	return made
}

// rights declares a program's service account and what it may do, and returns
// the bindings.
func (c *Certificates) rights(ctx *pulumi.Context, p parts, s server) ([]pulumi.Resource, error) {
	named := s.object()
	failed := func(err error) error { return fmt.Errorf("granting rights to the %s: %w", s.role, err) }
	metadata := p.object(named, s.role, false)
	if s.role == controller && p.ACME != nil {
		metadata.Annotations = pulumi.StringMap{p.ACME.RoleAnnotation: p.ACME.Role}
	}
	account, err := corev1.NewServiceAccount(ctx, p.name+"-"+s.role+"-account", &corev1.ServiceAccountArgs{
		Metadata: metadata,
		// The token is mounted by the pod that asks for it.
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, component.Under(c)...)
	if err != nil {
		return nil, failed(err)
	}
	subjects := rbacv1.SubjectArray{rbacv1.SubjectArgs{
		Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(named), Namespace: p.namespace.Elem(),
	}}
	wide, err := rbacv1.NewClusterRole(ctx, p.name+"-"+s.role+"-cluster-role", &rbacv1.ClusterRoleArgs{
		Metadata: p.object(named, s.role, true), Rules: policyRules(p.rules(s.role)),
	}, component.Under(c)...)
	if err != nil {
		return nil, failed(err)
	}
	wideBinding, err := rbacv1.NewClusterRoleBinding(ctx, p.name+"-"+s.role+"-cluster-binding", &rbacv1.ClusterRoleBindingArgs{
		Metadata: p.object(named, s.role, true), Subjects: subjects,
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"),
			Name: wide.Metadata.Name().Elem(),
		},
	}, component.Under(c)...)
	if err != nil {
		return nil, failed(err)
	}
	narrow, err := rbacv1.NewRole(ctx, p.name+"-"+s.role+"-role", &rbacv1.RoleArgs{
		Metadata: p.object(named, s.role, false), Rules: policyRules(inside[s.role]),
	}, component.Under(c)...)
	if err != nil {
		return nil, failed(err)
	}
	narrowBinding, err := rbacv1.NewRoleBinding(ctx, p.name+"-"+s.role+"-binding", &rbacv1.RoleBindingArgs{
		Metadata: p.object(named, s.role, false), Subjects: subjects,
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("Role"),
			Name: narrow.Metadata.Name().Elem(),
		},
	}, component.Under(c)...)
	if err != nil {
		return nil, failed(err)
	}
	return []pulumi.Resource{account, wideBinding, narrowBinding}, nil
}
