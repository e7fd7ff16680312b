package dns

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		zones, err := New(ctx, "dns", args, providers)
		if err != nil {
			return err
		}
		ctx.Export("clusterIP", zones.ClusterIP)
		return nil
	}
}

func TestNewOnHostPorts(t *testing.T) {
	componenttest.Both(t, declare(local()), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "dns")
		g.RequireSecrets(t)
		g.RequireStableSelectors(t)
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "host-port", got, *update)
	})
}

func TestNewWithoutHostPorts(t *testing.T) {
	args := local()
	args.HostPort, args.Replicas, args.ClusterIP = 0, 3, ""
	args.MonitoringNamespace = "watch"
	componenttest.Both(t, declare(args), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "dns")
		g.RequireStableSelectors(t)
		if g.Has("kubernetes:apps/v1:DaemonSet", "dns-servers") {
			t.Error("there is a DaemonSet without a host port")
		}
		servers := g.One(t, "kubernetes:apps/v1:Deployment", "dns-servers")
		if got := servers.Number("spec.replicas"); got != 3 {
			t.Errorf("%v replicas", got)
		}
		if got := servers.Number("spec.strategy.rollingUpdate.maxUnavailable"); got != 0 {
			t.Errorf("a rollout takes %v servers away", got)
		}
		if got := servers.Text("spec.template.spec.topologySpreadConstraints[0].topologyKey"); got != "topology.kubernetes.io/zone" {
			t.Errorf("spread by %q first", got)
		}
		if _, found := servers.Path("spec.template.spec.containers[0].ports[0].hostPort"); found {
			t.Error("a host port is open")
		}
		g.One(t, "kubernetes:policy/v1:PodDisruptionBudget", "dns-budget")
		namespace := g.One(t, "kubernetes:core/v1:Namespace", "dns-namespace")
		if got := namespace.Text(`metadata.labels["pod-security.kubernetes.io/enforce"]`); got != "restricted" {
			t.Errorf("the namespace enforces %q", got)
		}
		policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "dns-allow-queries")
		if got := policy.Text(`spec.ingress[1].from[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`); got != "watch" {
			t.Errorf("metrics are open to %q", got)
		}
		if got := policy.Number("spec.ingress[1].ports[0].port"); got != metricsPort {
			t.Errorf("monitoring reaches port %v", got)
		}
		if _, found := g.One(t, "kubernetes:core/v1:Service", "dns-service").Path("spec.clusterIP"); found {
			t.Error("a cluster address is demanded")
		}
	})
}

// A leak in a value that another resource computes stops the update.
func TestALeakInAnOutputIsAnError(t *testing.T) {
	program := func(ctx *pulumi.Context) error {
		args := local()
		args.Zones[0].Records = []Record{{Name: "db", Type: "A", Values: pulumi.StringArray{
			pulumi.String("10.96.1.2").ToStringOutput().ApplyT(func(s string) string { return s }).(pulumi.StringOutput),
		}}}
		return declare(args)(ctx)
	}
	g := &componenttest.Graph{}
	err := g.Try(t, program)
	if err == nil || !strings.Contains(err.Error(), "zones[0].records[0].values[0]: 10.96.1.2 is not a public address") {
		t.Errorf("got %v", err)
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":     {func(a *Args) { *a = Args{} }, []string{"image: is empty", "zones: is empty"}},
		"namespace":         {func(a *Args) { a.Namespace = "A.b" }, []string{`namespace: "A.b"`}},
		"host port":         {func(a *Args) { a.HostPort = 65536 }, []string{"hostPort: is 65536"}},
		"replicas":          {func(a *Args) { a.Replicas = -1 }, []string{"replicas: is -1"}},
		"cluster IP":        {func(a *Args) { a.ClusterIP = "10.96" }, []string{`clusterIP: "10.96" is not an IP address`}},
		"address":           {func(a *Args) { a.Addresses = []string{"192.0.2.1", "host"} }, []string{`addresses[1]: "host" is not an IP address`}},
		"internal address":  {func(a *Args) { a.Addresses = []string{"10.96.0.53"} }, []string{"addresses[0]: 10.96.0.53 is not a public address"}},
		"public network":    {func(a *Args) { a.PublicNetworks = []string{"10.89.0.1/24"} }, []string{`publicNetworks[0]: "10.89.0.1/24" has host bits set, write 10.89.0.0/24`}},
		"client network":    {func(a *Args) { a.PrivateClients = []string{"10.0.0.0/8", "all"} }, []string{`privateClients[1]: "all" is not a network`}},
		"zone name":         {func(a *Args) { a.Zones[0].Name = "Slipway.test." }, []string{`zones[0].name: "Slipway.test." is not a lower-case domain name`}},
		"zone twice":        {func(a *Args) { a.Zones[1].Name = "slipway.test" }, []string{`zones[1].name: "slipway.test" is already the name of zones[0]`}},
		"hidden record":     {func(a *Args) { a.Zones[0].Records[1].Name = "db.internal" }, []string{"zones[0].records[1].name: db.internal.slipway.test belongs to zone internal.slipway.test (zones[1])"}},
		"record name":       {func(a *Args) { a.Zones[0].Records[1].Name = "a b" }, []string{`zones[0].records[1].name: "a b" is not a lower-case name`}},
		"record name empty": {func(a *Args) { a.Zones[0].Records[1].Name = "" }, []string{`zones[0].records[1].name: "" is not`}},
		"reserved name":     {func(a *Args) { a.Zones[0].Records[1].Name = "ns" }, []string{"is the name server's own name"}},
		"long name":         {func(a *Args) { a.Zones[0].Records[1].Name = strings.Repeat("abcdefg.", 31) + "a" }, []string{"are longer than 253 characters together"}},
		"type":              {func(a *Args) { a.Zones[0].Records[1].Type = "MX" }, []string{`zones[0].records[1].type: "MX" must be`}},
		"ttl":               {func(a *Args) { a.Zones[0].Records[1].TTL = -1 }, []string{"zones[0].records[1].ttl: is -1"}},
		"no values":         {func(a *Args) { a.Zones[0].Records[1].Values = nil }, []string{"zones[0].records[1].values: is not set"}},
		"CNAME at the apex": {func(a *Args) { a.Zones[0].Records[0].Name = "@" }, []string{"zones[0].records[0].type: the zone itself cannot be a CNAME"}},
		"CNAME and A":       {func(a *Args) { a.Zones[0].Records[0].Name = "api" }, []string{"zones[0].records[1]: api has a CNAME and other records"}},
		"record twice":      {func(a *Args) { a.Zones[0].Records = append(a.Zones[0].Records, a.Zones[0].Records[1]) }, []string{"zones[0].records[3]: api A is already zones[0].records[1]"}},
		"all at once":       {func(a *Args) { a.Image, a.HostPort, a.Zones[0].Records[2].TTL = "", -1, -5 }, []string{"image: ", "hostPort: ", "zones[0].records[2].ttl: "}},
	} {
		t.Run(name, func(t *testing.T) {
			args := local()
			test.change(&args)
			g := &componenttest.Graph{}
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(slices.Clone(test.want), `dns "dns": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "dns") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:dns:Zones" {
		t.Errorf("type token %q: everything under it would be replaced", TypeToken)
	}
}
