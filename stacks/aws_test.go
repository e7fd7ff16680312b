package stacks_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/stacks"
)

// cloud are the settings of a small environment on AWS.
func cloud() stacks.Settings {
	s := stacks.Defaults()
	s.Foundation = stacks.OnAWS
	s.DNS.PublicZone, s.DNS.PrivateZone, s.API.Host = "slipway.example", "slipway.internal", "api.slipway.example"
	addOns := map[string]string{}
	for _, name := range []string{
		"vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver", "snapshot-controller", "metrics-server",
	} {
		addOns[name] = "v1.2.3-eksbuild.1"
	}
	s.AWS.Account, s.AWS.Region = cloudtest.Account, cloudtest.Region
	s.AWS.Network.CIDR, s.AWS.Network.Zones = "10.20.0.0/18", []string{"eu-central-1a", "eu-central-1b"}
	s.AWS.Cluster.Version, s.AWS.Cluster.AddOns = "1.34", addOns
	s.AWS.Cluster.Admins = []string{"arn:aws:iam::111122223333:role/deploy"}
	s.AWS.Cluster.NodeGroups = map[string]stacks.NodeGroup{
		"general": {InstanceTypes: []string{"m7i.large"}, Min: 2, Max: 4, DiskGiB: 30},
	}
	s.AWS.Authority.Email = "ops@slipway.example"
	s.AWS.Cost.Mail = []string{"ops@slipway.example"}
	return s
}

func TestTheCloudSettingsAreValid(t *testing.T) {
	if err := cloud().Validate(); err != nil {
		t.Error(err)
	}
}

