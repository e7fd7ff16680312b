package logging

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func args() Args {
	return Args{
		Image: "slipway.dev/collector:src-000000000000",
		Classes: []Class{
			{Name: "access", Namespaces: []string{"slipway-ingress"}, Days: 7, DiskMiB: 64},
			{Name: "database", Namespaces: []string{"slipway-database", "other"}, Days: 14, DiskMiB: 8},
			{Name: "system", Days: 30, DiskMiB: 64},
		},
		MonitoringNamespace: "watch",
	}
}

// traced also take spans.
func traced() Args {
	a := args()
	a.Traces = &Traces{Namespaces: []string{"slipway-ingress", "slipway-api"}, Days: 3, DiskMiB: 32}
	return a
}

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		made, err := New(ctx, "logging", args, providers)
		if err != nil {
			return err
		}
		ctx.Export("namespace", made.Namespace)
		return nil
	}
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"logging": args(), "bucket": archived(), "traces": traced()} {
		t.Run(name, func(t *testing.T) {
			componenttest.Both(t, declare(args), func(t *testing.T, g *componenttest.Graph) {
				g.RequireOwned(t)
				g.RequireNames(t, "logging")
				g.RequireSecrets(t)
				g.RequireStableSelectors(t)
				got, err := g.Render()
				if err != nil {
					t.Fatal(err)
				}
				componenttest.Golden(t, name, got, *update)
			})
		})
	}
}

func TestTheNodeIsReadOnlyButForTheState(t *testing.T) {
	componenttest.Both(t, declare(args()), func(t *testing.T, g *componenttest.Graph) {
		pods := g.One(t, "kubernetes:apps/v1:DaemonSet", "logging-agents")
		paths := map[string]string{}
		volumes, _ := pods.Path("spec.template.spec.volumes")
		for _, volume := range volumes.ArrayValue() {
			v := volume.ObjectValue()
			if path, ok := v["hostPath"]; ok {
				paths[v["name"].StringValue()] = path.ObjectValue()["path"].StringValue()
			}
		}
		if len(paths) != 2 || paths["logs"] != "/var/log/pods" || paths["state"] != "/var/lib/otelcol" {
			t.Errorf("paths of the node are %v", paths)
		}
		mounts, _ := pods.Path("spec.template.spec.containers[0].volumeMounts")
		for _, mount := range mounts.ArrayValue() {
			m := mount.ObjectValue()
			if name := m["name"].StringValue(); m["readOnly"].BoolValue() == (name == "state") {
				t.Errorf("%s: read-only is %v", name, m["readOnly"].BoolValue())
			}
		}
	})
}

func TestNobodyIsAsked(t *testing.T) {
	closed := args()
	closed.MonitoringNamespace = ""
	componenttest.Both(t, declare(closed), func(t *testing.T, g *componenttest.Graph) {
		if g.Has("kubernetes:networking.k8s.io/v1:NetworkPolicy", "logging-allow-scrapes") {
			t.Error("something is let in that nobody asked for")
		}
		for _, node := range g.Nodes() {
			if strings.Contains(node.TypeToken, "rbac") || strings.Contains(node.TypeToken, "ServiceAccount") {
				t.Errorf("%s %s: the collectors need no right", node.TypeToken, node.Name)
			}
		}
	})
}

