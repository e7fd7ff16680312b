package balancer

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func valid() Args {
	return Args{
		VPCID: pulumi.String("vpc-1"), Subnets: pulumi.ToStringArray([]string{"subnet-a", "subnet-b"}),
		NodeSecurityGroupID: pulumi.String("sg-nodes"),
		Nodes: map[string]pulumi.StringOutput{
			"general": pulumi.String("asg-1").ToStringOutput(), "spare": pulumi.String("asg-2").ToStringOutput(),
		},
		Doors:      []Door{{"http", 80, 30080}, {"https", 443, 30443}},
		HealthPort: 30936, HealthSeconds: 10, UnhealthyCount: 2, DrainSeconds: 90,
	}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "balancer", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("dnsName", made.DNSName)
		return nil
	})
}

func TestNew(t *testing.T) {
	limited := valid()
	limited.Clients, limited.Unprotected = []string{"198.51.100.0/24"}, true
	for name, args := range map[string]Args{"open": valid(), "limited": limited} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "balancer", name, declare(args), *update) })
	}
}

// What serves a node that turned unhealthy is finished, not cut off, and for as
// long as a node that leaves.
func TestNothingIsCutOff(t *testing.T) {
	g := cloudtest.Graph(false)
	g.Run(t, declare(valid()))
	for _, targets := range g.Of("aws:lb/targetGroup:TargetGroup") {
		cut, found := targets.Path("targetHealthStates[0].enableUnhealthyConnectionTermination")
		if !found || cut.BoolValue() {
			t.Errorf("%s cuts connections of unhealthy nodes", targets.Name)
		}
		if targets.Number("deregistrationDelay") != 90 || targets.Number("targetHealthStates[0].unhealthyDrainingInterval") != 90 {
			t.Errorf("%s does not wait as long as the proxies take", targets.Name)
		}
	}
}

// Nodes admit the balancer and no network.
func TestNodesAdmitTheBalancerOnly(t *testing.T) {
	g := cloudtest.Graph(false)
	g.Run(t, declare(valid()))
	for _, rule := range g.Of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
		if rule.Text("securityGroupId") == "sg-nodes" && (rule.Text("cidrIpv4") != "" || rule.Text("referencedSecurityGroupId") == "") {
			t.Errorf("%s opens the nodes to %q", rule.Name, rule.Text("cidrIpv4"))
		}
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given": {func(a *Args) { *a = Args{} }, []string{"vpcId: ", "nodes: ", "doors: ", "healthPort: ", "healthSeconds: ", "unhealthyCount: ", "drainSeconds: "}},
		"door":          {func(a *Args) { a.Doors[0] = Door{} }, []string{"doors[0]: needs a name", "doors[0].nodePort: is 0"}},
		"too often":     {func(a *Args) { a.HealthSeconds = 1 }, []string{"healthSeconds: is 1, must be 5 to 300"}},
		"clients":       {func(a *Args) { a.Clients = []string{"me"} }, []string{`clients[0]: "me"`}},
	} {
		t.Run(name, func(t *testing.T) {
			args := valid()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `balancer "balancer": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "balancer") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:balancer:Balancer" {
		t.Errorf("type token %q: the balancer would be replaced, and its name with it", TypeToken)
	}
}
