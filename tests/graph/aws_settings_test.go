package graph

import (
	"maps"
	"slices"

	"slipway.dev/slipway/stacks"
)

// poked changes one setting of an environment on AWS.
func poked(change func(*stacks.AWS)) struct{ before, change func(*stacks.Settings) } {
	return struct{ before, change func(*stacks.Settings) }{change: func(s *stacks.Settings) { change(&s.AWS) }}
}

// grouped changes one setting of the nodes.
func grouped(change func(*stacks.NodeGroup)) struct{ before, change func(*stacks.Settings) } {
	return poked(func(a *stacks.AWS) {
		group := a.Cluster.NodeGroups["general"]
		change(&group)
		a.Cluster.NodeGroups = map[string]stacks.NodeGroup{"general": group}
	})
}

// tainted adds a group that takes the platform's pods, beside the one to taint.
func tainted(change func(*stacks.NodeGroup)) struct{ before, change func(*stacks.Settings) } {
	one := poked(func(a *stacks.AWS) {
		group := a.Cluster.NodeGroups["spare"]
		change(&group)
		a.Cluster.NodeGroups = map[string]stacks.NodeGroup{"general": a.Cluster.NodeGroups["general"], "spare": group}
	})
	one.before = func(s *stacks.Settings) {
		general := s.AWS.Cluster.NodeGroups["general"]
		s.AWS.Cluster.NodeGroups = map[string]stacks.NodeGroup{"general": general, "spare": general}
	}
	return one
}

// awsPokes are pokes of settings for AWS, on top of the stack prod.
var awsPokes = map[string]struct{ before, change func(*stacks.Settings) }{
	"aws.account": poked(func(a *stacks.AWS) { a.Account = "444455556666" }),
	"aws.region": poked(func(a *stacks.AWS) {
		a.Region, a.Network.Zones = "eu-west-1", []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}
	}),
	"aws.owner":               poked(func(a *stacks.AWS) { a.Owner = "other" }),
	"aws.unprotected":         poked(func(a *stacks.AWS) { a.Unprotected = true }),
	"aws.network.cidr":        poked(func(a *stacks.AWS) { a.Network.CIDR = "10.40.0.0/16" }),
	"aws.network.zones":       poked(func(a *stacks.AWS) { a.Network.Zones = a.Network.Zones[:2] }),
	"aws.network.nat":         poked(func(a *stacks.AWS) { a.Network.NAT = "one" }),
	"aws.network.endpoints":   poked(func(a *stacks.AWS) { a.Network.Endpoints = nil }),
	"aws.cluster.version":     poked(func(a *stacks.AWS) { a.Cluster.Version = "1.35" }),
	"aws.cluster.serviceCIDR": poked(func(a *stacks.AWS) { a.Cluster.ServiceCIDR = "172.21.0.0/16" }),
	"aws.cluster.publicCIDRs": poked(func(a *stacks.AWS) { a.Cluster.PublicCIDRs = nil }),
	"aws.cluster.logDays":     poked(func(a *stacks.AWS) { a.Cluster.LogDays = 30 }),
	"aws.cluster.admins": poked(func(a *stacks.AWS) {
		a.Cluster.Admins = append(slices.Clone(a.Cluster.Admins), "arn:aws:iam::111122223333:role/other")
	}),
	"aws.cluster.auditors": poked(func(a *stacks.AWS) { a.Cluster.Auditors = nil }),
	"aws.cluster.viewers":  poked(func(a *stacks.AWS) { a.Cluster.Viewers = nil }),
	"aws.cluster.addOns": poked(func(a *stacks.AWS) {
		a.Cluster.AddOns = maps.Clone(a.Cluster.AddOns)
		a.Cluster.AddOns["coredns"] = "v1.99.0-eksbuild.1"
	}),
	"aws.cluster.nodeGroups.*.instanceTypes": grouped(func(g *stacks.NodeGroup) { g.InstanceTypes = []string{"m7i.2xlarge"} }),
	"aws.cluster.nodeGroups.*.spot":          grouped(func(g *stacks.NodeGroup) { g.Spot = true }),
	"aws.cluster.nodeGroups.*.min":           grouped(func(g *stacks.NodeGroup) { g.Min++ }),
	"aws.cluster.nodeGroups.*.max":           grouped(func(g *stacks.NodeGroup) { g.Max++ }),
	"aws.cluster.nodeGroups.*.diskGiB":       grouped(func(g *stacks.NodeGroup) { g.DiskGiB++ }),
	"aws.cluster.nodeGroups.*.labels":        grouped(func(g *stacks.NodeGroup) { g.Labels = map[string]string{"a": "b"} }),
	"aws.cluster.nodeGroups.*.taints":        tainted(func(g *stacks.NodeGroup) { g.Taints = map[string]string{"a": "b:NoSchedule"} }),
	"aws.cluster.officeHours.days":           {office(nil), office(func(h *stacks.OfficeHours) { h.Days = []string{"MON"} })},
	"aws.cluster.officeHours.from":           {office(nil), office(func(h *stacks.OfficeHours) { h.From = "08:00" })},
	"aws.cluster.officeHours.to":             {office(nil), office(func(h *stacks.OfficeHours) { h.To = "18:00" })},
	"aws.cluster.officeHours.timeZone":       {office(nil), office(func(h *stacks.OfficeHours) { h.TimeZone = "UTC" })},
	"aws.zones.dnssec":                       poked(func(a *stacks.AWS) { a.Zones.DNSSEC = false }),
	"aws.zones.queryLogDays":                 poked(func(a *stacks.AWS) { a.Zones.QueryLogDays = 14 }),
	"aws.authority.email":                    poked(func(a *stacks.AWS) { a.Authority.Email = "other@slipway.example" }),
	// Nothing is measured that nobody can verify.
	"aws.authority.staging": {before: func(s *stacks.Settings) { s.Benchmark.Enabled = false }, change: func(s *stacks.Settings) { s.AWS.Authority.Staging = true }},
	"aws.balancer.clients":  poked(func(a *stacks.AWS) { a.Balancer.Clients = []string{"198.51.100.0/24"} }),
	"account.repository":    {change: func(s *stacks.Settings) { s.Account.Repository = "other/slipway" }},
	"account.environments":  {change: func(s *stacks.Settings) { s.Account.Environments = []string{"dev"} }},
	"account.people": {change: func(s *stacks.Settings) {
		s.Account.People = map[string][]string{"dev": {"arn:aws:iam::111122223333:user/ann"}}
	}},
	"aws.cost.mail": poked(func(a *stacks.AWS) { a.Cost.Mail = []string{"other@slipway.example"} }),
}

// office gives the stack office hours, and changes them.
func office(change func(*stacks.OfficeHours)) func(*stacks.Settings) {
	return func(s *stacks.Settings) {
		h := &s.AWS.Cluster.OfficeHours
		*h = stacks.OfficeHours{From: "07:00", To: "19:00", TimeZone: "Europe/Berlin"}
		if change != nil {
			change(h)
		}
	}
}
