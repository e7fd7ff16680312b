package identity

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/grant"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:identity:Identity"

// Args describes the role of one service account.
type Args struct {
	// Role is the role's name. Required, unique in the account.
	Role string
	// Account, Region and Cluster say which cluster. Required.
	Account, Region, Cluster string
	// Namespace and ServiceAccount say who may take the role. Required.
	Namespace, ServiceAccount string
	// Issuer, when set, makes the role one for IRSA: it trusts tokens of this
	// issuer. Its service account then carries the annotation
	// AnnotationRole. Default: Pod Identity.
	Issuer pulumi.StringInput
	// AddOn leaves associating a Pod Identity role to the EKS add-on that owns
	// the service account.
	AddOn bool
	// Managed are policies that AWS maintains, by ARN. Default: none.
	Managed []string
	// Allowed are the statements of the role's own policy. Default: none.
	Allowed []grant.Statement
	// AllowedLater are statements over values that other resources know.
	AllowedLater *Later
}

// Later are statements over values known once other resources exist.
type Later struct {
	Values []pulumi.StringInput
	Build  func(known []string) []grant.Statement
}

// AnnotationRole names the role of a service account for IRSA.
const AnnotationRole = "eks.amazonaws.com/role-arn"

// Identity is a role that one service account may take.
type Identity struct {
	pulumi.ResourceState

	// RoleARN is the role. It is known when the role has its rights.
	RoleARN pulumi.StringOutput `pulumi:"roleArn"`
}

var roleName = regexp.MustCompile(`^[A-Za-z0-9+=,.@_-]{1,64}$`)

func resolve(args Args) error {
	var faults []error
	if !roleName.MatchString(args.Role) {
		faults = append(faults, fmt.Errorf("role: %q is not a role name of 1 to 64 letters, digits and +=,.@_-", args.Role))
	}
	for _, required := range []struct{ path, value string }{
		{"account", args.Account}, {"region", args.Region}, {"cluster", args.Cluster},
		{"namespace", args.Namespace}, {"serviceAccount", args.ServiceAccount},
	} {
		if required.value == "" || strings.ContainsAny(required.value, "*?") {
			faults = append(faults, fmt.Errorf("%s: is %q, must be one name, without wildcards", required.path, required.value))
		}
	}
	if len(args.Managed)+len(args.Allowed) == 0 && args.AllowedLater == nil {
		faults = append(faults, errors.New("allowed: is empty, so the role could do nothing"))
	}
	if args.AddOn && args.Issuer != nil {
		faults = append(faults, errors.New("issuer: is set, but an add-on associates by Pod Identity"))
	}
	return errors.Join(faults...)
}

// New declares the role of a service account.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Identity, error) {
	if err := resolve(args); err != nil {
		return nil, fmt.Errorf("identity %q: %w", name, err)
	}
	identity := &Identity{}
	if err := ctx.RegisterComponentResource(TypeToken, name, identity, opts...); err != nil {
		return nil, fmt.Errorf("registering identity %q: %w", name, err)
	}
	if err := identity.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building identity %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(identity, pulumi.Map{"roleArn": identity.RoleARN}); err != nil {
		return nil, fmt.Errorf("publishing identity %q: %w", name, err)
	}
	return identity, nil
}

