package eks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/cluster"
	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/grant"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:eks:Cluster"

// Cluster is an EKS cluster with nodes.
type Cluster struct {
	pulumi.ResourceState
	cluster.Access

	// Issuer is who signs the tokens of service accounts, with or without
	// https://, as AWS gives it back. It is
	// known when AWS trusts it.
	Issuer pulumi.StringOutput `pulumi:"issuer"`
	// SecurityGroupID is what nodes and the control plane share.
	SecurityGroupID pulumi.StringOutput `pulumi:"securityGroupId"`
	// AutoscalingGroups are those behind the node groups, by node group.
	AutoscalingGroups map[string]pulumi.StringOutput
}

// New declares a cluster with its nodes and add-ons.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cluster, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("cluster %q: %w", name, err)
	}
	made := &Cluster{}
	if err := ctx.RegisterComponentResource(TypeToken, name, made, opts...); err != nil {
		return nil, fmt.Errorf("registering cluster %q: %w", name, err)
	}
	b := &builder{plan: plan, ctx: ctx, name: name, made: made}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("building cluster %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(made, pulumi.Map{
		"name": made.Name, "kubeconfig": made.Kubeconfig, "issuer": made.Issuer, "securityGroupId": made.SecurityGroupID,
	}); err != nil {
		return nil, fmt.Errorf("publishing cluster %q: %w", name, err)
	}
	return made, nil
}

// builder holds what the pieces of one cluster share.
type builder struct {
	plan
	ctx     *pulumi.Context
	name    string
	made    *Cluster
	cluster *eks.Cluster
}

func (b *builder) under(extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return component.Under(b.made, extra...)
}

// ARN is the cluster's, known before it exists.
func (p plan) ARN() string {
	return fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", p.Region, p.Account, p.Name)
}

func (b *builder) build() error {
	if err := b.controlPlane(); err != nil {
		return err
	}
	issuer, err := iam.NewOpenIdConnectProvider(b.ctx, b.name+"-issuer", &iam.OpenIdConnectProviderArgs{
		Url:           b.cluster.Identities.Index(pulumi.Int(0)).Oidcs().Index(pulumi.Int(0)).Issuer().Elem(),
		ClientIdLists: pulumi.ToStringArray([]string{"sts.amazonaws.com"}),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("trusting the cluster's tokens: %w", err)
	}
	b.made.Issuer = issuer.Url
	b.made.SecurityGroupID = b.cluster.VpcConfig.ClusterSecurityGroupId().Elem()

	entries, err := b.access()
	if err != nil {
		return err
	}
	early, err := b.addOns(beforeNodes, nil)
	if err != nil {
		return err
	}
	nodes, err := b.nodes(early)
	if err != nil {
		return err
	}
	late, err := b.addOns(onNodes, nodes)
	if err != nil {
		return err
	}
	return b.open(slices.Concat(entries, nodes, late))
}

// role makes a role for a service of AWS.
func (b *builder) role(role, service string, policies ...string) (*iam.Role, []pulumi.Resource, error) {
	trust, err := grant.Document(grant.Statement{
		Principals: grant.Services(service), Actions: []string{"sts:AssumeRole"},
	})
	if err != nil {
		return nil, nil, err
	}
	made, err := iam.NewRole(b.ctx, b.name+"-"+role+"-role", &iam.RoleArgs{
		AssumeRolePolicy: pulumi.String(trust), Description: pulumi.String(b.Name + ": " + role),
	}, b.under()...)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the role of %s: %w", role, err)
	}
	var attached []pulumi.Resource
	for _, policy := range policies {
		tied, err := iam.NewRolePolicyAttachment(b.ctx, b.name+"-"+policy, &iam.RolePolicyAttachmentArgs{
			Role: made.Name, PolicyArn: pulumi.String("arn:aws:iam::aws:policy/" + policy),
		}, b.under()...)
		if err != nil {
			return nil, nil, fmt.Errorf("giving %s %s: %w", role, policy, err)
		}
		attached = append(attached, tied)
	}
	return made, attached, nil
}

