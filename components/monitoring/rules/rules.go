package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Severities of alerts.
const (
	Critical = "critical"
	Warning  = "warning"
	None     = "none"
)

// Watchdog is the alert that always fires.
const Watchdog = "Watchdog"

// Job names as scraped, which the rules refer to.
const (
	JobAlertmanager = "alertmanager"
	JobAPI          = "api"
	JobAPIServer    = "apiserver"
	JobBackups      = "backups"
	JobCAdvisor     = "cadvisor"
	JobCertManager  = "cert-manager"
	JobClusterDNS   = "cluster-dns"
	JobCollector    = "collector"
	JobKubelet      = "kubelet"
	JobNode         = "node"
	JobPatroni      = "patroni"
	JobPgBouncer    = "pgbouncer"
	JobPostgres     = "postgres"
	JobPrometheus   = "prometheus"
	JobState        = "kube-state-metrics"
	JobTraefik      = "traefik"
	JobZones        = "zones"
)

// Options is what the rules depend on.
type Options struct {
	// APINamespace, IngressNamespace and DatabaseNamespace are where those run.
	APINamespace, IngressNamespace, DatabaseNamespace string
	// Members is the number of copies of the database.
	Members int
	// Availability and Latency are the objectives of the API: the share of
	// requests that are not answered 5xx, and the share answered within
	// LatencySeconds, each between 0 and 1.
	Availability, Latency float64
	// LatencySeconds is one of LatencyBounds.
	LatencySeconds float64
	// RenewHours is how long before its end a certificate is renewed.
	RenewHours int
	// Backups are those of the database.
	Backups Backups
	// BenchmarkNamespace is where the platform is measured, empty where it is not.
	BenchmarkNamespace string
	// Jobs are what is scraped.
	Jobs []string
	// Runbooks is put before the name of a runbook, such as an URL that ends in
	// a slash. Empty: the page's path in this repository.
	Runbooks string
}

// LatencyBounds are the values of Options.LatencySeconds: the bounds of the
// buckets by which the ingress counts, in seconds.
var LatencyBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// Group is evaluated as one, in order.
type Group struct {
	Name string
	// Every is how often. 0: as often as Prometheus scrapes.
	Every   time.Duration
	Records []Record
	Alerts  []Alert
}

// Record is a series computed from others.
type Record struct{ Name, Expr string }

// Alert fires when Expr has had a result for For.
type Alert struct {
	Name, Expr string
	For        time.Duration
	Severity   string
	// Summary says in one line what is wrong, Description what it means and for
	// what; both may use Prometheus's templates.
	Summary, Description string
}

// Groups returns all rules.
func Groups(o Options) []Group {
	groups := []Group{
		objectives(o), longObjectives(o),
		monitoring(o), cluster(), workloads(o), ingress(o), api(), database(o), certificates(o),
	}
	return slices.Concat(groups, exporters(o), names(o), logs(o), backups(o), benchmark(o))
}

// Alerts returns every alert there is with o.
func Alerts(o Options) []Alert {
	var all []Alert
	for _, group := range Groups(o) {
		all = append(all, group.Alerts...)
	}
	return all
}

// File writes groups as a rule file of Prometheus.
func File(o Options, groups []Group) (string, error) {
	type entry struct {
		Record      string            `json:"record,omitempty"`
		Alert       string            `json:"alert,omitempty"`
		Expr        string            `json:"expr"`
		For         string            `json:"for,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	type block struct {
		Name     string  `json:"name"`
		Interval string  `json:"interval,omitempty"`
		Rules    []entry `json:"rules"`
	}
	var file struct {
		Groups []block `json:"groups"`
	}
	for _, group := range groups {
		written := block{Name: group.Name, Interval: span(group.Every)}
		for _, r := range group.Records {
			written.Rules = append(written.Rules, entry{Record: r.Name, Expr: r.Expr})
		}
		for _, a := range group.Alerts {
			written.Rules = append(written.Rules, entry{
				Alert: a.Name, Expr: a.Expr, For: span(a.For),
				Labels: map[string]string{"severity": a.Severity},
				Annotations: map[string]string{
					"summary": a.Summary, "description": a.Description, "runbook_url": o.runbook(a.Name),
				},
			})
		}
		file.Groups = append(file.Groups, written)
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		return "", fmt.Errorf("writing the rule file: %w", err)
	}
	return string(text), nil
}

func (o Options) runbook(alert string) string {
	base := o.Runbooks
	if base == "" {
		base = "docs/runbooks/"
	}
	return base + alert + ".md"
}

// span writes a duration as Prometheus reads it, in its largest whole unit.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	default:
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
}

// number writes a number without an exponent and without zeros at its end.
func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// either is an expression that has a result when one of parts has.
func either(parts ...string) string { return strings.Join(parts, "\nor\n") }
