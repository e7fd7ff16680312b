package cost

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func valid() Args {
	return Args{
		Name: "slipway-test", MonthlyUSD: 300, AnomalyUSD: 20, TagKey: "stack", TagValue: "test",
		Mail: []string{"ops@slipway.example", "owner@slipway.example"},
	}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		_, err := New(ctx, "cost", args, provider)
		return err
	})
}

func TestNew(t *testing.T) { cloudtest.Golden(t, "cost", "cost", declare(valid()), *update) }

func TestCheckReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given": {func(a *Args) { *a = Args{} }, []string{"name: ", "tagKey: ", "tagValue: ", "monthlyUSD: ", "anomalyUSD: ", "mail: has 0"}},
		"address":       {func(a *Args) { a.Mail[1] = "ops" }, []string{`mail[1]: "ops"`}},
	} {
		t.Run(name, func(t *testing.T) {
			args := valid()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			for _, want := range append(test.want, `cost "cost": `) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "cost") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:cost:Cost" {
		t.Errorf("type token %q: the budget would be replaced", TypeToken)
	}
}
