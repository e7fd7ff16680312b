package registry

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func valid() Args {
	return Args{Prefix: "slipway", Images: []string{"api", "postgres"}, KeyARN: pulumi.String("arn:aws:kms:k"), Keep: 50}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "registry", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("urls", made.URLs)
		return nil
	})
}

func TestNew(t *testing.T) { cloudtest.Golden(t, "registry", "registry", declare(valid()), *update) }

func TestATagMeansOneImage(t *testing.T) {
	cloudtest.Both(t, declare(valid()), func(t *testing.T, g *componenttest.Graph) {
		for _, made := range g.Of("aws:ecr/repository:Repository") {
			if made.Text("imageTagMutability") != "IMMUTABLE" || !made.RegisterRPC.GetProtect() {
				t.Errorf("%s lets a tag be overwritten, or itself be deleted", made.Name)
			}
		}
	})
}

// A policy that replaces another goes into the place of it.
func TestNoRepositoryIsLeftWithoutAPolicy(t *testing.T) {
	cloudtest.Both(t, declare(valid()), func(t *testing.T, g *componenttest.Graph) {
		for _, made := range g.Of("aws:ecr/lifecyclePolicy:LifecyclePolicy") {
			if !made.RegisterRPC.GetDeleteBeforeReplace() {
				t.Errorf("%s is made anew before the old one is deleted, which deletes both", made.Name)
			}
		}
	})
}

func TestCheckReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given": {func(a *Args) { *a = Args{} }, []string{"prefix: ", "images: ", "keyARN: ", "keep: is 0"}},
		"names":         {func(a *Args) { a.Images = []string{"Api", "x", "x"} }, []string{`images[0]: "Api"`, "images[2]: x is there twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := valid()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			for _, want := range append(test.want, `registry "registry": `) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "registry") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:registry:Registry" {
		t.Errorf("type token %q: every repository would be replaced", TypeToken)
	}
}
