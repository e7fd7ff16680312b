package dns

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
)

func hosted() HostedArgs {
	return HostedArgs{
		Public: "slipway.example", Private: "internal.slipway.example", VPCID: pulumi.String("vpc-1"), Account: cloudtest.Account,
	}
}

func declareHosted(args HostedArgs) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		if args.QueryLogDays > 0 {
			virginia, err := aws.NewProvider(ctx, "virginia", &aws.ProviderArgs{Region: pulumi.String("us-east-1")})
			if err != nil {
				return err
			}
			args.Virginia = virginia
		}
		made, err := NewHosted(ctx, "dns", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("nameServers", made.NameServers)
		return nil
	})
}

func TestNewHosted(t *testing.T) {
	signed := hosted()
	signed.SigningKeyARN, signed.QueryLogDays, signed.Unprotected = pulumi.String("arn:aws:kms:us-east-1:1:key/k"), 30, true
	for name, args := range map[string]HostedArgs{"plain": hosted(), "signed": signed} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "dns", "hosted-"+name, declareHosted(args), *update) })
	}
}

func TestZonesAreGuarded(t *testing.T) {
	for _, unprotected := range []bool{false, true} {
		args := hosted()
		args.Unprotected = unprotected
		g := cloudtest.Graph(false)
		g.Run(t, declareHosted(args))
		for _, zone := range g.Of("aws:route53/zone:Zone") {
			if zone.RegisterRPC.GetProtect() == unprotected {
				t.Errorf("%s: unprotected %t gives protect %t", zone.Name, unprotected, !unprotected)
			}
		}
	}
}

func TestHostedReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*HostedArgs)
		want   []string
	}{
		"nothing given":  {func(a *HostedArgs) { *a = HostedArgs{} }, []string{"public: ", "private: ", "vpcId: ", "account: "}},
		"one for both":   {func(a *HostedArgs) { a.Private = a.Public }, []string{"private: is the public zone"}},
		"final dot":      {func(a *HostedArgs) { a.Public += "." }, []string{`public: "slipway.example."`}},
		"negative days":  {func(a *HostedArgs) { a.QueryLogDays = -1 }, []string{"queryLogDays: "}},
		"capital letter": {func(a *HostedArgs) { a.Private = "Internal.x" }, []string{"private: "}},
	} {
		t.Run(name, func(t *testing.T) {
			args := hosted()
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declareHosted(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(HostedTypeToken, "dns") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func zonesAndRecords() RecordsArgs {
	return RecordsArgs{
		Zones: []Zone{
			{Name: "slipway.example", Records: []Record{
				{Name: "api", Type: "CNAME", Values: pulumi.ToStringArray([]string{"lb.elb.eu-central-1.amazonaws.com"})},
				{Name: "@", Type: "TXT", TTL: 300, Values: pulumi.ToStringArray([]string{"v=spf1 -all"})},
				{Name: "*.apps", Type: "A", Values: pulumi.ToStringArray([]string{"198.51.100.7"})},
			}},
			{Name: "internal.slipway.example", Private: true, Records: []Record{
				{Name: "postgres", Type: "A", Values: pulumi.ToStringArray([]string{"172.20.1.2"})},
			}},
		},
		IDs: map[string]pulumi.StringInput{
			"slipway.example": pulumi.String("Z1"), "internal.slipway.example": pulumi.String("Z2"),
		},
	}
}

func declareRecords(args RecordsArgs) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		_, err := NewRecords(ctx, "records", args, provider)
		return err
	})
}

func TestNewRecords(t *testing.T) {
	cloudtest.Golden(t, "records", "records", declareRecords(zonesAndRecords()), *update)
}

// The rules are those of the servers of one's own: a leak stops the update.
func TestRecordsObeyTheRules(t *testing.T) {
	for name, test := range map[string]struct {
		record Record
		want   string
	}{
		"an internal address": {Record{Name: "db", Type: "A", Values: pulumi.ToStringArray([]string{"172.20.1.2"})}, "zones[0].records[3].values[0]: 172.20.1.2 is not a public address"},
		"a private name":      {Record{Name: "db", Type: "CNAME", Values: pulumi.ToStringArray([]string{"postgres.internal.slipway.example"})}, "which only resolves inside"},
		"two targets":         {Record{Name: "db", Type: "CNAME", Values: pulumi.ToStringArray([]string{"a.example", "b.example"})}, "a CNAME has one"},
		"no value":            {Record{Name: "db", Type: "A", Values: pulumi.StringArray{}}, "values: is empty"},
		"no address":          {Record{Name: "db", Type: "A", Values: pulumi.ToStringArray([]string{"x"})}, `"x" is not an address`},
	} {
		t.Run(name, func(t *testing.T) {
			args := zonesAndRecords()
			args.Zones[0].Records = append(args.Zones[0].Records, test.record)
			err := cloudtest.Graph(false).Try(t, declareRecords(args))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
}

func TestRecordsNeedAHostedZone(t *testing.T) {
	args := zonesAndRecords()
	delete(args.IDs, "slipway.example")
	g := cloudtest.Graph(false)
	err := g.Try(t, declareRecords(args))
	if err == nil || !strings.Contains(err.Error(), `zones[0].name: "slipway.example" has no hosted zone`) {
		t.Errorf("got %v", err)
	}
	if g.Has(RecordsTypeToken, "records") {
		t.Error("the component was registered in spite of the fault")
	}
}

func TestLongTextsAreSplit(t *testing.T) {
	rec := record{kind: "TXT"}
	data, _ := rec.data(strings.Repeat("a", 300))
	if got, want := rec.hosted(data), strings.Repeat("a", 255)+`" "`+strings.Repeat("a", 45); got != want {
		t.Errorf("got %s", got)
	}
}

func TestHostedTypeTokensAreFrozen(t *testing.T) {
	if HostedTypeToken != "slipway:dns:HostedZones" || RecordsTypeToken != "slipway:dns:Records" {
		t.Errorf("type tokens %q and %q: zones or records would be replaced", HostedTypeToken, RecordsTypeToken)
	}
}
