package stacks

// Monitoring says what is watched and who is told.
type Monitoring struct {
	// Enabled declares Prometheus, Alertmanager and exporters, and lets them in
	// where they scrape.
	Enabled bool `json:"enabled"`
	// Replicas is the number of Prometheus and Alertmanager pods each. With 1,
	// nobody is told anything while it is moved to another node.
	Replicas int `json:"replicas" min:"1" max:"5"`
	// ScrapeSeconds is how often everything is asked. Shorter notices sooner and
	// costs more memory and disk.
	ScrapeSeconds int `json:"scrapeSeconds" min:"5" max:"60"`
	// RetentionDays is how long samples are kept.
	RetentionDays int `json:"retentionDays" min:"1" max:"400"`
	// RetentionSize is how much of the volume samples may take before the oldest
	// go. Left out, 80 % of storage.
	RetentionSize string `json:"retentionSize"`
	// Storage is the size of each Prometheus's volume. It cannot change; grow the
	// volume claims where the driver allows it.
	Storage string `json:"storage"`
	// Memory is reserved for each Prometheus and is its limit; 256Mi are enough
	// for some 40000 series.
	Memory string `json:"memory"`
	// Objectives are what the API promises; alerts follow from them.
	Objectives Objectives `json:"objectives"`
	// Receiver is who is told of alerts.
	Receiver Receiver `json:"receiver"`
	// GrafanaNamespace is the namespace of a Grafana that runs in the cluster.
	// Dashboards are declared for it, as ConfigMaps of the namespace
	// slipway-monitoring with the label grafana_dashboard, and it is let in to
	// Prometheus. Left out, there are none; `slipway dash` needs no Grafana.
	GrafanaNamespace string `json:"grafanaNamespace"`
	// Runbooks is what the links to runbooks in alerts begin with, such as an
	// URL that ends in a slash. Left out, their path in this repository.
	Runbooks string `json:"runbooks"`
	// Unprotected lets a destroy delete Prometheus and its samples. Setting and
	// applying it is the first of two steps.
	Unprotected bool `json:"unprotected"`
}

// Objectives are what the API promises, over 30 days.
type Objectives struct {
	// AvailabilityPercent is the share of requests that are not answered with an
	// error of the server's, such as "99.9".
	AvailabilityPercent string `json:"availabilityPercent"`
	// LatencyPercent is the share of requests that are answered within
	// latencySeconds.
	LatencyPercent string `json:"latencyPercent"`
	// LatencySeconds is one of the bounds that requests are counted by: 0.005,
	// 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 or 10.
	LatencySeconds string `json:"latencySeconds"`
}

// Receiver is who is told of alerts. Set its fields with `pulumi config set
// --secret --path`: such addresses are keys.
type Receiver struct {
	// WebhookURL is sent alerts as JSON, in the format of Alertmanager's webhook.
	// Left out, alerts are only to be seen in Alertmanager.
	WebhookURL string `json:"webhookURL"`
	// DeadmanURL is sent a sign of life every minute, for a service elsewhere that
	// raises an alarm when it stops coming. Left out, nobody notices when
	// monitoring itself is gone.
	DeadmanURL string `json:"deadmanURL"`
}
