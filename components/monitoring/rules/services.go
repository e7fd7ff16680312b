package rules

import (
	"fmt"
	"slices"
	"time"
)

func ingress(o Options) Group {
	requests := func(more string) string {
		return fmt.Sprintf(`sum(rate(traefik_entrypoint_requests_total{job="%s"%s}[5m]))`, JobTraefik, more)
	}
	return Group{Name: "slipway-ingress", Alerts: []Alert{
		{
			Name: "IngressErrors", Severity: Critical, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`%s / (%s > 0) > 0.05`, requests(`,code=~"5.."`), requests("")),
			Summary:     "{{ $value | humanizePercentage }} of all requests are answered with 5xx",
			Description: "Counted at the ingress, whoever is behind it.",
		},
		{
			Name: "IngressDown", Severity: Critical, For: time.Minute,
			Expr: fmt.Sprintf(`(sum(kube_pod_status_ready{job="%s",namespace="%s",condition="true"}) or vector(0)) == 0
and on ()
count(up{job="%s"} == 1) > 0`, JobState, o.IngressNamespace, JobState),
			Summary:     "No proxy is ready: nothing can be reached from outside",
			Description: "No pod in namespace " + o.IngressNamespace + " is ready.",
		},
	}}
}

func api() Group {
	return Group{Name: "slipway-api", Alerts: []Alert{
		{
			Name: "ApiDown", Severity: Critical, For: time.Minute,
			Expr:        fmt.Sprintf(`absent(up{job="%s"} == 1)`, JobAPI),
			Summary:     "No pod of the API answers",
			Description: "Every request is answered 503.",
		},
		{
			Name: "ApiDatabaseAway", Severity: Critical, For: 2 * time.Minute,
			Expr:        fmt.Sprintf(`min by (pool) (slipway_database_away_seconds{job="%s"}) > 60`, JobAPI),
			Summary:     "The API has had no {{ $labels.pool }} database for {{ $value | humanizeDuration }}",
			Description: "No pod reaches it. Requests that need it are answered 503.",
		},
		{
			Name: "ApiConnectionsSaturated", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`min_over_time(slipway_database_waiting{job="%s"}[2m]) > 0`, JobAPI),
			Summary:     "Requests in {{ $labels.pod }} wait for a connection to the {{ $labels.pool }} database",
			Description: "All connections of this pod have been in use for minutes; {{ $value }} requests wait.",
		},
		{
			Name: "ApiWritesUnknown", Severity: Warning,
			Expr:        fmt.Sprintf(`increase(slipway_database_unknown_outcomes_total{job="%s"}[15m]) > 0`, JobAPI),
			Summary:     "Of {{ $value }} writes nobody knows whether they were stored",
			Description: "The connection broke during the commit. Clients were told so; a repeat with the same idempotency key settles it.",
		},
	}}
}

// LagLimit is the lag that is too much, in bytes: what Patroni itself calls
// lagging, and one segment of the log for good measure.
const LagLimit = 4 * 16 << 20

