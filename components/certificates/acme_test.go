package certificates

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/certificates/certificatestest"
	"slipway.dev/slipway/components/component/componenttest"
)

func publicly(t *testing.T) Args {
	dir := definitions(t)
	for _, kind := range []string{"challenges", "orders"} {
		content := "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n" +
			"metadata: {name: " + kind + ".acme.cert-manager.io}\nspec: {group: acme.cert-manager.io}\n"
		if err := os.WriteFile(filepath.Join(dir, kind+".yaml"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Args{Version: "v1.11.5", CRDFile: dir, ACME: &ACME{
		Email: "ops@slipway.example", Zone: "slipway.example", ZoneID: pulumi.String("Z1"), Region: "eu-central-1",
		Role: pulumi.String("arn:aws:iam::1:role/r"), RoleAnnotation: "eks.amazonaws.com/role-arn",
	}}
}

func TestNewWithACME(t *testing.T) {
	both(t, publicly(t), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "certificates")
		g.RequireSecrets(t)
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "acme", got, *update)
	})
}

func TestStagingIsChosenByItsName(t *testing.T) {
	for _, staging := range []bool{false, true} {
		args := publicly(t)
		args.ACME.Staging = staging
		var chosen string
		g := &componenttest.Graph{Computed: certificatestest.Computed}
		g.Run(t, func(ctx *pulumi.Context) error {
			provider, err := componenttest.Provider(ctx)
			if err != nil {
				return err
			}
			made, err := New(ctx, "certificates", args, provider)
			if err != nil {
				return err
			}
			names := make(chan string, 1)
			ctx.Export("issuer", made.PublicIssuerName.ApplyT(func(name string) (string, error) {
				names <- name
				return name, nil
			}))
			chosen = <-names
			return nil
		})
		if want := map[bool]string{false: "letsencrypt-production", true: "letsencrypt-staging"}[staging]; chosen != want {
			t.Errorf("staging %t gives %q", staging, chosen)
		}
	}
}

// Proofs are given in DNS: the controller may look at pods, and make none.
func TestACMEMakesNoPods(t *testing.T) {
	args := publicly(t)
	p := plan{Args: args}
	for _, r := range p.rules(controller) {
		for _, kind := range []string{"pods", "services", "ingresses"} {
			if slices.Contains(r.resources, kind) && slices.Contains(r.verbs, "create") {
				t.Errorf("it may create %s", kind)
			}
		}
	}
	if len(p.rules(webhook)) != len(everywhere[webhook]) {
		t.Error("the webhook got the controller's rights")
	}
}

func TestACMEReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":  {func(a *Args) { a.ACME = &ACME{} }, []string{"acme.email: ", "acme.zone: ", "acme.zoneId: ", "acme.region: ", "acme.role: ", "acme.roleAnnotation: "}},
		"email":          {func(a *Args) { a.ACME.Email = "ops" }, []string{`acme.email: "ops"`}},
		"resolver":       {func(a *Args) { a.ACME.Resolvers = []string{"1.1.1.1"} }, []string{`acme.resolvers[0]: "1.1.1.1" is not address:port`}},
		"no definitions": {func(a *Args) { a.CRDFile = definitions(t) }, []string{"does not define [challenges.acme.cert-manager.io orders.acme.cert-manager.io]"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := publicly(t)
			test.change(&args)
			err := (&componenttest.Graph{Computed: certificatestest.Computed}).Try(t, declare(args))
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
		})
	}
}
