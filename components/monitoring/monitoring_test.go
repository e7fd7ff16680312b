package monitoring

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// whole are the arguments of a platform with everything.
func whole() Args {
	return Args{
		Image: "example.test/monitoring:1", DiscoveryImage: "example.test/discovery:1", StateImage: "example.test/state:1", StorageClass: pulumi.String("retain"),
		Receiver: Receiver{WebhookURL: "https://people.example.test/key-of-people", DeadmanURL: "http://alive.example.test:8443/key-of-alive"},
		Targets: Targets{
			API: "slipway-api", Ingress: "slipway-ingress", Database: "slipway-database", Certificates: "cert-manager",
			Logs: "slipway-logging", Zones: "slipway-dns", Benchmark: "slipway-benchmark", Members: 3,
		},
		APINetworks: []string{"10.89.0.1/32"}, NodeNetworks: []string{"10.89.0.0/24"},
	}
}

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		made, err := New(ctx, "monitoring", args, providers)
		if err != nil {
			return err
		}
		ctx.Export("namespace", made.Namespace)
		return nil
	}
}

func TestNew(t *testing.T) {
	componenttest.Both(t, declare(whole()), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "monitoring")
		g.RequireSecrets(t)
		g.RequireStableSelectors(t)
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "whole", got, *update)
	})
}

func TestReceiversAreSecret(t *testing.T) {
	componenttest.Both(t, declare(whole()), func(t *testing.T, g *componenttest.Graph) {
		shown, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		revealed, err := g.Reveal()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"key-of-people", "key-of-alive"} {
			if strings.Contains(shown, key) {
				t.Errorf("%s is shown", key)
			}
			if !strings.Contains(revealed, key) {
				t.Errorf("%s is not used, so this test proves nothing", key)
			}
		}
	})
}

func TestWithoutReceiverNobodyIsReached(t *testing.T) {
	args := whole()
	args.Receiver, args.Replicas = Receiver{}, 1
	componenttest.Both(t, declare(args), func(t *testing.T, g *componenttest.Graph) {
		policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "monitoring-allow-alertmanager")
		if _, found := policy.Path("spec.egress[1]"); found {
			t.Error("Alertmanager may send somewhere without a receiver")
		}
		if g.Has("kubernetes:policy/v1:PodDisruptionBudget", "monitoring-prometheus-budget") {
			t.Error("a budget over one pod blocks every drain")
		}
	})
}

// TestNothingMayBeChanged: monitoring looks and does not touch, and sees no
// Secret.
func TestNothingMayBeChanged(t *testing.T) {
	g := &componenttest.Graph{}
	g.Run(t, declare(whole()))
	roles := g.Of("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole")
	if len(roles) == 0 {
		t.Fatal("there is no role")
	}
	for _, role := range roles {
		if strings.HasSuffix(role.TypeToken, "Binding") {
			continue
		}
		rules, _ := role.Path("rules")
		for _, rule := range rules.ArrayValue() {
			fields := rule.ObjectValue()
			for _, verb := range fields["verbs"].ArrayValue() {
				if !slices.Contains([]string{"get", "list", "watch"}, verb.StringValue()) {
					t.Errorf("%s may %s", role.Name, verb.StringValue())
				}
			}
			if !fields["resources"].IsArray() {
				continue
			}
			for _, kind := range fields["resources"].ArrayValue() {
				if slices.Contains([]string{"secrets", "configmaps", "nodes/proxy"}, kind.StringValue()) {
					t.Errorf("%s may read %s", role.Name, kind.StringValue())
				}
			}
		}
	}
}

// TestPrometheusReadsItsConfiguration asks the promtool of the Prometheus that
// runs.
func TestPrometheusReadsItsConfiguration(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "../../scripts/promtool").Output()
	if err != nil {
		t.Fatalf("finding promtool: %v", err)
	}
	promtool := strings.TrimSpace(string(out))
	for name, change := range map[string]func(*Args){
		"everything": func(*Args) {}, "least": func(a *Args) { a.Targets = Targets{API: "slipway-api"} },
	} {
		t.Run(name, func(t *testing.T) {
			args := whole()
			change(&args)
			p, faults := resolve(args)
			if len(faults) > 0 {
				t.Fatal(joined(faults))
			}
			text, err := p.configuration()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "prometheus.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", "--syntax-only", path).CombinedOutput(); err != nil {
				t.Errorf("promtool: %v\n%s", err, out)
			}
		})
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   string
	}{
		"no image":       {func(a *Args) { a.Image = "" }, "image: is empty"},
		"no state image": {func(a *Args) { a.StateImage = "" }, "stateImage: is empty"},
		"no discovery":   {func(a *Args) { a.DiscoveryImage = "" }, "discoveryImage: is empty"},
		"no class":       {func(a *Args) { a.StorageClass = nil }, "storageClass: is empty"},
		"replicas":       {func(a *Args) { a.Replicas = -1 }, "replicas: is -1"},
		"days":           {func(a *Args) { a.RetentionDays = -1 }, "retentionDays: is -1"},
		"too often":      {func(a *Args) { a.ScrapeSeconds = 1 }, "scrapeSeconds: is 1"},
		"too seldom":     {func(a *Args) { a.ScrapeSeconds = 120 }, "scrapeSeconds: is 120, must be at most 60"},
		"storage":        {func(a *Args) { a.Storage = "much" }, `storage: "much" is not a quantity`},
		"retention":      {func(a *Args) { a.RetentionSize = "much" }, `retentionSize: "much" is not a quantity`},
		"all the volume": {func(a *Args) { a.RetentionSize = "8Gi" }, "retentionSize: is 8Gi, not less than storage 8Gi"},
		"memory":         {func(a *Args) { a.Memory = "much" }, `memory: "much" is not a quantity`},
		"availability":   {func(a *Args) { a.Objectives.AvailabilityPercent = "100" }, `objectives.availabilityPercent: is "100"`},
		"latency":        {func(a *Args) { a.Objectives.LatencyPercent = "x" }, `objectives.latencyPercent: is "x"`},
		"no such bucket": {func(a *Args) { a.Objectives.LatencySeconds = "0.3" }, `objectives.latencySeconds: is "0.3", must be one of`},
		"webhook":        {func(a *Args) { a.Receiver.WebhookURL = "people" }, "receiver.webhookURL: is no URL"},
		"deadman":        {func(a *Args) { a.Receiver.DeadmanURL = "ftp://x" }, "receiver.deadmanURL: is no URL"},
		"no namespace":   {func(a *Args) { a.GrafanaNamespace = "My Grafana" }, `grafanaNamespace: "My Grafana" is not a namespace name`},
		"API network":    {func(a *Args) { a.APINetworks = []string{"x"} }, "apiNetworks[0]"},
		"nodes' network": {func(a *Args) { a.NodeNetworks = []string{"10.0.0.1/8"} }, "nodeNetworks[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			args := whole()
			test.change(&args)
			err := (&componenttest.Graph{}).Try(t, declare(args))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
	if faults := whole().Faults(); len(faults) > 0 {
		t.Errorf("what these tests begin with is faulty: %v", faults)
	}
}