func TestCloudFaultsNameTheirPath(t *testing.T) {
	group := func(change func(*stacks.NodeGroup)) func(*stacks.Settings) {
		return func(s *stacks.Settings) {
			general := s.AWS.Cluster.NodeGroups["general"]
			change(&general)
			s.AWS.Cluster.NodeGroups = map[string]stacks.NodeGroup{"general": general}
		}
	}
	for name, test := range map[string]struct {
		change func(*stacks.Settings)
		want   string
	}{
		"account":               {func(s *stacks.Settings) { s.AWS.Account = "1234" }, `aws.account: "1234" is not an account`},
		"region":                {func(s *stacks.Settings) { s.AWS.Region = "frankfurt" }, `aws.region: "frankfurt"`},
		"region of a partition": {func(s *stacks.Settings) { s.AWS.Region = "cn-north-1" }, `aws.region: "cn-north-1"`},
		"range too small":       {func(s *stacks.Settings) { s.AWS.Network.CIDR = "10.0.0.0/24" }, "aws.network.cidr: not a usable VPC range: 10.0.0.0/24 must be /16 to /22"},
		"range of others":       {func(s *stacks.Settings) { s.AWS.Network.CIDR = "54.0.0.0/16" }, "aws.network.cidr: not a usable VPC range: 54.0.0.0/16 is not private"},
		"ranges overlap":        {func(s *stacks.Settings) { s.AWS.Network.CIDR = "172.20.0.0/18" }, "aws.cluster.serviceCIDR: 172.20.0.0/16 overlaps aws.network.cidr = 172.20.0.0/18"},
		"zone of elsewhere":     {func(s *stacks.Settings) { s.AWS.Network.Zones[1] = "eu-west-1a" }, `aws.network.zones[1]: "eu-west-1a" is not a zone of region`},
		"one zone":              {func(s *stacks.Settings) { s.AWS.Network.Zones = s.AWS.Network.Zones[:1] }, "aws.network.zones: has one zone"},
		"no way out":            {func(s *stacks.Settings) { s.AWS.Network.NAT = "none" }, "aws.network.nat: "},
		"NAT":                   {func(s *stacks.Settings) { s.AWS.Network.NAT = "two" }, `aws.network.nat: "two" is none of`},
		"endpoint":              {func(s *stacks.Settings) { s.AWS.Network.Endpoints = []string{"s3"} }, "aws.network.endpoints[0]: s3 is always there"},
		"version":               {func(s *stacks.Settings) { s.AWS.Cluster.Version = "1" }, "aws.cluster.version: "},
		"open to everyone":      {func(s *stacks.Settings) { s.AWS.Cluster.PublicCIDRs = []string{"0.0.0.0/0"} }, "aws.cluster.publicCIDRs[0]: 0.0.0.0/0 opens the API to everyone"},
		"log days":              {func(s *stacks.Settings) { s.AWS.Cluster.LogDays = 13 }, "aws.cluster.logDays: is 13"},
		"nobody may":            {func(s *stacks.Settings) { s.AWS.Cluster.Admins = nil }, "aws.cluster.admins: is empty"},
		"no add-on":             {func(s *stacks.Settings) { delete(s.AWS.Cluster.AddOns, "coredns") }, "aws.cluster.addOns.coredns: is missing"},
		"no nodes":              {func(s *stacks.Settings) { s.AWS.Cluster.NodeGroups = nil }, "aws.cluster.nodeGroups: is empty"},
		"unknown machine":       {group(func(g *stacks.NodeGroup) { g.InstanceTypes = []string{"z9.large"} }), `aws.cluster.nodeGroups.general.instanceTypes[0]: "z9.large" is not known here`},
		"no machine at all":     {group(func(g *stacks.NodeGroup) { g.InstanceTypes = []string{"large"} }), `aws.cluster.nodeGroups.general.instanceTypes[0]: "large" is not an instance type`},
		"fewer nodes":           {group(func(g *stacks.NodeGroup) { g.Max = 2 }), "database.members: is 3, but there are 2 nodes at most"},
		"too much asked":        {func(s *stacks.Settings) { s.API.Scaling.Max = 200 }, "aws.cluster.nodeGroups: have room for "},
		"twice as much":         {func(s *stacks.Settings) { s.API.Strategy, s.API.Scaling.Max = "blueGreen", 30 }, "aws.cluster.nodeGroups: have room for "},
		"a member too large":    {func(s *stacks.Settings) { s.Database.Memory = "7Gi" }, "database.memory: and cpu are 7Gi"},
		"nodes for others":      {group(func(g *stacks.NodeGroup) { g.Taints = map[string]string{"a": "b:NoSchedule"} }), "database.members: is 3, but there are 0 nodes"},
		"query logs":            {func(s *stacks.Settings) { s.AWS.Zones.QueryLogDays = 8 }, "aws.zones.queryLogDays: is 8"},
		"mail":                  {func(s *stacks.Settings) { s.AWS.Authority.Email = "" }, "aws.authority.email: "},
		"accepts too short":     {func(s *stacks.Settings) { s.AWS.Balancer.AcceptSeconds = 20 }, "aws.balancer.acceptSeconds: is 20, must exceed healthSeconds x unhealthyCount = 20"},
		"finishes too soon":     {func(s *stacks.Settings) { s.AWS.Balancer.FinishSeconds = 5 }, "aws.balancer.finishSeconds: is 5, must be at least api.drain.shutdownSeconds"},
		"clients":               {func(s *stacks.Settings) { s.AWS.Balancer.Clients = []string{"all"} }, `aws.balancer.clients[0]: "all"`},
		"IOPS":                  {func(s *stacks.Settings) { s.AWS.Volumes.IOPS = 100 }, "aws.volumes.iops: is 100, must be at least 3000"},
		"locked too long":       {func(s *stacks.Settings) { s.AWS.Backups.LockDays = 36 }, "aws.backups.lockDays: is 36, must not exceed"},
		"cold too late":         {func(s *stacks.Settings) { s.AWS.Logs.ColdDays = 90 }, "aws.logs.coldDays: is 90, must be below"},
		"logs gone too soon":    {func(s *stacks.Settings) { s.AWS.Logs.KeepDays, s.Logging.SystemDays = 60, 61 }, "aws.logs.keepDays: is 60, must be at least the 61 days for which pods/system/ is kept"},
		"archived at once":      {func(s *stacks.Settings) { s.AWS.Logs.ArchiveMinutes = 0 }, "aws.logs.archiveMinutes: is 0, must be at least 1"},
		"archived never":        {func(s *stacks.Settings) { s.AWS.Logs.ArchiveMinutes = 61 }, "aws.logs.archiveMinutes: is 61, must be at most 60"},
		"nobody is told":        {func(s *stacks.Settings) { s.AWS.Cost.Mail = nil }, "aws.cost.mail: has 0 addresses"},
		"benchmark":             {func(s *stacks.Settings) { s.Benchmark.Enabled, s.AWS.Authority.Staging = true, true }, "benchmark.enabled: is true, but with aws.authority.staging"},
		"certificates":          {func(s *stacks.Settings) { s.Certificates.ValidHours = 3000 }, "certificates.validHours: is 3000, but Let's Encrypt"},
		"a kubeconfig":          {func(s *stacks.Settings) { s.Cluster.Kubeconfig = "k" }, "cluster.kubeconfig: has no effect with foundation aws"},
		"a provisioner":         {func(s *stacks.Settings) { s.Storage.Provisioner = "p" }, "storage.provisioner: has no effect with foundation aws"},
		"addresses":             {func(s *stacks.Settings) { s.Ingress.Addresses = []string{"192.0.2.1"} }, "ingress.addresses: has no effect with foundation aws"},
		"servers of DNS":        {func(s *stacks.Settings) { s.DNS.Replicas = 3 }, "dns.replicas: has no effect with foundation aws"},
		"AWS elsewhere": {func(s *stacks.Settings) {
			s.Foundation, s.Cluster.Identifier, s.Storage.Provisioner = stacks.Local, "c", "p"
			s.Ingress.Addresses = []string{"192.0.2.1"}
		}, "aws.account: has no effect with foundation local"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := cloud()
			settings.AWS.Network.Zones = slices.Clone(settings.AWS.Network.Zones)
			settings.AWS.Cluster.AddOns = maps.Clone(settings.AWS.Cluster.AddOns)
			test.change(&settings)
			err := settings.Validate()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
}

func TestEveryCloudFaultAtOnce(t *testing.T) {
	settings := stacks.Defaults()
	settings.Foundation = stacks.OnAWS
	err := settings.Validate()
	for _, path := range []string{
		"aws.account: ", "aws.region: ", "aws.network.cidr: ", "aws.cluster.version: ", "aws.cluster.admins: ",
		"aws.cluster.addOns.vpc-cni: ", "aws.cluster.nodeGroups: ", "aws.authority.email: ", "aws.cost.mail: ", "dns.publicZone: ",
	} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q is not in:\n%v", path, err)
		}
	}
}
