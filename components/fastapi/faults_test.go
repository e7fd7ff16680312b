package fastapi_test

import (
	"strings"
	"testing"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/components/fastapi"
	"slipway.dev/slipway/components/workload"
)

func TestFaultsNameTheirPath(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*fastapi.Args)
		want   string
	}{
		"no namespace":          {func(a *fastapi.Args) { a.Namespace = "" }, `namespace: "" is not a namespace name`},
		"bad namespace":         {func(a *fastapi.Args) { a.Ingress.Namespace = "A" }, "ingress.namespace: "},
		"no host":               {func(a *fastapi.Args) { a.Host = "" }, "host: "},
		"host without a domain": {func(a *fastapi.Args) { a.Host = "api" }, "host: "},
		"path without a slash":  {func(a *fastapi.Args) { a.Paths = []string{"/a", "v1"} }, "paths[1]: "},
		"path that ends a rule": {func(a *fastapi.Args) { a.Paths = []string{"/`) || Path(`/"} }, "paths[0]: "},
		"unknown strategy":      {func(a *fastapi.Args) { a.Strategy = "canary" }, `strategy: "canary" is none of rolling, blueGreen`},
		"image without a tag":   {func(a *fastapi.Args) { a.Image = "example.test:5000/api" }, "image: "},
		"image with latest tag in capitals": {
			func(a *fastapi.Args) { a.Image = "example.test/api:LATEST" }, "image: "},
		"one pod":            {func(a *fastapi.Args) { a.Scaling.Min = 1 }, "scaling.min: is 1"},
		"more than at most":  {func(a *fastapi.Args) { a.Scaling.Min, a.Scaling.Max = 5, 4 }, "scaling.max: is 4, below scaling.min = 5"},
		"negative target":    {func(a *fastapi.Args) { a.Scaling.CPUPercent = -1 }, "scaling.cpuPercent: "},
		"calm for too long":  {func(a *fastapi.Args) { a.Scaling.CalmSeconds = 4000 }, "scaling.calmSeconds: "},
		"not a quantity":     {func(a *fastapi.Args) { a.Resources.CPU = "much" }, `resources.cpu: "much" is not a quantity`},
		"limit below":        {func(a *fastapi.Args) { a.Resources.MemoryLimit = "1Mi" }, "resources.memoryLimit: is 1Mi, below"},
		"pool":               {func(a *fastapi.Args) { a.Pool = fastapi.Pool{Min: 9, Max: 3} }, "pool.max: is 3, below pool.min = 9"},
		"statements":         {func(a *fastapi.Args) { a.Database.PreparedStatements = -1 }, "database.preparedStatements: is -1"},
		"log level":          {func(a *fastapi.Args) { a.LogLevel = "loud" }, `logLevel: "loud" is none of debug, info`},
		"no database":        {func(a *fastapi.Args) { a.Database.PrimaryHost = nil }, "database.primaryHost: is missing"},
		"no password":        {func(a *fastapi.Args) { a.Database.Password = nil }, "database.password: is missing"},
		"no issuer":          {func(a *fastapi.Args) { a.Certificate.IssuerKind = nil }, "certificate.issuerKind: is missing"},
		"renewal after end":  {func(a *fastapi.Args) { a.Certificate.RenewHours = 3000 }, "certificate.renewHours: is 3000"},
		"drain too short":    {func(a *fastapi.Args) { a.Drain.DrainSeconds = 4 }, "drain.drainSeconds: is 4, must exceed"},
		"killed while busy":  {func(a *fastapi.Args) { a.Drain.GraceSeconds = 20 }, "drain.graceSeconds: is 20, must exceed"},
		"closes first":       {func(a *fastapi.Args) { a.Drain.KeepAliveSeconds = 30 }, "drain.keepAliveSeconds: is 30, must exceed"},
		"negative timing":    {func(a *fastapi.Args) { a.Drain.PreStopSeconds = -5 }, "drain.preStopSeconds: is -5"},
		"colour":             {func(a *fastapi.Args) { *a = blueGreen("red") }, `active: "red" is none of blue, green`},
		"colour without one": {func(a *fastapi.Args) { *a = blueGreen("blue"); delete(a.Images, "green") }, "images.green: "},
		"too many traces": {func(a *fastapi.Args) {
			a.Traces = &workload.Traces{Host: "a", Namespace: "b", Port: 1, PerThousand: 1001}
		}, "traces.perThousand: is 1001, must be 1 to 1000"},
		"killed while sending": {func(a *fastapi.Args) {
			a.Traces, a.Drain.GraceSeconds = &workload.Traces{Host: "a", Namespace: "b", Port: 1, PerThousand: 1}, 22
		}, "drain.graceSeconds: is 22, must exceed preStopSeconds + drainSeconds + shutdownSeconds + 2 for the last spans = 22"},
		"traces to nobody": {func(a *fastapi.Args) { a.Traces = &workload.Traces{PerThousand: 1} }, `traces: "" in namespace "" at port 0 is no place`},
		"third colour":     {func(a *fastapi.Args) { *a = blueGreen("blue"); a.Images["red"] = "a:b" }, "images.red: is no colour"},
		"colours share a tag": {
			func(a *fastapi.Args) { *a = blueGreen("blue"); a.Images["green"] = "other.test/api:src-b" }, "images: blue and green differ"},
	} {
		t.Run(name, func(t *testing.T) {
			a := args()
			test.change(&a)
			g := &componenttest.Graph{}
			err := g.Try(t, program(a))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %q", err, test.want)
			}
			if len(g.Of("slipway:")) > 0 {
				t.Error("something was declared before the arguments were checked")
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	a := args()
	a.Host, a.LogLevel, a.Scaling.Min, a.Drain.DrainSeconds = "", "loud", 1, 2
	err := (&componenttest.Graph{}).Try(t, program(a))
	if err == nil {
		t.Fatal("four faults passed")
	}
	for _, path := range []string{"host: ", "logLevel: ", "scaling.min: ", "drain.drainSeconds: "} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%q is not in %v", path, err)
		}
	}
}

func TestTheDefaultDrainHolds(t *testing.T) {
	if faults := fastapi.DefaultDrain().Faults(true); len(faults) > 0 {
		t.Errorf("the default timings contradict each other: %v", faults)
	}
}

func TestVersionIsTheTag(t *testing.T) {
	for image, want := range map[string]string{
		"example.test/api:src-0123456789ab": "src-0123456789ab", "localhost:5000/a/b:1": "1", "api:v2": "v2",
	} {
		if got, err := fastapi.Version(image); err != nil || got != want {
			t.Errorf("%s has version %q, %v; want %q", image, got, err, want)
		}
	}
	for _, image := range []string{"", "api", "a:", ":x", "localhost:5000/api", "api@sha256:abc", "api:a_b", "api:" + strings.Repeat("x", 41)} {
		if got, err := fastapi.Version(image); err == nil {
			t.Errorf("%q has version %q, want an error", image, got)
		}
	}
}