// parsed is the configuration that args lead to.
func parsed(t *testing.T, args Args) map[string]map[string]any {
	t.Helper()
	text, err := Configuration(args, inPod())
	if err != nil {
		t.Fatal(err)
	}
	config := map[string]map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// A pipeline without the processor would store what programs wrote, and one
// with another processor before the exporter could lose what it holds back.
func TestEveryPipelineRedactsAndStoresAtOnce(t *testing.T) {
	config := parsed(t, traced())
	pipelines, _ := config["service"]["pipelines"].(map[string]any)
	if len(pipelines) != len(args().Classes)+1 || pipelines["traces"] == nil {
		t.Errorf("the pipelines are %v", pipelines)
	}
	for name, pipeline := range pipelines {
		p, _ := pipeline.(map[string]any)
		if processors, _ := p["processors"].([]any); len(processors) != 1 || processors[0] != "privacy" {
			t.Errorf("%s goes through %v", name, processors)
		}
	}
	privacy, _ := config["processors"]["privacy"].(map[string]any)
	if privacy["profile"] != "standard" {
		t.Errorf("left out, the profile is %v", privacy["profile"])
	}
	for name, receiver := range config["receivers"] {
		r, _ := receiver.(map[string]any)
		if name == "otlp" {
			continue
		}
		retry, _ := r["retry_on_failure"].(map[string]any)
		if r["storage"] != "file_storage" || r["start_at"] != "beginning" || retry["max_elapsed_time"] != "0s" {
			t.Errorf("%s: offsets in %v, begins at %v, gives up after %v", name, r["storage"], r["start_at"], retry["max_elapsed_time"])
		}
		// A byte more would keep what programs wrote, unredacted.
		if r["fingerprint_size"] != 30.0 {
			t.Errorf("%s keeps the first %v bytes of a file", name, r["fingerprint_size"])
		}
		operators, _ := r["operators"].([]any)
		for _, operator := range operators {
			if o, _ := operator.(map[string]any); o["on_error"] != "send_quiet" {
				t.Errorf("%s: %v says %v about what it cannot parse", name, o["type"], o["on_error"])
			}
		}
	}
}

// Every file belongs to exactly one class, and the collector's own to none.
func TestClassesDivideTheFiles(t *testing.T) {
	config := parsed(t, args())
	globs := func(receiver, key string) []string {
		r, _ := config["receivers"]["file_log/"+receiver].(map[string]any)
		list, _ := r[key].([]any)
		var texts []string
		for _, item := range list {
			text, _ := item.(string)
			texts = append(texts, text)
		}
		return texts
	}
	for file, want := range map[string]string{
		"slipway-ingress_traefik-x_1/traefik/0.log":                 "access",
		"slipway-ingress_traefik-x_1/traefik/0.log.20260102-030405": "access",
		"slipway-database_postgres-0_1/postgres/3.log":              "database",
		"other_a_1/b/0.log":                                          "database",
		"kube-system_coredns-x_1/coredns/0.log":                      "system",
		"slipway-ingress-two_a_1/b/0.log":                            "system",
		"slipway-logging_collector-x_1/collector/0.log":              "",
		"kube-system_coredns-x_1/coredns/0.log.20260102-030405.gz":   "",
		"slipway-ingress_a_1/b/0.log.20260102-030405.gz":             "",
		"slipway-logging_collector-x_1/collector/0.log.20260102-030": "",
	} {
		var got []string
		for _, class := range args().Classes {
			if matches(t, globs(class.Name, "include"), file) && !matches(t, globs(class.Name, "exclude"), file) {
				got = append(got, class.Name)
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s belongs to %v, want %q", file, got, want)
		}
	}
}

// Whoever does not follow requests takes no spans: a port that nobody needs is one
// that somebody else can fill the disk through.
func TestSpansAreTakenFromWhomItIsSaidOnly(t *testing.T) {
	const policy, service = "kubernetes:networking.k8s.io/v1:NetworkPolicy", "kubernetes:core/v1:Service"
	componenttest.Both(t, declare(args()), func(t *testing.T, g *componenttest.Graph) {
		if g.Has(policy, "logging-allow-spans") || g.Has(service, "logging-service") {
			t.Error("spans are taken that nobody asked for")
		}
	})
	if config := parsed(t, args()); config["receivers"]["otlp"] != nil || config["exporters"]["archive/traces"] != nil {
		t.Error("the collector takes spans that nobody asked for")
	}
	componenttest.Both(t, declare(traced()), func(t *testing.T, g *componenttest.Graph) {
		rules, _ := g.One(t, policy, "logging-allow-spans").Path("spec.ingress")
		if len(rules.ArrayValue()) != 2 {
			t.Errorf("two namespaces may send, the policy says %v", rules)
		}
		local, _ := g.One(t, service, "logging-service").Path("spec.internalTrafficPolicy")
		if local.StringValue() != "Local" {
			t.Errorf("spans go to the collector of any node: %v", local)
		}
	})
	to := Receiver("logs", 10)
	if to.URL() != "http://collector.logs.svc:4318/v1/traces" || to.Ratio() != 0.01 {
		t.Errorf("they are sent to %s, %v of them", to.URL(), to.Ratio())
	}
}
