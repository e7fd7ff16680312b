package eks

import (
	"encoding/json"
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func pinned() map[string]string {
	versions := map[string]string{}
	for _, name := range AddOnNames() {
		versions[name] = "v1.2.3-eksbuild.4"
	}
	return versions
}

func closed() Args {
	return Args{
		Name: "slipway-test", Account: cloudtest.Account, Region: cloudtest.Region, Version: "1.34", ServiceCIDR: "172.20.0.0/16",
		Endpoints: pulumi.ToStringArray([]string{"intra-a", "intra-b"}), Nodes: pulumi.ToStringArray([]string{"private-a", "private-b"}),
		LogDays: 90, Admins: []string{"arn:aws:iam::111122223333:role/deploy"},
		Keys:   Keys{Secrets: pulumi.String("key-s"), Volumes: pulumi.String("key-v"), Logs: pulumi.String("key-l")},
		AddOns: pinned(),
		NodeGroups: map[string]NodeGroup{
			"general": {InstanceTypes: []string{"m7i.large"}, Min: 3, Max: 6, DiskGiB: 50},
		},
	}
}

func open() Args {
	args := closed()
	args.PublicCIDRs, args.Viewers = []string{"198.51.100.0/24"}, []string{"arn:aws:iam::111122223333:role/preview"}
	args.Auditors = []string{"arn:aws:iam::111122223333:role/drift"}
	args.NodeGroups = map[string]NodeGroup{
		"general": {InstanceTypes: []string{"t3.medium"}, Min: 2, Max: 4, DiskGiB: 30},
		"spare": {
			InstanceTypes: []string{"t3.large", "t3a.large"}, Spot: true, Min: 1, Max: 4, DiskGiB: 30,
			Labels: map[string]string{"spare": "yes"}, Taints: map[string]string{"spare": "yes:NoSchedule"},
		},
	}
	args.OfficeHours = Hours{From: "07:30", To: "19:00", TimeZone: "Europe/Berlin"}
	args.Unprotected, args.Tags = true, map[string]string{"stack": "test"}
	return args
}

func TestOfficeHours(t *testing.T) {
	for name, tc := range map[string]struct {
		hours Hours
		want  string // the fault's beginning; empty for none
	}{
		"always":                {Hours{}, ""},
		"weekdays":              {Hours{From: "07:00", To: "19:00", TimeZone: "Europe/Berlin"}, ""},
		"UTC, one day":          {Hours{Days: []string{"SUN"}, From: "00:00", To: "00:01", TimeZone: "UTC"}, ""},
		"no such day":           {Hours{Days: []string{"Monday"}, From: "07:00", To: "19:00", TimeZone: "UTC"}, `officeHours.days[0]: "Monday" is none of`},
		"a day twice":           {Hours{Days: []string{"MON", "MON"}, From: "07:00", To: "19:00", TimeZone: "UTC"}, "officeHours.days[1]: MON is there twice"},
		"no begin":              {Hours{To: "19:00", TimeZone: "UTC"}, `officeHours.from: "" is no time of day`},
		"no time of day":        {Hours{From: "07:00", To: "24:00", TimeZone: "UTC"}, `officeHours.to: "24:00" is no time of day`},
		"over midnight":         {Hours{From: "19:00", To: "07:00", TimeZone: "UTC"}, "officeHours.to: 07:00 is not after from = 19:00"},
		"no time at all":        {Hours{From: "07:00", To: "07:00", TimeZone: "UTC"}, "officeHours.to: 07:00 is not after"},
		"no zone":               {Hours{From: "07:00", To: "19:00"}, `officeHours.timeZone: "" is no time zone`},
		"the machine's zone":    {Hours{From: "07:00", To: "19:00", TimeZone: "Local"}, `officeHours.timeZone: "Local" is no time zone`},
		"a zone nobody has":     {Hours{From: "07:00", To: "19:00", TimeZone: "Europe/Bonn"}, `officeHours.timeZone: "Europe/Bonn" is no time zone`},
		"days and nothing else": {Hours{Days: []string{"MON"}}, "officeHours.from"},
	} {
		t.Run(name, func(t *testing.T) {
			args := closed()
			args.OfficeHours = tc.hours
			err := args.Check()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	for at, want := range map[string]string{"07:00": "0 7 * * MON,TUE,WED,THU,FRI", "00:30": "30 0 * * MON,TUE,WED,THU,FRI", "19:05": "5 19 * * MON,TUE,WED,THU,FRI"} {
		if got := (Hours{}).recurrence(at); got != want {
			t.Errorf("%s is %q, want %q", at, got, want)
		}
	}
	if got := (Hours{Days: []string{"SAT"}}).recurrence("08:00"); got != "0 8 * * SAT" {
		t.Errorf("Saturday at eight is %q", got)
	}
}

func declare(args Args) pulumi.RunFunc {
	return cloudtest.Program(func(ctx *pulumi.Context, provider pulumi.ResourceOption) error {
		made, err := New(ctx, "cluster", args, provider)
		if err != nil {
			return err
		}
		ctx.Export("issuer", made.Issuer)
		return nil
	})
}

func TestNew(t *testing.T) {
	for name, args := range map[string]Args{"closed": closed(), "open": open()} {
		t.Run(name, func(t *testing.T) { cloudtest.Golden(t, "cluster", name, declare(args), *update) })
	}
}

func TestOrder(t *testing.T) {
	g := cloudtest.Graph(false)
	g.Run(t, declare(closed()))
	after := func(token, name, dependency string) {
		t.Helper()
		dependencies := g.One(t, token, name).RegisterRPC.GetDependencies()
		if !slices.ContainsFunc(dependencies, func(urn string) bool { return strings.HasSuffix(urn, "::"+dependency) }) {
			t.Errorf("%s does not come after %s, but after %v", name, dependency, dependencies)
		}
	}
	after("aws:eks/cluster:Cluster", "cluster-cluster", "cluster-logs")
	after("aws:eks/cluster:Cluster", "cluster-cluster", "cluster-AmazonEKSClusterPolicy")
	for _, addOn := range beforeNodes {
		after("aws:eks/nodeGroup:NodeGroup", "cluster-nodes-general", "cluster-addon-"+addOn)
	}
	for _, addOn := range onNodes {
		after("aws:eks/addon:Addon", "cluster-addon-"+addOn, "cluster-nodes-general")
		after("pulumi:providers:kubernetes", "cluster-provider", "cluster-addon-"+addOn)
	}
	after("pulumi:providers:kubernetes", "cluster-provider", "cluster-access-deploy-policy")
}

func TestTheKubeconfigHoldsNoCredential(t *testing.T) {
	text, err := plan{closed()}.kubeconfig("https://api.test", "Y2E=")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Users []struct {
			User map[string]json.RawMessage `json:"user"`
		} `json:"users"`
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Users) != 1 || len(config.Users[0].User) != 1 || config.Users[0].User["exec"] == nil {
		t.Errorf("the user has more than a command:\n%s", text)
	}
	g := cloudtest.Graph(false)
	g.Run(t, declare(closed()))
	provider := g.One(t, "pulumi:providers:kubernetes", "cluster-provider")
	if got := provider.Text("clusterIdentifier"); got != "arn:aws:eks:eu-central-1:111122223333:cluster/slipway-test" {
		t.Errorf("the cluster is identified by %q", got)
	}
}

func TestMachines(t *testing.T) {
	cloudtest.Both(t, declare(open()), func(t *testing.T, g *componenttest.Graph) {
		templates := g.Of("aws:ec2/launchTemplate:LaunchTemplate")
		if len(templates) != 2 {
			t.Fatalf("%d templates", len(templates))
		}
		for _, template := range templates {
			if template.Text("metadataOptions.httpTokens") != "required" || template.Number("metadataOptions.httpPutResponseHopLimit") != 1 {
				t.Errorf("%s answers pods for its metadata", template.Name)
			}
			if template.Text("blockDeviceMappings[0].ebs.encrypted") != "true" || template.Text("blockDeviceMappings[0].ebs.kmsKeyId") != "key-v" {
				t.Errorf("%s does not encrypt its volume with our key", template.Name)
			}
		}
		if got := g.One(t, "aws:eks/nodeGroup:NodeGroup", "cluster-nodes-spare").Text("taints[0].effect"); got != "NO_SCHEDULE" {
			t.Errorf("the taint's effect is %q", got)
		}
	})
}

func TestGuarded(t *testing.T) {
	for _, args := range []Args{closed(), open()} {
		g := cloudtest.Graph(false)
		g.Run(t, declare(args))
		for token, name := range map[string]string{"aws:eks/cluster:Cluster": "cluster-cluster", "aws:cloudwatch/logGroup:LogGroup": "cluster-logs"} {
			if got := g.One(t, token, name).RegisterRPC.GetProtect(); got == args.Unprotected {
				t.Errorf("unprotected %t gives %s protect %t", args.Unprotected, name, got)
			}
		}
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	group := func(change func(*NodeGroup)) func(*Args) {
		return func(a *Args) {
			g := a.NodeGroups["general"]
			change(&g)
			a.NodeGroups = map[string]NodeGroup{"general": g}
		}
	}
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given":     {func(a *Args) { *a = Args{} }, []string{"name: ", "account: ", "version: ", "serviceCIDR: ", "endpoints: ", "nodes: ", "keys.secrets: ", "keys.volumes: ", "keys.logs: ", "logDays: ", "admins: ", "addOns.vpc-cni: is missing", "nodeGroups: "}},
		"version":           {func(a *Args) { a.Version = "v1.34.1" }, []string{`version: "v1.34.1"`}},
		"services":          {func(a *Args) { a.ServiceCIDR = "8.8.0.0/16" }, []string{"serviceCIDR: "}},
		"open to everyone":  {func(a *Args) { a.PublicCIDRs = []string{"0.0.0.0/0", "10.0.0.1/8"} }, []string{"publicCIDRs[0]: 0.0.0.0/0 opens the API to everyone", "publicCIDRs[1]: "}},
		"log days":          {func(a *Args) { a.LogDays = 31 }, []string{"logDays: is 31, must be one of"}},
		"a user as admin":   {func(a *Args) { a.Admins = []string{"arn:aws:iam::111122223333:user/me"} }, []string{"admins[0]: "}},
		"a user as auditor": {func(a *Args) { a.Auditors = []string{"arn:aws:iam::111122223333:user/me"} }, []string{"auditors[0]: "}},
		"viewer as auditor": {func(a *Args) { a.Viewers = []string{"arn:aws:iam::111122223333:role/v"}; a.Auditors = a.Viewers }, []string{"auditors[0]: is called v, and so is viewers[0]"}},
		"admin and viewer":  {func(a *Args) { a.Viewers = a.Admins }, []string{"viewers[0]: is called deploy, and so is admins[0]"}},
		"add-on":            {func(a *Args) { a.AddOns["helm"], a.AddOns["coredns"] = "v1.0.0-eksbuild.1", "latest" }, []string{"addOns.helm: is unknown", `addOns.coredns: "latest" is not a version`}},
		"group name":        {func(a *Args) { a.NodeGroups = map[string]NodeGroup{"A": a.NodeGroups["general"]} }, []string{"nodeGroups.A: "}},
		"instance type":     {group(func(g *NodeGroup) { g.InstanceTypes = []string{"large"} }), []string{`nodeGroups.general.instanceTypes[0]: "large"`}},
		"no instance type":  {group(func(g *NodeGroup) { g.InstanceTypes = nil }), []string{"nodeGroups.general.instanceTypes: is empty"}},
		"size":              {group(func(g *NodeGroup) { g.Min, g.Max = 0, -1 }), []string{"nodeGroups.general.min: is 0", "nodeGroups.general.max: is -1"}},
		"disk":              {group(func(g *NodeGroup) { g.DiskGiB = 8 }), []string{"nodeGroups.general.diskGiB: is 8"}},
		"taint":             {group(func(g *NodeGroup) { g.Taints = map[string]string{"k": "v"} }), []string{`nodeGroups.general.taints.k: "v"`}},
		"metal is a type":   {group(func(g *NodeGroup) { g.InstanceTypes = []string{"m7i.metal-24xl", "x"} }), []string{"instanceTypes[1]"}},
		"no region account": {func(a *Args) { a.Account = "" }, []string{"account: and region must be given"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := closed()
			args.AddOns = maps.Clone(args.AddOns)
			test.change(&args)
			g := cloudtest.Graph(false)
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `cluster "cluster": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "cluster") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:eks:Cluster" {
		t.Errorf("type token %q: the cluster would be replaced, and with it everything", TypeToken)
	}
}
