package key

import (
	"encoding/json"
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/grant"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func volumes() Args {
	return Args{
		Alias: "slipway-test/volumes", Description: "Volumes", Account: cloudtest.Account, Region: cloudtest.Region,
		Through: []string{"ec2"}, Logs: "/aws/eks/slipway-test/", Delivery: []string{"delivery.logs.amazonaws.com"},
	}
}

func signing() Args {
	return Args{Alias: "slipway-test/zone", Description: "DNS", Account: cloudtest.Account, Region: "us-east-1", Signing: true}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		_, err := New(ctx, "key", args, provider)
		return err
	})
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"volumes": volumes(), "signing": signing()} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "key", name, declare(args), *update) })
	}
}

func TestGuarded(t *testing.T) {
	for _, unprotected := range []bool{false, true} {
		args := volumes()
		args.Unprotected = unprotected
		g := cloudtest.Graph(false)
		g.Run(t, declare(args))
		if got := g.One(t, "aws:kms/key:Key", "key-key").RegisterRPC.GetProtect(); got == unprotected {
			t.Errorf("unprotected %t gives protect %t", unprotected, got)
		}
	}
}

// A statement for everyone must say by conditions whom it means.
func TestEveryoneIsNarrowed(t *testing.T) {
	for _, statement := range append(policy(volumes()), policy(signing())...) {
		if slices.Contains(statement.Principals["AWS"], "*") && len(statement.When["StringEquals"]["kms:CallerAccount"]) != 1 {
			t.Errorf("%s is open to other accounts", statement.Sid)
		}
		if len(statement.Principals["Service"]) > 0 && len(statement.When) == 0 {
			t.Errorf("%s lets a service act for any account", statement.Sid)
		}
	}
}

func TestPolicyIsJSON(t *testing.T) {
	text, err := grant.Document(policy(volumes())...)
	if err != nil || !json.Valid([]byte(text)) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		args Args
		want []string
	}{
		"nothing given":        {Args{}, []string{"alias: ", "description: ", "account: ", "region: "}},
		"signing and more":     {func() Args { a := signing(); a.Through = []string{"ec2"}; return a }(), []string{"signing: is set"}},
		"an alias with spaces": {func() Args { a := volumes(); a.Alias = "a b"; return a }(), []string{`alias: "a b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(test.args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `key "key": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "key") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:key:Key" {
		t.Errorf("type token %q: every key would be replaced", TypeToken)
	}
}
