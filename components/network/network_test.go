package network

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func small() Args {
	return Args{
		Name: "slipway-test", Region: cloudtest.Region, CIDR: "10.20.0.0/20", Zones: []string{"eu-central-1a", "eu-central-1b"},
		FlowLogs: pulumi.String("arn:aws:s3:::logs/flow"), Cluster: "slipway-test",
	}
}

func large() Args {
	args := small()
	args.CIDR, args.NAT, args.Endpoints = "10.30.0.0/16", NATPerZone, []string{"ecr.api", "sts"}
	args.Zones = append(args.Zones, "eu-central-1c")
	return args
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "network", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("private", made.Private)
		return nil
	})
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"small": small(), "large": large()} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "network", name, declare(args), *update) })
	}
}

func TestNAT(t *testing.T) {
	for nat, want := range map[NAT]int{NoNAT: 0, OneNAT: 1, NATPerZone: 3} {
		args := large()
		args.NAT = nat
		g := cloudtest.Graph(false)
		g.Run(t, declare(args))
		if got := len(g.Of("aws:ec2/natGateway:NatGateway")); got != want {
			t.Errorf("nat %s makes %d gateways, want %d", nat, got, want)
		}
		out := 0
		for _, route := range g.Of("aws:ec2/route:Route") {
			if route.Text("natGatewayId") != "" {
				out++
			}
		}
		if wantRoutes := map[bool]int{true: 0, false: 3}[nat == NoNAT]; out != wantRoutes {
			t.Errorf("nat %s routes %d zones out, want %d", nat, out, wantRoutes)
		}
	}
}

// The intra tier has no way out, and nothing gets a public address by itself.
func TestNothingIsPublicByAccident(t *testing.T) {
	cloudtest.Both(t, declare(large()), func(t *testing.T, g *componenttest.Graph) {
		for _, route := range g.Of("aws:ec2/route:Route") {
			if strings.Contains(route.Name, "intra") {
				t.Errorf("%s leads out of the intra subnets", route.Name)
			}
		}
		for _, subnet := range g.Of("aws:ec2/subnet:Subnet") {
			if value, _ := subnet.Path("mapPublicIpOnLaunch"); !value.IsBool() || value.BoolValue() {
				t.Errorf("%s gives out public addresses", subnet.Name)
			}
		}
		group := g.One(t, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "network-default")
		for _, direction := range []string{"ingress", "egress"} {
			if _, found := group.Path(direction); found {
				t.Errorf("the default security group allows %s", direction)
			}
		}
	})
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":     {func(a *Args) { *a = Args{} }, []string{"name: ", "region: ", "cluster: ", "flowLogs: ", "cidr: "}},
		"range":             {func(a *Args) { a.CIDR = "10.0.0.0/24" }, []string{"cidr: not a usable VPC range: 10.0.0.0/24 must be /16 to /22"}},
		"public range":      {func(a *Args) { a.CIDR = "54.0.0.0/16" }, []string{"cidr: ", "is not private"}},
		"no range":          {func(a *Args) { a.CIDR = "ten" }, []string{`cidr: "ten" is not a network`}},
		"no zones":          {func(a *Args) { a.Zones = nil }, []string{"zones: 0 zones"}},
		"too many zones":    {func(a *Args) { a.Zones = append(a.Zones, "eu-central-1c", "eu-central-1d") }, []string{"zones: 4 zones"}},
		"zone of elsewhere": {func(a *Args) { a.Zones[1] = "eu-west-1b" }, []string{`zones[1]: "eu-west-1b" is not a zone of region "eu-central-1"`}},
		"zone twice":        {func(a *Args) { a.Zones[1] = a.Zones[0] }, []string{"zones[1]: eu-central-1a is zones[0] already"}},
		"NAT":               {func(a *Args) { a.NAT = "two" }, []string{`nat: "two" is none of`}},
		"endpoint":          {func(a *Args) { a.Endpoints = []string{"s3", "a b", "sts", "sts"} }, []string{"endpoints[0]: s3 is always", `endpoints[1]: "a b"`, "endpoints[3]: sts is there twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := small()
			args.Zones = append([]string(nil), args.Zones...)
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `network "network": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "network") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:network:Network" {
		t.Errorf("type token %q: the VPC and everything in it would be replaced", TypeToken)
	}
}
