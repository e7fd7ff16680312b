package fastapi_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/components/fastapi"
	"slipway.dev/slipway/components/workload"
)

const (
	deployments = "kubernetes:apps/v1:Deployment"
	jobs        = "kubernetes:batch/v1:Job"
	services    = "kubernetes:core/v1:Service"
	policies    = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	autoscalers = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
	budgets     = "kubernetes:policy/v1:PodDisruptionBudget"
	routes      = "kubernetes:traefik.io/v1alpha1:IngressRoute"
	weights     = "kubernetes:traefik.io/v1alpha1:TraefikService"
	transports  = "kubernetes:traefik.io/v1alpha1:ServersTransport"
)

// args is a service that only says what has no default.
func args() fastapi.Args {
	return fastapi.Args{
		Namespace: "slipway-api", Host: "api.example.test", Image: "example.test/api:src-0123456789ab",
		Database: fastapi.Database{
			PrimaryHost: pulumi.String("primary"), ReplicaHost: pulumi.String("replica"), Port: pulumi.Int(6432),
			Name: pulumi.String("api"), User: pulumi.String("api"),
			Password:  pulumi.ToSecret(pulumi.String("s3cret")).(pulumi.StringOutput),
			Namespace: "slipway-database",
		},
		Ingress:     fastapi.Ingress{Namespace: "slipway-ingress"},
		Certificate: fastapi.Certificate{IssuerName: pulumi.String("lab"), IssuerKind: pulumi.String("ClusterIssuer")},
	}
}

// blueGreen is a service with two releases, the given colour active.
func blueGreen(active fastapi.Colour) fastapi.Args {
	a := args()
	a.Strategy, a.Image, a.Active = fastapi.BlueGreen, "", active
	a.Images = map[fastapi.Colour]string{
		fastapi.Blue: "example.test/api:src-b", fastapi.Green: "example.test/api:src-g",
	}
	return a
}

func program(a fastapi.Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		provider, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		_, err = fastapi.New(ctx, "api", a, provider)
		return err
	}
}

func recorded(t *testing.T, a fastapi.Args) *componenttest.Graph {
	t.Helper()
	g := &componenttest.Graph{}
	g.Run(t, program(a))
	return g
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if fastapi.TypeToken != "slipway:fastapi:API" {
		t.Errorf("type token became %q: every resource under it would be replaced", fastapi.TypeToken)
	}
}

func TestHouseRules(t *testing.T) {
	for name, a := range map[string]fastapi.Args{"rolling": args(), "blue green": blueGreen(fastapi.Blue)} {
		t.Run(name, func(t *testing.T) {
			componenttest.Both(t, program(a), func(t *testing.T, g *componenttest.Graph) {
				g.RequireOwned(t)
				g.RequireNames(t, "api")
				g.RequireSecrets(t)
				g.RequireStableSelectors(t)
			})
		})
	}
}

func TestRollingNeverHasFewerPodsThanWantedAndStartsAllAtOnce(t *testing.T) {
	componenttest.Both(t, program(args()), func(t *testing.T, g *componenttest.Graph) {
		d := g.One(t, deployments, "api-deployment")
		if d.Number("spec.strategy.rollingUpdate.maxUnavailable") != 0 || d.Text("spec.strategy.rollingUpdate.maxSurge") != "100%" {
			t.Errorf("the rolling update is %v", d.Inputs["spec"].ObjectValue()["strategy"])
		}
		if _, set := d.Path("spec.replicas"); set {
			t.Error("the deployment writes spec.replicas, which its autoscaler owns")
		}
		if g.Has(weights, "api-weights") {
			t.Error("a rolling service needs no weights")
		}
	})
}

