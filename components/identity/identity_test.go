package identity

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/grant"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func agent() Args {
	return Args{
		Role: "slipway-test-backups", Account: cloudtest.Account, Region: cloudtest.Region, Cluster: "slipway-test",
		Namespace: "slipway-database", ServiceAccount: "postgres",
		Allowed: []grant.Statement{{Sid: "Write", Actions: []string{"s3:PutObject"}, Resources: []string{"arn:aws:s3:::b/*"}}},
	}
}

func token() Args {
	args := agent()
	args.Issuer = pulumi.String("https://oidc.eks.eu-central-1.amazonaws.com/id/ABC")
	args.Managed = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
	args.AllowedLater = &Later{
		Values: []pulumi.StringInput{pulumi.String("Z1")},
		Build: func(known []string) []grant.Statement {
			return []grant.Statement{{Sid: "Zone", Actions: []string{"route53:GetHostedZone"}, Resources: []string{"arn:aws:route53:::hostedzone/" + known[0]}}}
		},
	}
	return args
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "identity", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("role", made.RoleARN)
		return nil
	})
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"agent": agent(), "token": token()} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "identity", name, declare(args), *update) })
	}
}

func TestTrustIsForOneServiceAccount(t *testing.T) {
	for name, statement := range map[string]grant.Statement{
		"agent": agent().agentTrust(), "token": token().tokenTrust("https://oidc.example/id/ABC"),
	} {
		var named []string
		for _, values := range statement.When["StringEquals"] {
			named = append(named, values...)
		}
		text := strings.Join(named, " ")
		if !strings.Contains(text, "slipway-database") || !strings.Contains(text, "postgres") {
			t.Errorf("%s: any service account may take the role: %s", name, text)
		}
		if len(statement.When) != 1 || strings.Contains(text, "*") {
			t.Errorf("%s: conditions other than equality: %v", name, statement.When)
		}
	}
	if got := token().tokenTrust("https://oidc.example/id/ABC").Principals["Federated"]; !slices.Equal(got, []string{"arn:aws:iam::111122223333:oidc-provider/oidc.example/id/ABC"}) {
		t.Errorf("trusts %v", got)
	}
}

func TestAnAddOnAssociatesByItself(t *testing.T) {
	args := agent()
	args.AddOn = true
	g := cloudtest.Graph(false)
	g.Run(t, declare(args))
	if len(g.Of("aws:eks/podIdentityAssociation:PodIdentityAssociation")) != 0 {
		t.Errorf("two associations for one service account:\n%s", g.List())
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given": {func(a *Args) { *a = Args{} }, []string{"role: ", "account: ", "region: ", "cluster: ", "namespace: ", "serviceAccount: ", "allowed: "}},
		"wildcard":      {func(a *Args) { a.ServiceAccount = "*" }, []string{`serviceAccount: is "*"`}},
		"long name":     {func(a *Args) { a.Role = strings.Repeat("a", 65) }, []string{"role: "}},
		"both ways":     {func(a *Args) { a.AddOn, a.Issuer = true, pulumi.String("https://x") }, []string{"issuer: is set"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := agent()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `identity "identity": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "identity") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:identity:Identity" {
		t.Errorf("type token %q: every role would be replaced", TypeToken)
	}
}