// The database's alerts are computed over what every member says. A member that
// is gone says nothing, so whatever only the leader knows would fall silent
// with it; that there is no leader is what the others say.
func database(o Options) Group {
	patroni := func(metric, more string) string { return fmt.Sprintf(`%s{job="%s"%s}`, metric, JobPatroni, more) }
	group := Group{Name: "slipway-database", Records: []Record{
		{"slipway:database_leaders:count", "sum(" + patroni("patroni_primary", "") + ") or vector(0)"},
		{"slipway:database_lag_bytes", fmt.Sprintf(`max by (scope) ({__name__=~"patroni_xlog_location|patroni_xlog_received_location",job="%s"})
- on (scope) group_right ()
(%s and %s == 1)`, JobPatroni, patroni("patroni_xlog_replayed_location", ""), patroni("patroni_replica", ""))},
	}, Alerts: []Alert{
		{
			Name: "DatabaseNoLeader", Severity: Critical, For: time.Minute,
			Expr:        "slipway:database_leaders:count == 0",
			Summary:     "The database has no leader",
			Description: "No member says that it leads. Writes wait, then fail; reads go on while replicas run.",
		},
		{
			Name: "DatabaseTwoLeaders", Severity: Critical, For: time.Minute,
			Expr:        "slipway:database_leaders:count > 1",
			Summary:     "{{ $value }} members of the database say that they lead",
			Description: "Only one can have the lock. The others should have stopped.",
		},
		{
			Name: "DatabaseMemberDown", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`(count(%s == 1) or vector(0)) < %d`, patroni("patroni_postgres_running", ""), o.Members),
			Summary:     fmt.Sprintf("Only {{ $value }} of %d members of the database run", o.Members),
			Description: "The next failure may stop writes.",
		},
		{
			Name: "DatabaseCoordinationLost", Severity: Critical, For: 2 * time.Minute,
			Expr:        fmt.Sprintf(`time() - %s > 60`, patroni("patroni_dcs_last_seen", "")),
			Summary:     "Member {{ $labels.name }} has not reached the cluster's API for {{ $value | humanizeDuration }}",
			Description: "A leader goes on only as long as every member answers it; a failover is impossible.",
		},
	}}
	if o.Members > 1 {
		group.Alerts = append(group.Alerts, Alert{
			Name: "DatabaseReplicaNotStreaming", Severity: Warning, For: 3 * time.Minute,
			Expr:        fmt.Sprintf(`%s == 1 and %s == 0`, patroni("patroni_replica", ""), patroni("patroni_postgres_streaming", "")),
			Summary:     "Replica {{ $labels.name }} does not follow the leader",
			Description: "It receives no changes. It falls behind, and cannot take over without losing what it lacks.",
		}, Alert{
			Name: "DatabaseReplicationLag", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`slipway:database_lag_bytes > %d`, LagLimit),
			Summary:     "Replica {{ $labels.name }} is {{ $value | humanize1024 }}B behind",
			Description: "Reads from it are old, and its promotion would take longer.",
		}, Alert{
			Name: "DatabaseNotSynchronous", Severity: Critical, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`sum(%s) + sum(%s) == 0 and on () slipway:database_leaders:count == 1`,
				patroni("patroni_sync_standby", ""), patroni("patroni_quorum_standby", "")),
			Summary:     "No replica confirms writes",
			Description: "With strict durability writes wait for ever; otherwise they are on one volume only.",
		})
	}
	return group
}

func certificates(o Options) Group {
	// A renewal is tried again and again from RenewHours before the end; when
	// half of that is over it does not work.
	left := o.RenewHours * 3600 / 2
	return Group{Name: "slipway-certificates", Alerts: []Alert{
		{
			Name: "CertificateExpiring", Severity: Critical, For: 10 * time.Minute,
			Expr: fmt.Sprintf(`certmanager_certificate_expiration_timestamp_seconds{job="%s"} > 0 and certmanager_certificate_expiration_timestamp_seconds{job="%s"} - time() < %d`,
				JobCertManager, JobCertManager, left),
			Summary:     "Certificate {{ $labels.namespace }}/{{ $labels.name }} is about to end and is not renewed",
			Description: "It ends at {{ $value | humanizeTimestamp }}. Renewal should have happened long before.",
		},
		{
			Name: "CertificateNotReady", Severity: Warning, For: 15 * time.Minute,
			Expr:        fmt.Sprintf(`certmanager_certificate_ready_status{job="%s",condition="True"} == 0`, JobCertManager),
			Summary:     "Certificate {{ $labels.namespace }}/{{ $labels.name }} is not issued",
			Description: "Whoever needs it cannot start, or goes on with the old one until that ends.",
		},
	}}
}

// names watches the servers of names that are scraped.
func names(o Options) []Group {
	var parts []string
	for _, job := range []string{JobClusterDNS, JobZones} {
		if !slices.Contains(o.Jobs, job) {
			continue
		}
		responses := func(more string) string {
			return fmt.Sprintf(`sum by (job) (rate(coredns_dns_responses_total{job="%s"%s}[5m]))`, job, more)
		}
		parts = append(parts, fmt.Sprintf(`%s / (%s > 0) > 0.05`, responses(`,rcode="SERVFAIL"`), responses("")))
	}
	if len(parts) == 0 {
		return nil
	}
	return []Group{{Name: "slipway-names", Alerts: []Alert{{
		Name: "NamesFailing", Severity: Critical, For: 5 * time.Minute,
		Expr:        either(parts...),
		Summary:     "{{ $value | humanizePercentage }} of questions to {{ $labels.job }} fail",
		Description: "Answered SERVFAIL. Whoever looks up a name waits and then fails.",
	}}}}
}
