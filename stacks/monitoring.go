package stacks

import (
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/monitoring"
	"slipway.dev/slipway/components/monitoring/rules"
)

// scraper is the namespace that scrapes, empty where nobody does.
func (s Settings) scraper() string {
	if !s.Monitoring.Enabled || s.Foundation == AsGuest {
		return ""
	}
	return monitoringNamespace
}

// requests are what monitoring asks for on so many nodes, as
// components/monitoring decides.
func (m Monitoring) requests(nodes int) machine {
	each, known := amounts("50m", m.Memory)
	if !m.Enabled || !known {
		return machine{} // reported where it stands
	}
	const alertmanager, state, node = 0.024, 0.032, 0.016
	replicas := float64(m.Replicas)
	return machine{
		cores:  replicas*(each.cores+0.01) + 0.01 + float64(nodes)*0.005,
		memory: replicas*(each.memory+alertmanager) + state + float64(nodes)*node,
	}
}

// monitoringArgs are monitoring's arguments as far as settings decide them.
func (s Settings) monitoringArgs() monitoring.Args {
	m := s.Monitoring
	logs := ""
	if s.Logging.Sink != SinkOff {
		logs = loggingNamespace
	}
	return monitoring.Args{
		Namespace: monitoringNamespace, Replicas: m.Replicas, ScrapeSeconds: m.ScrapeSeconds,
		RetentionDays: m.RetentionDays, RetentionSize: m.RetentionSize, Storage: m.Storage, Memory: m.Memory,
		Objectives: monitoring.Objectives(m.Objectives), Receiver: monitoring.Receiver(m.Receiver),
		GrafanaNamespace: m.GrafanaNamespace, Runbooks: m.Runbooks, Unprotected: m.Unprotected,
		Targets: monitoring.Targets{
			API: apiNamespace, Ingress: ingressNamespace, Database: databaseNamespace, Certificates: certificateNamespace,
			Backups: s.backupsDue(), Logs: logs, Members: s.Database.Members, RenewHours: s.Certificates.RenewHours,
			Benchmark: s.measured(),
		},
	}
}

// backupsDue is how often backups are.
func (s Settings) backupsDue() rules.Backups {
	if !s.keepsBackups() {
		return rules.Backups{}
	}
	b := s.Database.Backups
	return rules.Backups{
		Every:   time.Duration(b.EveryHours) * time.Hour,
		Checked: time.Duration(b.CheckMinutes) * time.Minute, Drilled: time.Duration(b.DrillDays) * 24 * time.Hour,
	}
}

// monitoring watches everything that was declared before it.
func (b *builder) monitoring(nameserver Nameserver) error {
	if !b.settings.Monitoring.Enabled {
		return nil
	}
	args := b.settings.monitoringArgs()
	args.Image = b.foundation.Images + monitoringRepository + ":" + b.versions.Monitoring
	args.DiscoveryImage = b.foundation.Images + discoveryRepository + ":" + b.versions.Discovery
	args.StateImage = b.foundation.StateMetrics + ":" + b.versions.StateMetrics
	args.StorageClass = b.foundation.RetainClass
	args.APINetworks, args.NodeNetworks = b.foundation.APINetworks, b.foundation.NodeNetworks
	args.Targets.Zones = nameserver.Namespace
	_, err := monitoring.New(b.ctx, "monitoring", args, b.foundation.Cluster)
	return err
}

// checkMonitoring asks the component, which knows its own rules; only what
// flows in from other components is not known yet.
func (s Settings) checkMonitoring(f *faults) {
	args := s.monitoringArgs()
	args.Image, args.DiscoveryImage, args.StateImage = "image", "image", "image"
	args.StorageClass = pulumi.String("known later")
	for _, fault := range args.Faults() {
		if path := "monitoring." + strings.TrimPrefix(fault.Path, "monitoring."); !f.has(path) {
			f.add(path, "%s", fault.Problem)
		}
	}
}
