package benchmark

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func args() Args {
	return Args{
		Image: "slipway.dev/benchmark:src-000000000000", Schedule: "30 4 * * 0",
		Rate: 20, DurationSeconds: 60, MaxP99Milliseconds: 500, MaxErrors: 1,
		URL: "https://api.example.test:8443", Authority: pulumi.String("-----BEGIN CERTIFICATE-----"),
		Ingress: Ingress{Namespace: "slipway-ingress", Service: pulumi.String("traefik"), Port: 8443, PodPort: 8443},
	}
}

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		made, err := New(ctx, "benchmark", args, providers)
		if err != nil {
			return err
		}
		ctx.Export("namespace", made.Namespace)
		return nil
	}
}

const (
	cronJob = "kubernetes:batch/v1:CronJob"
	pod     = "spec.jobTemplate.spec.template.spec"
)

func TestNew(t *testing.T) {
	componenttest.Both(t, declare(args()), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "benchmark")
		g.RequireSecrets(t)
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "benchmark", got, *update)
	})
}

func TestWithoutAScheduleNothingRuns(t *testing.T) {
	byHand := args()
	byHand.Schedule = ""
	componenttest.Both(t, declare(byHand), func(t *testing.T, g *componenttest.Graph) {
		suspended, found := g.One(t, cronJob, "benchmark-runs").Path("spec.suspend")
		if !found || !suspended.BoolValue() {
			t.Error("a CronJob without a schedule of its own is not suspended")
		}
	})
	componenttest.Both(t, declare(args()), func(t *testing.T, g *componenttest.Graph) {
		suspended, found := g.One(t, cronJob, "benchmark-runs").Path("spec.suspend")
		if !found || suspended.BoolValue() {
			t.Error("a CronJob with a schedule is suspended")
		}
	})
}

// TestItCanDoNothingElse: a run sends requests to the ingress.
func TestItCanDoNothingElse(t *testing.T) {
	componenttest.Both(t, declare(args()), func(t *testing.T, g *componenttest.Graph) {
		for _, node := range g.Nodes() {
			if strings.Contains(node.TypeToken, "rbac") || strings.Contains(node.TypeToken, "ServiceAccount") {
				t.Errorf("%s %s: a run needs no right", node.TypeToken, node.Name)
			}
		}
		job := g.One(t, cronJob, "benchmark-runs")
		if token, found := job.Path(pod + ".automountServiceAccountToken"); !found || token.BoolValue() {
			t.Error("a run is given a token")
		}
		policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "benchmark-allow-ingress")
		egress, _ := policy.Path("spec.egress")
		if len(egress.ArrayValue()) != 1 || policy.Number("spec.egress[0].ports[0].port") != 8443 ||
			policy.Text(`spec.egress[0].to[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`) != "slipway-ingress" {
			t.Errorf("it reaches %v", egress)
		}
		if _, found := policy.Path("spec.ingress"); found {
			t.Error("somebody reaches it")
		}
	})
}

// TestARunEnds: it is ended when it hangs, not repeated when it fails, and given
// longer to stop than it takes for itself.
func TestARunEnds(t *testing.T) {
	componenttest.Both(t, declare(args()), func(t *testing.T, g *componenttest.Graph) {
		job := g.One(t, cronJob, "benchmark-runs")
		for path, want := range map[string]float64{
			"spec.jobTemplate.spec.backoffLimit": 0, "spec.jobTemplate.spec.activeDeadlineSeconds": 300, pod + ".terminationGracePeriodSeconds": 45,
		} {
			if got := job.Number(path); got != want {
				t.Errorf("%s is %v, want %v", path, got, want)
			}
		}
		if policy := job.Text("spec.concurrencyPolicy"); policy != "Forbid" {
			t.Errorf("two may run at once: %q", policy)
		}
	})
}

// TestThePublicsAuthoritiesNeedNoFile: where the public vouches for the service,
// the image knows whom to trust.
func TestThePublicsAuthoritiesNeedNoFile(t *testing.T) {
	public := args()
	public.Authority = nil
	componenttest.Both(t, declare(public), func(t *testing.T, g *componenttest.Graph) {
		if configs := g.Of("kubernetes:core/v1:ConfigMap"); len(configs) > 0 {
			t.Errorf("%s is declared", configs[0].Name)
		}
		text, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "-authority") {
			t.Error("the program is told of a file that is not there")
		}
	})
}

func TestFaultsNameTheirPath(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*Args)
		want  string
	}{
		"image":             {func(a *Args) { a.Image = "" }, "image: is empty"},
		"namespace":         {func(a *Args) { a.Namespace = "A" }, `namespace: "A" is not`},
		"no time":           {func(a *Args) { a.DurationSeconds = 0 }, "durationSeconds: is 0, must be 10 to 3600"},
		"no requests":       {func(a *Args) { a.Rate = 0 }, "rate: is 0, must be 1 to 1000"},
		"mix":               {func(a *Args) { a.Mix = "all" }, `mix: "all" is none of read, write, mixed, streaming`},
		"p99":               {func(a *Args) { a.MaxP99Milliseconds = 0 }, "maxP99Milliseconds: is 0, must be 1 to 60000"},
		"errors":            {func(a *Args) { a.MaxErrors = -1 }, "maxErrors: is -1, must be 0"},
		"plain HTTP":        {func(a *Args) { a.URL = "http://api.example.test" }, `url: is "http://api.example.test", must be an address that begins with https://`},
		"no service":        {func(a *Args) { a.Ingress.Service = nil }, "ingress.service: is not set"},
		"ingress":           {func(a *Args) { a.Ingress.Namespace = "" }, `ingress.namespace: "" is not`},
		"port":              {func(a *Args) { a.Ingress.Port = 0 }, "ingress.port: is 0, must be 1 to 65535"},
		"pods' port":        {func(a *Args) { a.Ingress.PodPort = 70000 }, "ingress.podPort: is 70000, must be 1 to 65535"},
		"schedule":          {func(a *Args) { a.Schedule = "weekly" }, `schedule: "weekly" has 1 parts`},
		"parts of schedule": {func(a *Args) { a.Schedule = "60 4 * * 0" }, `schedule: "60" is no minute`},
	} {
		t.Run(name, func(t *testing.T) {
			broken := args()
			test.spoil(&broken)
			err := broken.Check()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	err := Args{Schedule: "61 25 * * *"}.Check()
	for _, want := range []string{"image", "rate", "durationSeconds", "maxP99Milliseconds", "url", "ingress.service", "minute", "hour"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named:\n%v", want, err)
		}
	}
}

func TestSchedules(t *testing.T) {
	for schedule, valid := range map[string]bool{
		"30 4 * * 0": true, "*/15 * * * *": true, "0 0 1,15 1-6 1-5": true, "0 8-18/2 * * *": true, "0 0 31 12 6": true,
		never: true,
		"":    false, "* * * *": false, "* * * * * *": false, "60 * * * *": false, "0 24 * * *": false, "0 0 0 * *": false,
		"0 0 * 13 *": false, "0 0 * * 7": false, "0 0 * * SUN": false, "0 5-3 * * *": false, "*/0 * * * *": false, "0 , * * *": false,
	} {
		if err := checkSchedule(schedule); (err == nil) != valid {
			t.Errorf("%q: valid = %t, want %t: %v", schedule, err == nil, valid, err)
		}
	}
}