func (i *Identity) build(ctx *pulumi.Context, name string, args Args) error {
	trust, err := args.trust()
	if err != nil {
		return err
	}
	role, err := iam.NewRole(ctx, name+"-role", &iam.RoleArgs{
		Name: pulumi.String(args.Role), AssumeRolePolicy: trust,
		Description: pulumi.String(fmt.Sprintf("Service account %s/%s of cluster %s",
			args.Namespace, args.ServiceAccount, args.Cluster)),
	}, component.Under(i)...)
	if err != nil {
		return fmt.Errorf("creating the role: %w", err)
	}
	rights := []any{role.Arn}
	for _, arn := range args.Managed {
		attached, err := iam.NewRolePolicyAttachment(ctx, name+"-"+arn[strings.LastIndex(arn, "/")+1:], &iam.RolePolicyAttachmentArgs{
			Role: role.Name, PolicyArn: pulumi.String(arn),
		}, component.Under(i)...)
		if err != nil {
			return fmt.Errorf("attaching %s: %w", arn, err)
		}
		rights = append(rights, attached.ID())
	}
	policy, err := args.policy()
	if err != nil {
		return err
	}
	if policy != nil {
		own, err := iam.NewRolePolicy(ctx, name+"-policy", &iam.RolePolicyArgs{
			Role: role.Name, Name: pulumi.String("own"), Policy: policy,
		}, component.Under(i)...)
		if err != nil {
			return fmt.Errorf("writing the role's policy: %w", err)
		}
		rights = append(rights, own.ID())
	}
	if args.Issuer == nil && !args.AddOn {
		tied, err := eks.NewPodIdentityAssociation(ctx, name+"-association", &eks.PodIdentityAssociationArgs{
			ClusterName: pulumi.String(args.Cluster), Namespace: pulumi.String(args.Namespace),
			ServiceAccount: pulumi.String(args.ServiceAccount), RoleArn: role.Arn,
		}, component.Under(i)...)
		if err != nil {
			return fmt.Errorf("associating the role: %w", err)
		}
		rights = append(rights, tied.ID())
	}
	i.RoleARN = pulumi.All(rights...).ApplyT(func(known []any) (string, error) {
		arn, ok := known[0].(string)
		if !ok {
			return "", fmt.Errorf("the role's ARN is a %T", known[0])
		}
		return arn, nil
	}).(pulumi.StringOutput)
	return nil
}

// policy is the role's own policy, or nil.
func (a Args) policy() (pulumi.StringInput, error) {
	if a.AllowedLater != nil {
		later, first := *a.AllowedLater, a.Allowed
		return grant.Later(func(known []string) []grant.Statement {
			return append(append([]grant.Statement(nil), first...), later.Build(known)...)
		}, later.Values...), nil
	}
	if len(a.Allowed) == 0 {
		return nil, nil
	}
	text, err := grant.Document(a.Allowed...)
	return pulumi.String(text), err
}

// trust says who may take the role.
func (a Args) trust() (pulumi.StringInput, error) {
	if a.Issuer != nil {
		return grant.Later(func(known []string) []grant.Statement {
			return []grant.Statement{a.tokenTrust(known[0])}
		}, a.Issuer), nil
	}
	text, err := grant.Document(a.agentTrust())
	return pulumi.String(text), err
}

// agentTrust is for Pod Identity: this cluster of this account, this account
// in it.
func (a Args) agentTrust() grant.Statement {
	return grant.Statement{
		Principals: grant.Services("pods.eks.amazonaws.com"),
		Actions:    []string{"sts:AssumeRole", "sts:TagSession"},
		When: map[string]grant.Conditions{"StringEquals": {
			"aws:SourceAccount":                         {a.Account},
			"aws:SourceArn":                             {fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", a.Region, a.Account, a.Cluster)},
			"aws:RequestTag/kubernetes-namespace":       {a.Namespace},
			"aws:RequestTag/kubernetes-service-account": {a.ServiceAccount},
		}},
	}
}

// tokenTrust is for IRSA.
func (a Args) tokenTrust(issuer string) grant.Statement {
	host := strings.TrimPrefix(issuer, "https://")
	return grant.Statement{
		Principals: grant.Conditions{"Federated": {fmt.Sprintf("arn:aws:iam::%s:oidc-provider/%s", a.Account, host)}},
		Actions:    []string{"sts:AssumeRoleWithWebIdentity"},
		When: map[string]grant.Conditions{"StringEquals": {
			host + ":aud": {"sts.amazonaws.com"},
			host + ":sub": {fmt.Sprintf("system:serviceaccount:%s:%s", a.Namespace, a.ServiceAccount)},
		}},
	}
}
