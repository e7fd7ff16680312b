package delivery

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/grant"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func valid() Args {
	return Args{
		Account: cloudtest.Account, Region: cloudtest.Region, Repository: "example/slipway", Environments: []string{"dev", "prod"},
		Prefix: "slipway", StateBucket: "slipway-state-111122223333",
		StateKeyARN: pulumi.String("arn:state"), SecretsKeyARN: pulumi.String("arn:secrets"),
	}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "delivery", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("roles", made.Roles)
		return nil
	})
}

func TestNew(t *testing.T) { cloudtest.Golden(t, "delivery", "delivery", declare(valid()), *update) }

// A role trusts runs of one repository, and of one environment, of the main
// branch or of pull requests: by equality, since a pattern would let others in.
func TestTrustIsExact(t *testing.T) {
	for kind, want := range map[string]string{
		preview.subject("example/slipway", "prod"): "repo:example/slipway:pull_request",
		drift.subject("example/slipway", "prod"):   "repo:example/slipway:ref:refs/heads/main",
		deploy.subject("example/slipway", "prod"):  "repo:example/slipway:environment:prod",
	} {
		statement := valid().trust(kind)
		if got := statement.When["StringEquals"][issuer+":sub"]; len(statement.When) != 1 || !slices.Equal(got, []string{want}) {
			t.Errorf("trusts %v, want %s", statement.When, want)
		}
	}
}

// What a preview role is allowed must not change anything, and decryption by
// any way but reading the state is denied.
func TestPreviewOnlyReads(t *testing.T) {
	denied := map[string]bool{}
	for _, statement := range previewStatements(valid(), keys{"arn:state", "arn:secrets"}) {
		for _, action := range statement.Actions {
			if statement.Deny {
				denied[action] = true
			} else if action != "kms:Decrypt" || !slices.Equal(statement.Resources, []string{"arn:state"}) || statement.When == nil {
				t.Errorf("%s allows %s on %v", statement.Sid, action, statement.Resources)
			}
		}
	}
	for _, action := range []string{"kms:Decrypt", "secretsmanager:GetSecretValue", "sts:AssumeRole", "s3:GetObject"} {
		if !denied[action] {
			t.Errorf("%s is not denied", action)
		}
	}
}

// What a drift role is allowed is to decrypt the state and the secrets in it.
// Every other key is denied, and so are changes and data.
func TestDriftOnlyReads(t *testing.T) {
	denied, opened := map[string]bool{}, map[string]bool{}
	for _, statement := range driftStatements(valid(), keys{"arn:state", "arn:secrets"}) {
		for _, action := range statement.Actions {
			switch {
			case statement.Deny:
				denied[action] = true
				if action == "kms:Decrypt" && (len(statement.Resources) > 0 || !slices.Equal(statement.NotResources, []string{"arn:state", "arn:secrets"}) || statement.When != nil) {
					t.Errorf("decryption is denied on %v but %v, when %v", statement.Resources, statement.NotResources, statement.When)
				}
			case action != "kms:Decrypt" || len(statement.Resources) != 1:
				t.Errorf("%s allows %s on %v", statement.Sid, action, statement.Resources)
			default:
				opened[statement.Resources[0]] = statement.When == nil
			}
		}
	}
	for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey*", "secretsmanager:GetSecretValue", "ssm:GetParameter", "sts:AssumeRole", "s3:GetObject", "s3:Put*", "iam:Put*"} {
		if !denied[action] {
			t.Errorf("%s is not denied", action)
		}
	}
	// The bucket's key is used through the bucket alone.
	if want := map[string]bool{"arn:state": false, "arn:secrets": true}; !maps.Equal(opened, want) {
		t.Errorf("opens %v, want %v", opened, want)
	}
}

// Roles that wait for nobody must not be what a deploy role can widen.
func TestDeployCannotFreeItself(t *testing.T) {
	var guard grant.Statement
	for _, statement := range deployStatements(valid(), keys{}) {
		if statement.Sid == "NotItself" {
			guard = statement
		}
	}
	for _, kind := range []role{preview, drift, deploy} {
		arn := "arn:aws:iam::111122223333:role/slipway-*-" + kind.name
		if !guard.Deny || !slices.Contains(guard.Actions, "iam:PutRolePolicy") || !slices.Contains(guard.Resources, arn) {
			t.Errorf("a deploy role can widen %s: %+v", arn, guard)
		}
	}
}

// People take the deploy role of their environment, and no other role.
func TestPeopleTakeOneDeployRole(t *testing.T) {
	args := valid()
	args.People = map[string][]string{"dev": {"arn:aws:iam::111122223333:role/engineer"}}
	g := cloudtest.Graph(false)
	g.Run(t, declare(args))
	for _, node := range g.Of("aws:iam/role:Role") {
		trust := node.Text("assumeRolePolicy")
		if got, want := strings.Contains(trust, ":role/engineer"), node.Name == "delivery-dev-deploy"; got != want {
			t.Errorf("%s trusts people: %v, want %v: %s", node.Name, got, want, trust)
		}
		if !strings.Contains(trust, "sts:AssumeRoleWithWebIdentity") {
			t.Errorf("%s no longer trusts CI: %s", node.Name, trust)
		}
	}
}

func TestCheckReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":  {func(a *Args) { *a = Args{} }, []string{"account: ", "region: ", "prefix: ", "stateBucket: ", "stateKeyARN: ", "repository: ", "environments: "}},
		"any repository": {func(a *Args) { a.Repository = "example/*" }, []string{`repository: "example/*"`}},
		"environments":   {func(a *Args) { a.Environments = []string{"dev", "dev", "Prod"} }, []string{"environments[1]: dev is there twice", "environments[2]: "}},
		"people": {func(a *Args) {
			a.People = map[string][]string{"stage": nil, "dev": {"*", "arn:aws:iam::444455556666:role/x", "arn:aws:sts::111122223333:assumed-role/x/me"}}
		}, []string{"people.stage: ", "people.dev[0]: ", "people.dev[1]: ", "people.dev[2]: "}},
	} {
		t.Run(name, func(t *testing.T) {
			args := valid()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			for _, want := range append(test.want, `delivery "delivery": `) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "delivery") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:delivery:Delivery" {
		t.Errorf("type token %q: every role of CI would be replaced", TypeToken)
	}
}