func (b *builder) controlPlane() error {
	role, rights, err := b.role("control-plane", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
	if err != nil {
		return err
	}
	// EKS would make this group itself, without an end to what it keeps.
	logs, err := cloudwatch.NewLogGroup(b.ctx, b.name+"-logs", &cloudwatch.LogGroupArgs{
		Name:            pulumi.String("/aws/eks/" + b.Name + "/cluster"),
		RetentionInDays: pulumi.Int(b.LogDays), KmsKeyId: b.Keys.Logs.ToStringOutput(),
		// Who did what in the cluster is written nowhere else.
	}, b.under(component.Guard(b.Unprotected).Options()...)...)
	if err != nil {
		return fmt.Errorf("creating the log group: %w", err)
	}
	endpoint := eks.ClusterVpcConfigArgs{
		SubnetIds: b.Endpoints, EndpointPrivateAccess: pulumi.Bool(true),
		EndpointPublicAccess: pulumi.Bool(len(b.PublicCIDRs) > 0),
	}
	if len(b.PublicCIDRs) > 0 {
		endpoint.PublicAccessCidrs = pulumi.ToStringArray(b.PublicCIDRs)
	}
	b.cluster, err = eks.NewCluster(b.ctx, b.name+"-cluster", &eks.ClusterArgs{
		Name: pulumi.String(b.Name), Version: pulumi.String(b.Version), RoleArn: role.Arn, VpcConfig: endpoint,
		AccessConfig: eks.ClusterAccessConfigArgs{
			AuthenticationMode:                      pulumi.String("API"),
			BootstrapClusterCreatorAdminPermissions: pulumi.Bool(false),
		},
		// The ones below are pinned; EKS's own would be whatever is current.
		BootstrapSelfManagedAddons: pulumi.Bool(false),
		EnabledClusterLogTypes: pulumi.ToStringArray([]string{
			"api", "audit", "authenticator", "controllerManager", "scheduler",
		}),
		EncryptionConfig: eks.ClusterEncryptionConfigArgs{
			Provider:  eks.ClusterEncryptionConfigProviderArgs{KeyArn: b.Keys.Secrets},
			Resources: pulumi.ToStringArray([]string{"secrets"}),
		},
		KubernetesNetworkConfig: eks.ClusterKubernetesNetworkConfigArgs{
			IpFamily: pulumi.String("ipv4"), ServiceIpv4Cidr: pulumi.String(b.ServiceCIDR),
		},
		// Staying on a version past its standard support costs six times as much;
		// AWS upgrades the cluster instead.
		UpgradePolicy: eks.ClusterUpgradePolicyArgs{SupportType: pulumi.String("STANDARD")},
	}, b.under(append(component.Guard(b.Unprotected).Options(),
		pulumi.DependsOn(append(rights, logs)))...)...)
	if err != nil {
		return fmt.Errorf("creating the control plane: %w", err)
	}
	return nil
}

// access writes down who may do what.
func (b *builder) access() ([]pulumi.Resource, error) {
	var made []pulumi.Resource
	for _, list := range []struct {
		roles  []string
		policy string
	}{{b.Admins, "AmazonEKSClusterAdminPolicy"}, {b.Viewers, "AmazonEKSViewPolicy"}, {b.Auditors, "AmazonEKSAdminViewPolicy"}} {
		for _, arn := range list.roles {
			name := b.name + "-access-" + short(arn)
			entry, err := eks.NewAccessEntry(b.ctx, name, &eks.AccessEntryArgs{
				ClusterName: b.cluster.Name, PrincipalArn: pulumi.String(arn), Type: pulumi.String("STANDARD"),
			}, b.under()...)
			if err != nil {
				return nil, fmt.Errorf("letting %s in: %w", arn, err)
			}
			right, err := eks.NewAccessPolicyAssociation(b.ctx, name+"-policy", &eks.AccessPolicyAssociationArgs{
				ClusterName: b.cluster.Name, PrincipalArn: entry.PrincipalArn,
				PolicyArn:   pulumi.String("arn:aws:eks::aws:cluster-access-policy/" + list.policy),
				AccessScope: eks.AccessPolicyAssociationAccessScopeArgs{Type: pulumi.String("cluster")},
			}, b.under()...)
			if err != nil {
				return nil, fmt.Errorf("giving %s its rights: %w", arn, err)
			}
			made = append(made, entry, right)
		}
	}
	return made, nil
}

// open declares the provider once everything in after is at work.
func (b *builder) open(after []pulumi.Resource) error {
	b.made.Name = b.cluster.Name
	content := pulumi.All(b.cluster.Endpoint, b.cluster.CertificateAuthority.Data().Elem()).
		ApplyT(func(known []any) (string, error) {
			endpoint, isText := known[0].(string)
			authority, isToo := known[1].(string)
			if !isText || !isToo {
				return "", fmt.Errorf("the cluster's address is a %T and its certificate a %T", known[0], known[1])
			}
			return b.kubeconfig(endpoint, authority)
		}).(pulumi.StringOutput)
	b.made.Kubeconfig = pulumi.ToSecret(content).(pulumi.StringOutput)
	var err error
	b.made.Provider, err = kubernetes.NewProvider(b.ctx, b.name+"-provider", &kubernetes.ProviderArgs{
		Kubeconfig: b.made.Kubeconfig, ClusterIdentifier: pulumi.String(b.ARN()), EnableServerSideApply: pulumi.Bool(true),
		// Else a change of content deletes what running pods have mounted, and makes it anew.
		EnableConfigMapMutable: pulumi.Bool(true), EnableSecretMutable: pulumi.Bool(true),
		KubeClientSettings: component.KubeClient(),
	}, b.under(pulumi.DependsOn(after))...)
	if err != nil {
		return fmt.Errorf("creating the Kubernetes provider: %w", err)
	}
	return nil
}

// kubeconfig names the command that gets a credential, and holds none.
func (p plan) kubeconfig(endpoint, authority string) (string, error) {
	named := func(key string, value any) []any { return []any{map[string]any{"name": p.Name, key: value}} }
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": p.Name,
		"clusters": named("cluster", map[string]any{"server": endpoint, "certificate-authority-data": authority}),
		"contexts": named("context", map[string]any{"cluster": p.Name, "user": p.Name}),
		"users": named("user", map[string]any{"exec": map[string]any{
			"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "interactiveMode": "Never",
			"args": []string{"eks", "get-token", "--cluster-name", p.Name, "--region", p.Region, "--output", "json"},
		}}),
	})
	if err != nil {
		return "", fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return string(raw), nil
}

// sorted are the names of the node groups, in a fixed order.
func (p plan) sorted() []string { return slices.Sorted(maps.Keys(p.NodeGroups)) }
