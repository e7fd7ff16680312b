// Package cloudtest stands in for what AWS adds to the resources of a
// program, in tests that run without an account.
package cloudtest

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

// The account of the tests and its region.
const (
	Account = "111122223333"
	Region  = "eu-central-1"
)

// Provider declares an AWS provider and a Kubernetes provider as a stack
// would, and returns the option that hands both to a component.
func Provider(ctx *pulumi.Context) (pulumi.ResourceOption, error) {
	cloud, err := aws.NewProvider(ctx, "test-aws", &aws.ProviderArgs{Region: pulumi.String(Region)})
	if err != nil {
		return nil, err
	}
	inside, err := kubernetes.NewProvider(ctx, componenttest.ProviderName, &kubernetes.ProviderArgs{
		Kubeconfig: pulumi.ToSecret(pulumi.String("test")).(pulumi.StringOutput),
	})
	if err != nil {
		return nil, err
	}
	return pulumi.Providers(cloud, inside), nil
}

// Program is a component declared with Provider.
func Program(declare func(ctx *pulumi.Context, provider pulumi.ResourceOption) error) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		provider, err := Provider(ctx)
		if err != nil {
			return err
		}
		return declare(ctx, provider)
	}
}

// Graph is a recording that answers as AWS would.
func Graph(fresh bool) *componenttest.Graph {
	return &componenttest.Graph{Fresh: fresh, Computed: Computed, Drawn: Drawn, Answer: Answer("deploy")}
}

// Both runs program as an update and as a first preview.
func Both(t *testing.T, program pulumi.RunFunc, check func(t *testing.T, g *componenttest.Graph)) {
	t.Helper()
	for name, fresh := range map[string]bool{"update": false, "first preview": true} {
		t.Run(name, func(t *testing.T) {
			g := Graph(fresh)
			g.Run(t, program)
			check(t, g)
		})
	}
}

// Golden declares program once as an update and holds its graph against a
// golden file, after the checks that every component has to pass, which run
// for a first preview, too.
func Golden(t *testing.T, component, file string, program pulumi.RunFunc, accept bool) {
	t.Helper()
	Both(t, program, func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, component)
		g.RequireSecrets(t)
		if g.Fresh {
			return // what AWS computes is not known and would only blur the picture
		}
		text, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, file, text, accept)
	})
}

// Answer replies to the lookups of a program that a role of the account runs.
func Answer(role string) func(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return func(args pulumi.MockCallArgs) (resource.PropertyMap, error) { return answer(role, args) }
}

func answer(role string, args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	switch args.Token {
	case "aws:index/getRegion:getRegion":
		return texts(map[string]string{"id": Region, "name": Region}), nil
	case "aws:index/getCallerIdentity:getCallerIdentity":
		return texts(map[string]string{
			"accountId": Account, "arn": "arn:aws:sts::" + Account + ":assumed-role/" + role + "/ci", "id": Account, "userId": "AROA:ci",
		}), nil
	case "aws:index/getAvailabilityZones:getAvailabilityZones":
		names := []resource.PropertyValue{}
		for _, letter := range []string{"a", "b", "c"} {
			names = append(names, resource.NewProperty(Region+letter))
		}
		return resource.PropertyMap{
			"id": resource.NewProperty(Region), "names": resource.NewProperty(names),
			"zoneIds": resource.NewProperty(names), "groupNames": resource.NewProperty(names),
		}, nil
	default:
		return nil, fmt.Errorf("nobody answers %s in this test", args.Token)
	}
}

// Drawn returns where a cluster answers, which a kubeconfig is made of. A
// kubeconfig is secret, and the SDK's mocks cannot hold a value that is secret
// and unknown at once.
func Drawn(args pulumi.MockResourceArgs) resource.PropertyMap {
	if args.TypeToken != "aws:eks/cluster:Cluster" {
		return nil
	}
	return resource.PropertyMap{
		"endpoint":             resource.NewProperty("https://0123456789ABCDEF.gr7." + Region + ".eks.amazonaws.com"),
		"certificateAuthority": resource.NewProperty(texts(map[string]string{"data": "Y2E="})),
	}
}

// Computed returns what AWS adds to a resource.
func Computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	if !strings.HasPrefix(args.TypeToken, "aws:") {
		return nil
	}
	kind := args.TypeToken[strings.LastIndex(args.TypeToken, ":")+1:]
	service := strings.Split(strings.TrimPrefix(args.TypeToken, "aws:"), "/")[0]
	added := texts(map[string]string{"arn": fmt.Sprintf("arn:aws:%s:%s:%s:%s/%s", service, Region, Account, kind, args.Name)})
	switch args.TypeToken {
	case "aws:eks/cluster:Cluster":
		maps.Copy(added, Drawn(args))
		added["identities"] = list(resource.PropertyMap{"oidcs": list(texts(map[string]string{
			"issuer": "https://oidc.eks." + Region + ".amazonaws.com/id/0123456789ABCDEF",
		}))})
		added["vpcConfig"] = resource.NewProperty(merged(args.Inputs["vpcConfig"], map[string]string{"clusterSecurityGroupId": "sg-cluster"}))
	case "aws:eks/nodeGroup:NodeGroup":
		added["resources"] = list(resource.PropertyMap{"autoscalingGroups": list(texts(map[string]string{"name": "asg-" + args.Name}))})
	case "aws:ec2/launchTemplate:LaunchTemplate":
		added["latestVersion"] = resource.NewProperty(1.0)
	case "aws:route53/zone:Zone":
		added["zoneId"] = resource.NewProperty("Z-" + args.Name)
		added["nameServers"] = resource.NewProperty([]resource.PropertyValue{
			resource.NewProperty("ns-1.awsdns-01.org"), resource.NewProperty("ns-2.awsdns-02.com"),
		})
	case "aws:lb/loadBalancer:LoadBalancer":
		added["dnsName"] = resource.NewProperty(args.Name + ".elb." + Region + ".amazonaws.com")
	case "aws:ecr/repository:Repository":
		added["repositoryUrl"] = resource.NewProperty(
			Account + ".dkr.ecr." + Region + ".amazonaws.com/" + args.Inputs["name"].StringValue())
	case "aws:route53/keySigningKey:KeySigningKey":
		added["dsRecord"] = resource.NewProperty("12345 13 2 0000000000000000000000000000000000000000000000000000000000000000")
	case "aws:kms/key:Key":
		added["arn"] = resource.NewProperty("arn:aws:kms:" + Region + ":" + Account + ":key/" + args.Name)
	case "aws:s3/bucketV2:BucketV2":
		added["arn"] = resource.NewProperty("arn:aws:s3:::" + args.Inputs["bucket"].StringValue())
	}
	return added
}

func texts(from map[string]string) resource.PropertyMap {
	made := resource.PropertyMap{}
	for key, value := range from {
		made[resource.PropertyKey(key)] = resource.NewProperty(value)
	}
	return made
}

func list(items ...resource.PropertyMap) resource.PropertyValue {
	values := make([]resource.PropertyValue, 0, len(items))
	for _, item := range items {
		values = append(values, resource.NewProperty(item))
	}
	return resource.NewProperty(values)
}

func merged(into resource.PropertyValue, added map[string]string) resource.PropertyMap {
	fields := resource.PropertyMap{}
	if into.IsObject() {
		fields = into.ObjectValue().Copy()
	}
	maps.Copy(fields, texts(added))
	return fields
}
