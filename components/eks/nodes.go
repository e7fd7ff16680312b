package eks

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// nodes declares the node groups, to start once everything in after is there.
func (b *builder) nodes(after []pulumi.Resource) ([]pulumi.Resource, error) {
	// The network plugin has a role of its own; a node only registers itself and
	// pulls images.
	role, rights, err := b.role("nodes", "ec2.amazonaws.com", "AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
	if err != nil {
		return nil, err
	}
	b.made.AutoscalingGroups = map[string]pulumi.StringOutput{}
	var made []pulumi.Resource
	for _, name := range b.sorted() {
		spec := b.NodeGroups[name]
		template, err := b.template(name, spec)
		if err != nil {
			return nil, err
		}
		capacity := "ON_DEMAND"
		if spec.Spot {
			capacity = "SPOT"
		}
		args := &eks.NodeGroupArgs{
			ClusterName: b.cluster.Name, NodeRoleArn: role.Arn, SubnetIds: b.Nodes,
			Version: pulumi.String(b.Version), AmiType: pulumi.String("AL2023_x86_64_STANDARD"),
			InstanceTypes: pulumi.ToStringArray(spec.InstanceTypes), CapacityType: pulumi.String(capacity),
			ScalingConfig: eks.NodeGroupScalingConfigArgs{
				MinSize: pulumi.Int(spec.Min), MaxSize: pulumi.Int(spec.Max), DesiredSize: pulumi.Int(spec.Min),
			},
			// One after the other: the database has a member on each of them.
			UpdateConfig:   eks.NodeGroupUpdateConfigArgs{MaxUnavailable: pulumi.Int(1)},
			LaunchTemplate: eks.NodeGroupLaunchTemplateArgs{Id: template.ID(), Version: latest(template)},
			Taints:         taints(spec.Taints),
		}
		if len(spec.Labels) > 0 {
			args.Labels = component.StringMap(spec.Labels)
		}
		group, err := eks.NewNodeGroup(b.ctx, b.name+"-nodes-"+name, args, b.under(
			pulumi.DependsOn(slices.Concat(rights, after)), pulumi.IgnoreChanges([]string{"scalingConfig.desiredSize"}))...)
		if err != nil {
			return nil, fmt.Errorf("creating node group %s: %w", name, err)
		}
		b.made.AutoscalingGroups[name] = group.Resources.Index(pulumi.Int(0)).AutoscalingGroups().Index(pulumi.Int(0)).Name().Elem()
		if err := b.keep(name, spec, group); err != nil {
			return nil, fmt.Errorf("node group %s: %w", name, err)
		}
		made = append(made, group)
	}
	return made, nil
}

// latest is the newest version of a template, as text.
func latest(template *ec2.LaunchTemplate) pulumi.StringOutput {
	return template.LatestVersion.ApplyT(strconv.Itoa).(pulumi.StringOutput)
}

// template says what a machine of a group is like.
func (b *builder) template(name string, spec NodeGroup) (*ec2.LaunchTemplate, error) {
	tags := component.StringMap(b.Tags)
	tags["Name"] = pulumi.String(b.Name + "-" + name)
	var tagged ec2.LaunchTemplateTagSpecificationArray
	// What autoscaling makes does not inherit the provider's tags.
	for _, kind := range []string{"instance", "network-interface", "volume"} {
		tagged = append(tagged, ec2.LaunchTemplateTagSpecificationArgs{ResourceType: pulumi.String(kind), Tags: tags})
	}
	made, err := ec2.NewLaunchTemplate(b.ctx, b.name+"-nodes-"+name+"-template", &ec2.LaunchTemplateArgs{
		Description: pulumi.String("Nodes " + name + " of " + b.Name),
		BlockDeviceMappings: ec2.LaunchTemplateBlockDeviceMappingArray{ec2.LaunchTemplateBlockDeviceMappingArgs{
			DeviceName: pulumi.String("/dev/xvda"), // where Amazon Linux 2023 has its root
			Ebs: ec2.LaunchTemplateBlockDeviceMappingEbsArgs{
				VolumeSize: pulumi.Int(spec.DiskGiB), VolumeType: pulumi.String("gp3"),
				Encrypted: pulumi.String("true"), KmsKeyId: b.Keys.Volumes.ToStringOutput(), DeleteOnTermination: pulumi.String("true"),
			},
		}},
		MetadataOptions: ec2.LaunchTemplateMetadataOptionsArgs{
			HttpEndpoint: pulumi.String("enabled"), HttpTokens: pulumi.String("required"),
			HttpPutResponseHopLimit: pulumi.Int(1), InstanceMetadataTags: pulumi.String("disabled"),
		},
		TagSpecifications: tagged, UpdateDefaultVersion: pulumi.Bool(true),
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("describing the nodes of %s: %w", name, err)
	}
	return made, nil
}

func taints(given map[string]string) eks.NodeGroupTaintArrayInput {
	if len(given) == 0 {
		return nil
	}
	var made eks.NodeGroupTaintArray
	for _, key := range slices.Sorted(maps.Keys(given)) {
		value, effect, _ := strings.Cut(given[key], ":")
		made = append(made, eks.NodeGroupTaintArgs{
			Key: pulumi.String(key), Value: pulumi.String(value), Effect: pulumi.String(effects[effect]),
		})
	}
	return made
}
