package eks

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/grant"
	"slipway.dev/slipway/components/identity"
)

// configuration is what an add-on is told besides its defaults, or nil.
func (p plan) configuration(name string) any {
	switch {
	case name == cni:
		// Network policies are off by default, and nothing says so when one is
		// declared. With prefixes a node has an address for every pod it has room
		// for.
		return map[string]any{
			"enableNetworkPolicy": "true",
			"env":                 map[string]string{"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"},
		}
	case name == volumes && len(p.Tags) > 0:
		return map[string]any{"controller": map[string]any{"extraVolumeTags": p.Tags}}
	default:
		return nil
	}
}

// addOns declares add-ons, to be installed once everything in after is there.
func (b *builder) addOns(names []string, after []pulumi.Resource) ([]pulumi.Resource, error) {
	var made []pulumi.Resource
	for _, name := range names {
		args := &eks.AddonArgs{
			ClusterName: b.cluster.Name, AddonName: pulumi.String(name), AddonVersion: pulumi.String(b.AddOns[name]),
			// The program decides: a change by hand is put back.
			ResolveConflictsOnCreate: pulumi.String("OVERWRITE"), ResolveConflictsOnUpdate: pulumi.String("OVERWRITE"),
		}
		if configuration := b.configuration(name); configuration != nil {
			raw, err := json.Marshal(configuration)
			if err != nil {
				return nil, fmt.Errorf("writing the configuration of add-on %s: %w", name, err)
			}
			args.ConfigurationValues = pulumi.String(raw)
		}
		role, account, err := b.addOnRole(name)
		if err != nil {
			return nil, err
		}
		if role != nil {
			args.PodIdentityAssociations = eks.AddonPodIdentityAssociationArray{eks.AddonPodIdentityAssociationArgs{
				ServiceAccount: pulumi.String(account), RoleArn: role.RoleARN,
			}}
		}
		addOn, err := eks.NewAddon(b.ctx, b.name+"-addon-"+name, args, b.under(pulumi.DependsOn(after))...)
		if err != nil {
			return nil, fmt.Errorf("installing add-on %s: %w", name, err)
		}
		made = append(made, addOn)
	}
	return made, nil
}

// addOnRole is the role of an add-on that talks to AWS, and its service
// account; nil for the others.
func (b *builder) addOnRole(name string) (*identity.Identity, string, error) {
	args := identity.Args{
		Account: b.Account, Region: b.Region, Cluster: b.Name, Namespace: "kube-system", AddOn: true,
	}
	switch name {
	case cni:
		args.Role, args.ServiceAccount = b.Name+"-network", "aws-node"
		args.Managed = []string{"arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"}
	case volumes:
		args.Role, args.ServiceAccount = b.Name+"-volumes", "ebs-csi-controller-sa"
		args.Managed = []string{"arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"}
		args.AllowedLater = &identity.Later{Values: []pulumi.StringInput{b.Keys.Volumes}, Build: useVolumes}
	default:
		return nil, "", nil
	}
	made, err := identity.New(b.ctx, b.name+"-addon-"+name, args, b.under()...)
	return made, args.ServiceAccount, err
}

// useVolumes lets the volume driver make volumes encrypted with a key, and
// hand the key on to EC2 and to nobody else.
func useVolumes(known []string) []grant.Statement {
	return []grant.Statement{
		{
			Sid:       "Encrypt",
			Actions:   []string{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"},
			Resources: known,
		},
		{
			Sid: "HandOn", Actions: []string{"kms:CreateGrant"}, Resources: known,
			When: map[string]grant.Conditions{"Bool": {"kms:GrantIsForAWSResource": {"true"}}},
		},
	}
}