func TestPodsLeaveByTheDrainChain(t *testing.T) {
	a := args()
	a.Drain = fastapi.Drain{PreStopSeconds: 7, DrainSeconds: 9, ShutdownSeconds: 11, GraceSeconds: 40,
		ReadinessPeriodSeconds: 4, ReadinessThreshold: 2, ProxyIdleSeconds: 20, KeepAliveSeconds: 50}
	g := recorded(t, a)
	d := g.One(t, deployments, "api-deployment")
	for path, want := range map[string]float64{
		"spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds": 7,
		"spec.template.spec.terminationGracePeriodSeconds":                 40,
		"spec.template.spec.containers[0].readinessProbe.periodSeconds":    4,
		"spec.template.spec.containers[0].readinessProbe.failureThreshold": 2,
	} {
		if got := d.Number(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	settings := g.One(t, "kubernetes:core/v1:ConfigMap", "api-settings")
	for key, want := range map[string]string{
		"SLIPWAY_DRAIN_SECONDS": "9", "SLIPWAY_SHUTDOWN_SECONDS": "11", "SLIPWAY_KEEPALIVE_SECONDS": "50",
	} {
		if got := settings.Text("data." + key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if got := g.One(t, transports, "api-transport").Text("spec.forwardingTimeouts.idleConnTimeout"); got != "20s" {
		t.Errorf("Traefik keeps idle connections for %q", got)
	}
}

func TestPodsMeetRestrictedSecurity(t *testing.T) {
	g := recorded(t, args())
	for _, node := range append(g.Of(deployments), g.Of(jobs)...) {
		pod := "spec.template.spec."
		for path, want := range map[string]any{
			pod + "automountServiceAccountToken":                           false,
			pod + "securityContext.runAsNonRoot":                           true,
			pod + "securityContext.runAsUser":                              10001.0,
			pod + "securityContext.seccompProfile.type":                    "RuntimeDefault",
			pod + "containers[0].securityContext.allowPrivilegeEscalation": false,
			pod + "containers[0].securityContext.readOnlyRootFilesystem":   true,
			pod + "containers[0].securityContext.capabilities.drop[0]":     "ALL",
			pod + "volumes[0].secret.defaultMode":                          float64(0o440),
		} {
			if got, _ := node.Path(path); got.V != want {
				t.Errorf("%s: %s is %v, want %v", node.Name, path, got.V, want)
			}
		}
	}
	namespace := g.One(t, "kubernetes:core/v1:Namespace", "api-namespace")
	if got := namespace.Text(`metadata.labels["pod-security.kubernetes.io/enforce"]`); got != "restricted" {
		t.Errorf("the namespace enforces %q", got)
	}
}

func TestThePasswordIsAFileAndNotAVariable(t *testing.T) {
	g := recorded(t, args())
	for key := range g.One(t, "kubernetes:core/v1:ConfigMap", "api-settings").Inputs["data"].ObjectValue() {
		if key == "SLIPWAY_DATABASE_PASSWORD" {
			t.Error("the password is an environment variable")
		}
	}
	d := g.One(t, deployments, "api-deployment")
	if got := d.Text("spec.template.spec.containers[0].volumeMounts[0].mountPath"); got != "/etc/slipway/database" {
		t.Errorf("the password is mounted at %q", got)
	}
}

func TestMigrationComesFirst(t *testing.T) {
	g := recorded(t, args())
	job := g.One(t, jobs, "api-migrate-src-0123456789ab")
	if !dependsOn(g.One(t, deployments, "api-deployment"), job.Name) {
		t.Error("pods may start before their migration has succeeded")
	}
	if !dependsOn(job, "api-allow-database") {
		t.Error("the migration may start before it can reach the database")
	}
	if got := job.Text(`metadata.annotations["pulumi.com/replaceUnready"]`); got != "true" {
		t.Error("a failed migration would fail every later update")
	}
}

func TestANewImageIsANewJobButTheSameDeployment(t *testing.T) {
	a := args()
	a.Image = "example.test/api:src-ffffffffffff"
	g := recorded(t, a)
	g.One(t, jobs, "api-migrate-src-ffffffffffff")
	d := g.One(t, deployments, "api-deployment")
	if got := d.Text("metadata.name"); got != "api" {
		t.Errorf("the deployment is called %q", got)
	}
	if got := d.Text(`spec.template.metadata.labels["app.kubernetes.io/version"]`); got != "src-ffffffffffff" {
		t.Errorf("its pods are labelled version %q", got)
	}
}

func TestAReleaseThatMigratesAsBeforeKeepsItsJob(t *testing.T) {
	release := func(image, migrator string) (*componenttest.Graph, componenttest.Node) {
		a := args()
		a.Image, a.Migrators = image, map[string]string{image: migrator}
		g := recorded(t, a)
		jobs := g.Of(jobs)
		if len(jobs) != 1 {
			t.Fatalf("%d migrations for one release", len(jobs))
		}
		return g, jobs[0]
	}
	g, first := release("example.test/api:src-1", "example.test/migrations:src-m")
	if !dependsOn(g.One(t, deployments, "api-deployment"), first.Name) {
		t.Error("pods may start before their migration has succeeded")
	}
	if got := first.Text("spec.template.spec.containers[0].image"); got != "example.test/migrations:src-m" {
		t.Errorf("%s migrates", got)
	}
	_, second := release("example.test/api:src-2", "example.test/migrations:src-m")
	if first.Name != second.Name || !first.Inputs.DeepEquals(second.Inputs) {
		t.Errorf("the next release runs %s again:\n%v\n%v", first.Name, first.Inputs, second.Inputs)
	}
	g, third := release("example.test/api:src-3", "example.test/migrations:src-n")
	if third.Name == first.Name || !dependsOn(g.One(t, deployments, "api-deployment"), third.Name) {
		t.Error("other migrations do not run before the pods that need them")
	}
}

func TestAMigratorIsOfOneReleaseAndHasATag(t *testing.T) {
	a := blueGreen(fastapi.Blue)
	a.Migrators = map[string]string{a.Images[fastapi.Blue]: "example.test/migrations:src-m"}
	g := recorded(t, a)
	g.One(t, jobs, "api-migrate-src-m")
	g.One(t, jobs, "api-migrate-src-g")
	a.Migrators = map[string]string{"x": "example.test/migrations"}
	if faults := fmt.Sprint(a.Faults()); !strings.Contains(faults, `migrators["x"]: `) {
		t.Errorf("faults are %s", faults)
	}
}

func TestOnlyTheIngressMayCallAndOnlyTheDatabaseIsCalled(t *testing.T) {
	componenttest.Both(t, program(args()), func(t *testing.T, g *componenttest.Graph) {
		in := g.One(t, policies, "api-allow-ingress")
		if in.Text(`spec.ingress[0].from[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`) != "slipway-ingress" ||
			in.Number("spec.ingress[0].ports[0].port") != fastapi.Port {
			t.Errorf("callers: %v", in.Inputs["spec"])
		}
		out := g.One(t, policies, "api-allow-database")
		if out.Text(`spec.egress[0].to[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`) != "slipway-database" ||
			out.Number("spec.egress[0].ports[0].port") != 6432 {
			t.Errorf("called: %v", out.Inputs["spec"])
		}
	})
}

// The grace period counts on how long the service takes to send its last spans.
func TestTheServiceSendsItsLastSpansInTime(t *testing.T) {
	source, err := os.ReadFile("../../app/src/slipway_api/tracing.py")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(source), "\nCLOSE_SECONDS = 2.0\n") {
		t.Error("app/ takes another time than the 2 seconds that drain.go counts with")
	}
}

func TestSpansGoWhereItIsSaidAndNowhereElse(t *testing.T) {
	const name = "api-allow-traces"
	plain := recorded(t, args())
	if plain.Has(policies, name) {
		t.Error("without traces there is a way out for them")
	}
	told := func(g *componenttest.Graph) string {
		return g.One(t, "kubernetes:core/v1:ConfigMap", "api-settings").Text("data.SLIPWAY_TRACES_ENDPOINT")
	}
	if to := told(plain); to != "" {
		t.Errorf("without traces the pods send to %s", to)
	}
	traced := args()
	traced.Traces = &workload.Traces{Host: "collector.logs.svc", Namespace: "logs", Port: 4318, PerThousand: 25}
	componenttest.Both(t, program(traced), func(t *testing.T, g *componenttest.Graph) {
		if to := told(g); to != "http://collector.logs.svc:4318/v1/traces" {
			t.Errorf("the pods send to %q", to)
		}
		out := g.One(t, policies, name)
		if out.Text(`spec.egress[0].to[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`) != "logs" ||
			out.Number("spec.egress[0].ports[0].port") != 4318 {
			t.Errorf("the way out leads to %v", out.Inputs["spec"])
		}
	})
}

func TestMetricsAndProbesStayInside(t *testing.T) {
	rule := recorded(t, args()).One(t, routes, "api-route").Text("spec.routes[0].match")
	want := "Host(`api.example.test`) && (PathPrefix(`/v1/`) || PathPrefix(`/docs`) || PathPrefix(`/openapi.json`))"
	if rule != want {
		t.Errorf("the public rule is\n%s, want\n%s", rule, want)
	}
	for _, inside := range []string{"metrics", "healthz"} {
		if strings.Contains(rule, inside) {
			t.Errorf("%s is public", inside)
		}
	}
}

func TestAutoscalerAndBudgetFollowTheRelease(t *testing.T) {
	a := args()
	a.Scaling = fastapi.Scaling{Min: 3, Max: 9, CPUPercent: 55, MemoryPercent: 66, CalmSeconds: 77}
	g := recorded(t, a)
	hpa := g.One(t, autoscalers, "api-autoscaler")
	for path, want := range map[string]float64{
		"spec.minReplicas": 3, "spec.maxReplicas": 9,
		"spec.metrics[0].resource.target.averageUtilization": 55,
		"spec.metrics[1].resource.target.averageUtilization": 66,
		"spec.behavior.scaleDown.stabilizationWindowSeconds": 77,
		"spec.behavior.scaleDown.policies[0].value":          1,
		"spec.behavior.scaleUp.stabilizationWindowSeconds":   0,
		"spec.behavior.scaleUp.policies[1].periodSeconds":    15,
		"spec.behavior.scaleDown.policies[0].periodSeconds":  30,
	} {
		if got := hpa.Number(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if got := hpa.Text("spec.scaleTargetRef.name"); got != g.One(t, deployments, "api-deployment").Text("metadata.name") {
		t.Errorf("the autoscaler scales %q", got)
	}
	budget := g.One(t, budgets, "api-budget")
	selected, _ := budget.Path("spec.selector.matchLabels")
	pods, _ := g.One(t, deployments, "api-deployment").Path("spec.selector.matchLabels")
	if !selected.DeepEquals(pods) {
		t.Errorf("the budget covers %v, the deployment has %v", selected, pods)
	}
}

func TestBlueGreenMovesWeightAfterBothAreReady(t *testing.T) {
	for _, active := range []fastapi.Colour{fastapi.Blue, fastapi.Green} {
		t.Run(string(active), func(t *testing.T) {
			componenttest.Both(t, program(blueGreen(active)), func(t *testing.T, g *componenttest.Graph) {
				w := g.One(t, weights, "api-weights")
				sum := 0.0
				for i, colour := range []string{"blue", "green"} {
					at := "spec.weighted.services[" + string(rune('0'+i)) + "]."
					share := w.Number(at + "weight")
					sum += share
					if got := w.Text(at + "name"); got != "api-"+colour {
						t.Errorf("service %d is %q", i, got)
					}
					if (share == 100) != (colour == string(active)) {
						t.Errorf("%s gets %v percent while %s is active", colour, share, active)
					}
					if !dependsOn(w, "api-"+colour+"-deployment") {
						t.Errorf("weights may move before %s is ready", colour)
					}
					g.One(t, autoscalers, "api-"+colour+"-autoscaler")
					g.One(t, budgets, "api-"+colour+"-budget")
				}
				if sum != 100 {
					t.Errorf("weights add up to %v", sum)
				}
				route := g.One(t, routes, "api-route")
				if route.Text("spec.routes[0].services[0].kind") != "TraefikService" || !dependsOn(route, "api-weights") {
					t.Error("the route does not follow the weights")
				}
			})
		})
	}
}

func TestColoursNeverSelectEachOthersPods(t *testing.T) {
	g := recorded(t, blueGreen(fastapi.Blue))
	seen := map[string]string{}
	for _, service := range g.Of(services) {
		selector, _ := service.Path("spec.selector")
		key := selector.String()
		if other, dup := seen[key]; dup {
			t.Errorf("%s and %s select the same pods", service.Name, other)
		}
		seen[key] = service.Name
	}
	if len(seen) != 2 {
		t.Errorf("%d services, want one for each colour", len(seen))
	}
}

func TestColoursWithOneImageMigrateOnce(t *testing.T) {
	a := blueGreen(fastapi.Blue)
	a.Images[fastapi.Green] = a.Images[fastapi.Blue]
	if got := len(recorded(t, a).Of(jobs)); got != 1 {
		t.Errorf("%d migrations for one image", got)
	}
	if got := len(recorded(t, blueGreen(fastapi.Blue)).Of(jobs)); got != 2 {
		t.Errorf("%d migrations for two images", got)
	}
}

func TestTheIssuerMustHaveAName(t *testing.T) {
	a := args()
	a.Certificate.IssuerName = pulumi.String("")
	err := (&componenttest.Graph{}).Try(t, program(a))
	if err == nil || !strings.Contains(err.Error(), "the issuer of api.example.test has no name") {
		t.Errorf("got %v", err)
	}
}

func TestNewLeavesItsArgumentsAlone(t *testing.T) {
	a := blueGreen(fastapi.Blue)
	a.Paths = []string{"/v1/"}
	recorded(t, a)
	if len(a.Paths) != 1 || len(a.Images) != 2 || a.LogLevel != "" {
		t.Errorf("the caller's arguments became %+v", a)
	}
}

func dependsOn(node componenttest.Node, name string) bool {
	for _, urn := range node.RegisterRPC.GetDependencies() {
		if strings.HasSuffix(urn, "::"+name) {
			return true
		}
	}
	return false
}
