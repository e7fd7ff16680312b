package bucket

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func backups() Args {
	return Args{
		Bucket: "slipway-test-backups-111122223333", Account: cloudtest.Account, KeyARN: pulumi.String("arn:aws:kms:k"),
		OldVersionDays: 35, LockDays: 14, ExpireDays: 35,
	}
}

func logs() Args {
	return Args{
		Bucket: "slipway-test-logs-111122223333", Account: cloudtest.Account, KeyARN: pulumi.String("arn:aws:kms:k"),
		OldVersionDays: 7, ExpireDays: 90, ColdDays: 30, Delivery: "flow", Unprotected: true,
		PrefixDays: map[string]int{"pods/access/": 7, "pods/system/": 14},
	}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "bucket", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("arn", made.ARN)
		return nil
	})
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"backups": backups(), "logs": logs()} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "bucket", name, declare(args), *update) })
	}
}

func TestGuardedAndNeverEmptied(t *testing.T) {
	for _, args := range []Args{backups(), logs()} {
		g := cloudtest.Graph(false)
		g.Run(t, declare(args))
		made := g.One(t, "aws:s3/bucketV2:BucketV2", "bucket-bucket")
		if got := made.RegisterRPC.GetProtect(); got == args.Unprotected {
			t.Errorf("unprotected %t gives protect %t", args.Unprotected, got)
		}
		if value, found := made.Path("forceDestroy"); found && value.BoolValue() {
			t.Error("a destroy deletes what is in it")
		}
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":        {func(a *Args) { *a = Args{} }, []string{"bucket: ", "account: ", "keyARN: ", "oldVersionDays: "}},
		"name":                 {func(a *Args) { a.Bucket = "With.Dots" }, []string{`bucket: "With.Dots"`}},
		"cold too early":       {func(a *Args) { a.ColdDays = 10 }, []string{"coldDays: is 10, must be 0 (never) or at least 30"}},
		"cold after the end":   {func(a *Args) { a.ColdDays = 40 }, []string{"coldDays: is 40, must be below expireDays = 35"}},
		"locked after the end": {func(a *Args) { a.LockDays = 36 }, []string{"lockDays: is 36"}},
		"negative":             {func(a *Args) { a.ExpireDays = -1 }, []string{"expireDays: "}},
		"part too long":        {func(a *Args) { a.PrefixDays = map[string]int{"a/": 36} }, []string{"expireDays: is 35, must be at least the 36 days for which a/ is kept"}},
		"part without end":     {func(a *Args) { a.PrefixDays = map[string]int{"a/": 0} }, []string{`prefixDays: has "a/" with 0 days`}},
		"part of a name":       {func(a *Args) { a.PrefixDays = map[string]int{"a": 1} }, []string{`prefixDays: has "a" with 1 days`}},
		"prefix":               {func(a *Args) { a.Delivery = "/flow" }, []string{"delivery: "}},
	} {
		t.Run(name, func(t *testing.T) {
			args := backups()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `bucket "bucket": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "bucket") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:bucket:Bucket" {
		t.Errorf("type token %q: every bucket would be replaced", TypeToken)
	}
}
