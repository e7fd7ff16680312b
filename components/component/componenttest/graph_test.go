package componenttest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/component/componenttest"
)

// The rules of this package are checks other tests trust, so each is shown to
// fail on a program that breaks it.

// refused runs check against a recording on a test of its own and reports
// whether it complained.
func refused(t *testing.T, program pulumi.RunFunc, check func(testing.TB, *componenttest.Graph)) bool {
	t.Helper()
	g := &componenttest.Graph{}
	g.Run(t, program)
	probe := &probe{TB: t}
	check(probe, g)
	return probe.failed
}

// probe is a test that may fail without failing the one around it.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Errorf(string, ...any) { p.failed = true }
func (p *probe) Helper()               {}

type owner struct{ pulumi.ResourceState }

// secret declares one object with a password; the knobs break one rule each.
func secret(owned, clear bool, name string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		provider, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		parent := &owner{}
		if err := ctx.RegisterComponentResource("slipway:test:Owner", "owner", parent, provider); err != nil {
			return err
		}
		var value pulumi.StringInput = pulumi.ToSecret(pulumi.String("s")).(pulumi.StringOutput)
		if clear {
			value = pulumi.String("s")
		}
		var opts []pulumi.ResourceOption
		if owned {
			opts = component.Under(parent)
		}
		// A custom resource: of a Secret the SDK itself hides the data.
		_, err = apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
			ApiVersion:  pulumi.String("example.org/v1"),
			Kind:        pulumi.String("Login"),
			OtherFields: kubernetes.UntypedArgs{"spec": pulumi.Map{"users": pulumi.Array{pulumi.Map{"password": value}}}},
		}, opts...)
		return err
	}
}

func TestRulesCanFail(t *testing.T) {
	owned := func(t testing.TB, g *componenttest.Graph) { g.RequireOwned(t) }
	secrets := func(t testing.TB, g *componenttest.Graph) { g.RequireSecrets(t) }
	names := func(t testing.TB, g *componenttest.Graph) { g.RequireNames(t, "owner") }
	for name, test := range map[string]struct {
		program pulumi.RunFunc
		check   func(testing.TB, *componenttest.Graph)
		want    bool
	}{
		"owned":                {secret(true, false, "owner-secret"), owned, false},
		"not owned":            {secret(false, false, "owner-secret"), owned, true},
		"secret":               {secret(true, false, "owner-secret"), secrets, false},
		"in the clear":         {secret(true, true, "owner-secret"), secrets, true},
		"named after owner":    {secret(true, false, "owner-secret"), names, false},
		"named after its kind": {secret(true, false, "secret"), names, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := refused(t, test.program, test.check); got != test.want {
				t.Errorf("refused = %t, want %t", got, test.want)
			}
		})
	}
}

func TestRenderIsStableAndHidesSecrets(t *testing.T) {
	render := func() string {
		g := &componenttest.Graph{}
		g.Run(t, secret(true, false, "owner-secret"))
		text, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := render()
	if second := render(); first != second {
		t.Errorf("two runs differ:\n%s\n%s", first, second)
	}
	for _, want := range []string{"[secret]", "under: slipway:test:Owner owner", "provider: " + componenttest.ProviderName} {
		if !strings.Contains(first, want) {
			t.Errorf("the rendering lacks %q:\n%s", want, first)
		}
	}
	if strings.Contains(first, "password: s\n") {
		t.Error("the rendering shows a secret")
	}
}

func TestWaitingForAnUnknownValueIsReported(t *testing.T) {
	g := &componenttest.Graph{Fresh: true, Patience: 200 * time.Millisecond}
	stuck := make(chan struct{})
	defer close(stuck)
	probe := &fatalProbe{TB: t}
	func() {
		defer func() { _ = recover() }()
		_ = g.Try(probe, func(*pulumi.Context) error { <-stuck; return nil })
	}()
	if !probe.fatal {
		t.Error("a program that waits for ever was not reported")
	}
}

type fatalProbe struct {
	testing.TB
	fatal bool
}

func (p *fatalProbe) Fatal(...any) { p.fatal = true; panic("stop") }
func (p *fatalProbe) Helper()      {}
