// The sample registers resources by their tokens: compiling the SDK would take
// minutes and prove nothing.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

type thing struct {
	pulumi.CustomResourceState
	Arn  pulumi.StringOutput `pulumi:"arn"`
	Name pulumi.StringOutput `pulumi:"name"`
	// Endpoint is a cluster's.
	Endpoint pulumi.StringOutput `pulumi:"endpoint"`
}

type provider struct{ pulumi.ProviderResourceState }

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		settings := config.New(ctx, "")
		aws := &provider{}
		if err := ctx.RegisterResource("pulumi:providers:aws", "aws", pulumi.Map{
			"region": pulumi.String("eu-central-1"), "allowedAccountIds": pulumi.String(`["123456789012"]`),
			"defaultTags": pulumi.String(`{"tags":{"project":"sample"}}`),
		}, aws); err != nil {
			return err
		}
		var fault error
		add := func(token, name string, in pulumi.Map, opts ...pulumi.ResourceOption) *thing {
			made := &thing{}
			if err := ctx.RegisterResource(token, name, in, made, append(opts, pulumi.Provider(aws))...); err != nil && fault == nil {
				fault = err
			}
			return made
		}
		trust := func(service string) pulumi.String {
			return pulumi.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"` + service + `"}}]}`)
		}
		managed := "arn:aws:iam::aws:policy/"

		network := add("aws:ec2/vpc:Vpc", "network", pulumi.Map{"cidrBlock": pulumi.String(settings.Require("cidr")), "tags": pulumi.StringMap{"Name": pulumi.String("sample")}})
		gateway := add("aws:ec2/internetGateway:InternetGateway", "gateway", pulumi.Map{"vpcId": network.ID()})
		table := add("aws:ec2/routeTable:RouteTable", "table", pulumi.Map{"vpcId": network.ID(), "tags": pulumi.StringMap{"Name": pulumi.String("public")}})
		out := add("aws:ec2/route:Route", "out", pulumi.Map{"routeTableId": table.ID(), "destinationCidrBlock": pulumi.String("0.0.0.0/0"), "gatewayId": gateway.ID()})
		var subnets pulumi.StringArray
		paths := []pulumi.Resource{out}
		for i, zone := range []string{"a", "b"} {
			subnet := add("aws:ec2/subnet:Subnet", "subnet-"+zone, pulumi.Map{
				"vpcId": network.ID(), "cidrBlock": pulumi.String(fmt.Sprintf("10.0.%d.0/24", i)), "availabilityZone": pulumi.String("eu-central-1" + zone),
				"mapPublicIpOnLaunch": pulumi.Bool(true), "tags": pulumi.StringMap{"kubernetes.io/role/elb": pulumi.String("1")},
			})
			subnets = append(subnets, subnet.ID())
			paths = append(paths, add("aws:ec2/routeTableAssociation:RouteTableAssociation", "of-"+zone, pulumi.Map{"subnetId": subnet.ID(), "routeTableId": table.ID()}))
		}
		clusterRole := add("aws:iam/role:Role", "cluster-role", pulumi.Map{"assumeRolePolicy": trust("eks.amazonaws.com")})
		mayRun := add("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "cluster-may-run", pulumi.Map{"role": clusterRole.Name, "policyArn": pulumi.String(managed + "AmazonEKSClusterPolicy")})
		cluster := add("aws:eks/cluster:Cluster", "cluster", pulumi.Map{
			"roleArn": clusterRole.Arn, "version": pulumi.String("1.33"), "vpcConfig": pulumi.Map{"subnetIds": subnets},
			"accessConfig": pulumi.Map{"authenticationMode": pulumi.String("API")},
		}, pulumi.DependsOn([]pulumi.Resource{mayRun}))
		nodeRole := add("aws:iam/role:Role", "node-role", pulumi.Map{"assumeRolePolicy": trust("ec2.amazonaws.com")})
		for name, policy := range map[string]string{"node-may-join": "AmazonEKSWorkerNodePolicy", "node-may-pull": "AmazonEC2ContainerRegistryPullOnly"} {
			paths = append(paths, add("aws:iam/rolePolicyAttachment:RolePolicyAttachment", name, pulumi.Map{"role": nodeRole.Name, "policyArn": pulumi.String(managed + policy)}))
		}
		nodes := add("aws:eks/nodeGroup:NodeGroup", "nodes", pulumi.Map{
			"clusterName": cluster.Name, "nodeRoleArn": nodeRole.Arn, "subnetIds": subnets,
			"scalingConfig": pulumi.Map{"minSize": pulumi.Int(1), "desiredSize": pulumi.Int(2), "maxSize": pulumi.Int(3)},
		}, pulumi.DependsOn(paths))
		add("aws:eks/addon:Addon", "coredns", pulumi.Map{"clusterName": cluster.Name, "addonName": pulumi.String("coredns")}, pulumi.DependsOn([]pulumi.Resource{nodes}))
		add("aws:cloudwatch/logGroup:LogGroup", "logs", pulumi.Map{"retentionInDays": pulumi.Int(settings.RequireInt("retention"))})
		add("aws:kms/key:Key", "data", pulumi.Map{"enableKeyRotation": pulumi.Bool(true)}, pulumi.Protect(true))
		add("aws:s3/bucketV2:BucketV2", "archive", pulumi.Map{}, pulumi.RetainOnDelete(settings.GetBool("keep")))
		zone := add("aws:route53/zone:Zone", "zone", pulumi.Map{"name": pulumi.String("sample.example.org")})
		for i := range settings.RequireInt("records") {
			add("aws:route53/record:Record", fmt.Sprintf("host-%d", i), pulumi.Map{
				"zoneId": zone.ID(), "name": pulumi.String(fmt.Sprintf("host-%d.sample.example.org", i)), "type": pulumi.String("A"),
				"ttl": pulumi.Int(60), "records": pulumi.ToStringArray([]string{fmt.Sprintf("198.18.%d.%d", i/256, i%256)}),
			})
		}
		kube := &provider{}
		kubeconfig := pulumi.Sprintf(`{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"c"}}],"clusters":[{"name":"c","cluster":{"server":"%s"}}]}`, cluster.Endpoint)
		if err := ctx.RegisterResource("pulumi:providers:kubernetes", "kube", pulumi.Map{
			"kubeconfig": pulumi.ToSecret(kubeconfig), "clusterIdentifier": pulumi.String("sample"),
		}, kube, pulumi.DependsOn([]pulumi.Resource{nodes})); err != nil {
			return err
		}
		object := func(group, kind, name string, in pulumi.Map, after ...pulumi.Resource) *thing {
			in["apiVersion"], in["kind"] = pulumi.String(group), pulumi.String(kind)
			made := &thing{}
			token := "kubernetes:" + map[bool]string{true: "core/"}[group == "v1"] + group + ":" + kind
			if err := ctx.RegisterResource(token, name, in, made, pulumi.Provider(kube), pulumi.DependsOn(after)); err != nil && fault == nil {
				fault = err
			}
			return made
		}
		named := func(name, namespace string) pulumi.Map {
			meta := pulumi.Map{"name": pulumi.String(name), "labels": pulumi.Map{"app": pulumi.String(name)}}
			if namespace != "" {
				meta["namespace"] = pulumi.String(namespace)
			}
			return meta
		}
		space := object("v1", "Namespace", "space", pulumi.Map{"metadata": named("web", "")})
		values := object("v1", "ConfigMap", "values", pulumi.Map{"metadata": named("values", "web"), "data": pulumi.Map{"retention": pulumi.String(settings.Require("retention"))}}, space)
		object("apps/v1", "Deployment", "web", pulumi.Map{"metadata": named("web", "web"), "spec": pulumi.Map{
			"replicas": pulumi.Int(2), "selector": pulumi.Map{"matchLabels": pulumi.Map{"app": pulumi.String("web")}},
			"template": pulumi.Map{"metadata": pulumi.Map{"labels": pulumi.Map{"app": pulumi.String("web")}}, "spec": pulumi.Map{
				"containers": pulumi.Array{pulumi.Map{"name": pulumi.String("web"), "image": pulumi.String("web:1"), "volumeMounts": pulumi.Array{
					pulumi.Map{"name": pulumi.String("values"), "mountPath": pulumi.String("/etc/values")}}}},
				"volumes": pulumi.Array{pulumi.Map{"name": pulumi.String("values"), "configMap": pulumi.Map{"name": pulumi.String("values")}}},
			}},
		}}, space)
		object("v1", "Service", "front", pulumi.Map{"metadata": named("front", "web"), "spec": pulumi.Map{
			"type": pulumi.String("LoadBalancer"), "selector": pulumi.Map{"app": pulumi.String("web")}, "ports": pulumi.Array{pulumi.Map{"port": pulumi.Int(443)}},
		}}, space)
		definition := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "lamps", pulumi.Map{
			"metadata": pulumi.Map{"name": pulumi.String("lamps.example.org")}, "spec": pulumi.Map{
				"group": pulumi.String("example.org"), "scope": pulumi.String("Namespaced"), "names": pulumi.Map{"kind": pulumi.String("Lamp"), "plural": pulumi.String("lamps")},
				"versions": pulumi.Array{pulumi.Map{"name": pulumi.String("v1"), "served": pulumi.Bool(true), "storage": pulumi.Bool(true), "schema": pulumi.Map{"openAPIV3Schema": pulumi.Map{
					"type": pulumi.String("object"), "properties": pulumi.Map{"spec": pulumi.Map{"type": pulumi.String("object"), "properties": pulumi.Map{
						"colour": pulumi.Map{"type": pulumi.String("string"), "enum": pulumi.ToStringArray([]string{"red", "green"})}}}},
				}}}},
			}})
		after := []pulumi.Resource{space, values}
		if !settings.GetBool("hasty") {
			after = append(after, definition)
		}
		object("example.org/v1", "Lamp", "lamp", pulumi.Map{"metadata": named("lamp", "web"), "spec": pulumi.Map{"colour": pulumi.String(colour(settings))}}, after...)
		ctx.Export("cluster", cluster.Arn)
		return fault
	})
}

func colour(settings *config.Config) string {
	if given := settings.Get("colour"); given != "" {
		return given
	}
	return "red"
}
