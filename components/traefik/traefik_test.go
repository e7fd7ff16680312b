package traefik

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/components/workload"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// definitions writes minimal definitions of Traefik's kinds, in one file.
func definitions(t *testing.T, kinds []string) string {
	t.Helper()
	var content strings.Builder
	for _, kind := range kinds {
		fmt.Fprintf(&content, "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"+
			"metadata: {name: %s.traefik.io}\nspec: {group: traefik.io}\n", kind)
	}
	path := filepath.Join(t.TempDir(), "definitions.yml")
	if err := os.WriteFile(path, []byte(content.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func local(t *testing.T) Args {
	return Args{
		Image: "traefik:test", CRDFile: definitions(t, watched), HostPorts: true,
		Backends: []Backend{{Namespace: "slipway-api", Port: 8000}},
		Hosts:    []string{"slipway.test", "*.slipway.test"},
		Issuer:   Issuer{Name: pulumi.String("ca"), Kind: pulumi.String("ClusterIssuer")},
	}
}

func cloud(t *testing.T) Args {
	return Args{
		Image: "traefik:test", CRDFile: definitions(t, watched), Compress: true,
		Backends:       []Backend{{Namespace: "slipway-api", Port: 8000}, {Namespace: "docs", Port: 80}},
		TrustedProxies: []string{"10.0.0.0/16"}, MonitoringNamespace: "watch",
		LoadBalancer: map[string]string{"service.example.org/type": "network"},
	}
}

func declared(t *testing.T) Args {
	args := cloud(t)
	args.LoadBalancer = nil
	args.NodePorts = &NodePorts{HTTP: 30080, HTTPS: 30443, Health: 30936}
	args.Timings.AcceptSeconds = 60
	args.Traces = &workload.Traces{Host: "collector.logs.svc", Namespace: "logs", Port: 4318, PerThousand: 5}
	return args
}

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		made, err := New(ctx, "traefik", args, providers)
		if err != nil {
			return err
		}
		ctx.Export("service", made.ServiceName)
		return nil
	}
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"local": local(t), "cloud": cloud(t), "declared": declared(t)} {
		t.Run(name, func(t *testing.T) {
			componenttest.Both(t, declare(args), func(t *testing.T, g *componenttest.Graph) {
				g.RequireOwned(t)
				g.RequireNames(t, "traefik")
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

func flagsOf(t *testing.T, args Args) []string {
	t.Helper()
	p, err := resolve(args)
	if err != nil {
		t.Fatal(err)
	}
	return flags(p)
}

func TestFlagsKeepTheirPromises(t *testing.T) {
	for name, args := range map[string]Args{"local": local(t), "cloud": cloud(t)} {
		all := flagsOf(t, args)
		for _, flag := range all {
			for _, forbidden := range []string{"--api", "insecure", "allowcrossnamespace", "allowexternalname"} {
				if strings.Contains(flag, forbidden) {
					t.Errorf("%s: %s", name, flag)
				}
			}
			if field, kept := strings.CutPrefix(flag, "--accesslog.fields.names."); kept {
				field, _, _ = strings.Cut(field, "=")
				if slices.Contains(personalFields, field) {
					t.Errorf("%s: %s is logged", name, field)
				}
			}
		}
		for _, needed := range []string{
			"--global.checknewversion=false", "--global.sendanonymoususage=false",
			"--accesslog.fields.defaultmode=drop", "--accesslog.fields.headers.defaultmode=drop",
			"--entrypoints.websecure.http.tls=true", "--entrypoints.web.http.redirections.entrypoint.scheme=https",
			"--ping.entrypoint=traefik", "--metrics.prometheus.entrypoint=traefik",
		} {
			if !slices.Contains(all, needed) {
				t.Errorf("%s: %s is missing", name, needed)
			}
		}
	}
}

func TestRedirectLeadsToThePublicPort(t *testing.T) {
	args := cloud(t)
	if !slices.Contains(flagsOf(t, args), "--entrypoints.web.http.redirections.entrypoint.to=:443") {
		t.Error("behind a load balancer it does not lead to 443")
	}
	args.HTTPSPort = 9443
	if !slices.Contains(flagsOf(t, args), "--entrypoints.web.http.redirections.entrypoint.to=:9443") {
		t.Error("it does not follow httpsPort")
	}
}

func TestRequestsAreFollowedWhereSpansGoSomewhere(t *testing.T) {
	all := flagsOf(t, declared(t))
	for _, needed := range []string{
		"--tracing.samplerate=0.005", "--tracing.otlp.http.endpoint=http://collector.logs.svc:4318/v1/traces",
		"--entrypoints.traefik.observability.tracing=false", "--accesslog.fields.names.TraceId=keep",
	} {
		if !slices.Contains(all, needed) {
			t.Errorf("%s is missing", needed)
		}
	}
	for _, flag := range append(flagsOf(t, cloud(t)), all...) {
		// Headers in a span would go past the list of the access log's fields.
		if strings.Contains(flag, "captured") || strings.Contains(flag, "safequery") {
			t.Errorf("%s", flag)
		}
	}
	for _, flag := range flagsOf(t, cloud(t)) {
		if strings.Contains(flag, "tracing") || strings.Contains(flag, "TraceId") {
			t.Errorf("nobody takes spans, but %s", flag)
		}
	}
}

func TestAccessLogCanBeSwitchedOff(t *testing.T) {
	args := local(t)
	args.AccessLog.Off = true
	for _, flag := range flagsOf(t, args) {
		if strings.HasPrefix(flag, "--accesslog") {
			t.Errorf("%s", flag)
		}
	}
	args.AccessLog = AccessLog{Fields: []string{"ClientHost", "Duration"}, Personal: true}
	all := flagsOf(t, args)
	if !slices.Contains(all, "--accesslog.fields.names.ClientHost=keep") || slices.Contains(all, "--accesslog.fields.names.RouterName=keep") {
		t.Errorf("the given fields are not the ones kept: %v", all)
	}
}

// The entry point's chain must name middlewares that exist: one missing takes
// every route down.
func TestEveryMiddlewareInTheChainExists(t *testing.T) {
	for name, change := range map[string]func(*Args){
		"as it comes":   func(*Args) {},
		"without limit": func(a *Args) { a.RateLimit.Average = -1 },
		"compressed":    func(a *Args) { a.Compress = true },
	} {
		t.Run(name, func(t *testing.T) {
			args := local(t)
			change(&args)
			g := &componenttest.Graph{}
			g.Run(t, declare(args))
			var chain []string
			for _, flag := range flagsOf(t, args) {
				if value, found := strings.CutPrefix(flag, "--entrypoints.websecure.http.middlewares="); found {
					chain = strings.Split(value, ",")
				}
			}
			var declared []string
			for _, node := range g.Of("kubernetes:traefik.io/v1alpha1:Middleware") {
				declared = append(declared, "slipway-ingress-"+node.Text("metadata.name")+"@kubernetescrd")
			}
			slices.Sort(declared)
			sorted := slices.Sorted(slices.Values(chain))
			if !slices.Equal(declared, sorted) || len(chain) == 0 {
				t.Errorf("the chain is %v, declared are %v", sorted, declared)
			}
			if chain[len(chain)-1] != "slipway-ingress-retry@kubernetescrd" {
				t.Errorf("%s stands between retry and the backends", chain[len(chain)-1])
			}
		})
	}
}

// Readiness without the route would let a pod in before it can route.
func TestPodsComeAfterWhatTheyRead(t *testing.T) {
	for token, args := range map[string]Args{"kubernetes:apps/v1:DaemonSet": local(t), "kubernetes:apps/v1:Deployment": cloud(t)} {
		g := &componenttest.Graph{}
		g.Run(t, declare(args))
		pods := g.One(t, token, "traefik-proxies")
		for _, after := range []string{
			"traefik-readiness", "traefik-tls-option", "traefik-security-headers", "traefik-retry", "traefik-binding",
			"traefik-crd-ingressroutes.traefik.io",
		} {
			if !slices.ContainsFunc(pods.RegisterRPC.GetDependencies(), func(urn string) bool { return strings.HasSuffix(urn, "::"+after) }) {
				t.Errorf("%s does not wait for %s", token, after)
			}
		}
		const container = "spec.template.spec.containers[0]."
		probe := pods.Text(container + "readinessProbe.httpGet.path")
		route := g.One(t, "kubernetes:traefik.io/v1alpha1:IngressRoute", "traefik-readiness")
		if probe != readyPath || route.Text("spec.routes[0].match") != "Path(`"+probe+"`)" {
			t.Errorf("readiness asks %q, the route matches %q", probe, route.Text("spec.routes[0].match"))
		}
		if got := pods.Text(container + "livenessProbe.httpGet.path"); got != "/ping" {
			t.Errorf("liveness hangs on %q", got)
		}
	}
}

func TestTheKubeletWaitsLongerThanTraefik(t *testing.T) {
	args := cloud(t)
	args.Timings = Timings{AcceptSeconds: 40, FinishSeconds: 50}
	g := &componenttest.Graph{}
	g.Run(t, declare(args))
	pods := g.One(t, "kubernetes:apps/v1:Deployment", "traefik-proxies")
	if got := pods.Number("spec.template.spec.terminationGracePeriodSeconds"); got <= 90 {
		t.Errorf("it kills after %v s", got)
	}
	if !slices.Contains(flagsOf(t, args), "--entrypoints.websecure.transport.keepalivemaxtime=40s") {
		t.Error("connections outlive the pod that holds them")
	}
	if _, found := pods.Path("spec.replicas"); found {
		t.Error("the number of pods is stated against the autoscaler")
	}
}

func TestNamespaceIsPrivilegedForHostPortsOnly(t *testing.T) {
	for want, args := range map[string]Args{"privileged": local(t), "restricted": cloud(t)} {
		g := &componenttest.Graph{}
		g.Run(t, declare(args))
		namespace := g.One(t, "kubernetes:core/v1:Namespace", "traefik-namespace")
		if got := namespace.Text(`metadata.labels["pod-security.kubernetes.io/enforce"]`); got != want {
			t.Errorf("the namespace enforces %q, want %q", got, want)
		}
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":     {func(a *Args) { *a = Args{} }, []string{"image: is empty", "backends: is empty", "crdFile: is empty"}},
		"namespace":         {func(a *Args) { a.Namespace = "In.gress" }, []string{`namespace: "In.gress"`}},
		"port":              {func(a *Args) { a.HTTPPort = 70000 }, []string{"httpPort: is 70000"}},
		"one port for both": {func(a *Args) { a.HTTPPort = 8443 }, []string{"httpsPort: is 8443, and so is httpPort"}},
		"node ports":        {func(a *Args) { a.NodePorts = &NodePorts{HTTP: 80, HTTPS: 30001, Health: 30001} }, []string{"nodePorts: is set beside hostPorts", "nodePorts.http: is 80", "nodePorts.health: is 30001, and so is nodePorts.https"}},
		"one replica":       {func(a *Args) { a.HostPorts, a.Replicas = false, 1 }, []string{"replicas: is 1, must be at least 2"}},
		"max below min":     {func(a *Args) { a.Replicas, a.MaxReplicas = 5, 4 }, []string{"maxReplicas: is 4"}},
		"cpu":               {func(a *Args) { a.CPUPercent = 101 }, []string{"cpuPercent: is 101"}},
		"memory":            {func(a *Args) { a.MemoryPercent = 401 }, []string{"memoryPercent: is 401, must be 1 to 400"}},
		"guests":            {func(a *Args) { a.Guests = Guests{map[string]string{"a": "b"}, 0} }, []string{"guests.port: is 0"}},
		"backend":           {func(a *Args) { a.Backends = []Backend{{"api", 80}, {"", 0}} }, []string{`backends[1].namespace: ""`, "backends[1].port: is 0"}},
		"host":              {func(a *Args) { a.Hosts = []string{"ok.test", "*.*.test"} }, []string{`hosts[1]: "*.*.test"`}},
		"nobody signs":      {func(a *Args) { a.Issuer = Issuer{} }, []string{"issuer: is not set, but hosts is"}},
		"timings":           {func(a *Args) { a.Timings = Timings{AcceptSeconds: -1, DialSeconds: 3601} }, []string{"timings.acceptSeconds: is -1", "timings.dialSeconds: is 3601"}},
		"rate":              {func(a *Args) { a.RateLimit = RateLimit{Average: -2} }, []string{"rateLimit.average: is -2"}},
		"burst":             {func(a *Args) { a.RateLimit = RateLimit{Average: 1, Burst: -1} }, []string{"rateLimit.burst: is -1"}},
		"HSTS":              {func(a *Args) { a.HSTSSeconds = -2 }, []string{"hstsSeconds: is -2"}},
		"unknown field":     {func(a *Args) { a.AccessLog.Fields = []string{"Duration", "Durration"} }, []string{`accessLog.fields[1]: "Durration" is not a field`}},
		"personal field":    {func(a *Args) { a.AccessLog.Fields = []string{"ClientHost"} }, []string{`accessLog.fields[0]: "ClientHost" holds personal data`}},
		"log level":         {func(a *Args) { a.LogLevel = "debug" }, []string{`logLevel: "debug" must be`}},
		"networks":          {func(a *Args) { a.TrustedProxies, a.APIServer = []string{"x"}, []string{"y"} }, []string{`trustedProxies[0]: "x"`, `apiServer[0]: "y"`}},
		"traces":            {func(a *Args) { a.Traces = &workload.Traces{Host: "a", Namespace: "b", Port: 1} }, []string{"traces.perThousand: is 0"}},
		"no such file":      {func(a *Args) { a.CRDFile += ".absent" }, []string{"crdFile: reading custom resource definitions: stat "}},
		"other definitions": {func(a *Args) { a.CRDFile = definitions(t, watched[1:]) }, []string{"does not define [ingressroutes.traefik.io]"}},
		"all at once":       {func(a *Args) { a.Image, a.LogLevel, a.CPUPercent = "", "x", -1 }, []string{"image: ", "logLevel: ", "cpuPercent: "}},
	} {
		t.Run(name, func(t *testing.T) {
			args := local(t)
			test.change(&args)
			g := &componenttest.Graph{}
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(slices.Clone(test.want), `traefik "traefik": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "traefik") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:traefik:Traefik" {
		t.Errorf("type token %q: everything under it would be replaced", TypeToken)
	}
}
