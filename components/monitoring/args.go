package monitoring

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/monitoring/rules"
)

// Args describes the monitoring of one platform.
type Args struct {
	// Namespace is created for it. Default: slipway-monitoring. A change replaces
	// everything in it, which protection refuses.
	Namespace string
	// Image holds Prometheus, Alertmanager and node-exporter
	// (images/monitoring), DiscoveryImage what finds Prometheus's targets
	// (images/discovery), StateImage kube-state-metrics. All required. A change
	// rolls the pods.
	Image, DiscoveryImage, StateImage string

	// Replicas is the number of Prometheus and Alertmanager pods each. Default 2;
	// with 1, nobody is told anything while it is moved.
	Replicas int
	// StorageClass is where Prometheus's volumes come from. Required. It cannot
	// change: Kubernetes would have to replace the StatefulSet.
	StorageClass pulumi.StringInput
	// Storage is the size of each volume. Default "8Gi". It cannot change either.
	Storage string
	// RetentionDays is how long samples are kept. Default 15. RetentionSize is
	// how much of the volume they may take before the oldest go, in the notation
	// of Kubernetes. Default: 80 % of Storage.
	RetentionDays int
	RetentionSize string
	// Memory is reserved for each Prometheus and is its limit. Default "256Mi",
	// some 40000 series.
	Memory string
	// ScrapeSeconds is how often targets are asked. Default 30.
	ScrapeSeconds int
	// Objectives are what the API promises.
	Objectives Objectives
	// Receiver is who is told.
	Receiver Receiver
	// GrafanaNamespace is where a Grafana runs that shows dashboards of this
	// platform: they are declared for it, as ConfigMaps that its sidecar finds by
	// the label grafana_dashboard, and its pods may ask Prometheus. Empty: there
	// is none.
	GrafanaNamespace string
	// Runbooks is what links to runbooks begin with. Default: their path in this
	// repository.
	Runbooks string
	// Targets are what is watched.
	Targets Targets

	// APINetworks are where the Kubernetes API answers, NodeNetworks where the
	// nodes' kubelets do, as CIDRs. Default: anywhere, on their ports.
	APINetworks, NodeNetworks []string
	// Unprotected allows a destroy to delete the volumes' owner.
	Unprotected bool
}

// Objectives are shares of requests, in percent.
type Objectives struct {
	// AvailabilityPercent of requests are not answered 5xx. Default "99.9".
	AvailabilityPercent string
	// LatencyPercent of requests are answered within LatencySeconds, which is
	// one of the ingress's bucket bounds (rules.LatencyBounds). Defaults "99"
	// and "0.5".
	LatencyPercent, LatencySeconds string
}

// Receiver is who is told of alerts. Empty URLs tell nobody; alerts are then
// only to be seen in Alertmanager.
type Receiver struct {
	// WebhookURL is sent alerts as JSON, as Alertmanager's webhook receiver
	// describes. Secret.
	WebhookURL string
	// DeadmanURL is sent the Watchdog every minute, for a service outside the
	// cluster that raises an alarm when it stops coming. Secret.
	DeadmanURL string
}

// Targets are the namespaces of what is watched; an empty one is not there.
type Targets struct {
	API, Ingress, Database, Certificates, Logs, Zones string
	// Members is the number of copies of the database.
	Members int
	// Backups are those of the database: how often they are due. The zero value has
	// none, and their repository is not asked.
	Backups rules.Backups
	// RenewHours is how long before its end a certificate is renewed.
	RenewHours int
	// Benchmark is the namespace of the platform's benchmark. It is watched by its
	// Jobs, and not asked anything.
	Benchmark string
}
