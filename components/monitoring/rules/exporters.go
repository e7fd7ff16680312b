package rules

import (
	"fmt"
	"slices"
	"time"
)

// Bounds from which on a member or pooler is looked after.
const (
	// ConnectionShare is the share of the connections there may be that is in use.
	ConnectionShare = 0.85
	// TransactionLimit is how long a transaction may be open.
	TransactionLimit = 15 * time.Minute
	// AgeLimit is how many transactions may pass before a row is frozen. From 2^31
	// on PostgreSQL refuses to write; its vacuum begins at a fifth of this.
	AgeLimit = 1_000_000_000
	// SlotShare is the share that one slot holds of what is kept for it at most.
	SlotShare = 0.5
	// DeadlockLimit is how many deadlocks in a quarter of an hour are no accident.
	DeadlockLimit = 5
)

// exporters watches what PostgreSQL and PgBouncer tell of themselves. Each member
// and pooler is judged by what its own exporter says, so one that is gone takes no
// other one's alert with it; what all members know is taken from any. Where the
// exporters are silent nothing of this can fire, which the first alert of either
// group is about.
func exporters(o Options) []Group {
	if !slices.Contains(o.Jobs, JobPostgres) {
		return nil
	}
	return []Group{members(), poolers()}
}

func members() Group {
	pg := func(metric string) string { return fmt.Sprintf(`%s{job="%s"}`, metric, JobPostgres) }
	return Group{Name: "slipway-members", Alerts: []Alert{
		{
			Name: "DatabaseMetricsMissing", Severity: Warning, For: 10 * time.Minute,
			Expr: fmt.Sprintf(`max by (pod) (patroni_postgres_running{job="%s"}) == 1
unless on (pod)
(%s == 1 and on (pod) %s == 0)`, JobPatroni, pg("pg_up"), pg("pg_exporter_last_scrape_error")),
			Summary:     "Member {{ $labels.pod }} runs, and its exporter says nothing of it",
			Description: "Alerts about its connections, transactions and slots cannot fire.",
		},
		{
			Name: "DatabaseConnectionsNearLimit", Severity: Warning, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`sum by (pod) (%s) / on (pod) %s > %s`,
				pg("pg_stat_activity_count"), pg("pg_settings_max_connections"), number(ConnectionShare)),
			Summary:     "{{ $value | humanizePercentage }} of the connections to {{ $labels.pod }} are in use",
			Description: "When all are, the next client is refused, poolers among them.",
		},
		{
			Name: "DatabaseTransactionOld", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`max by (pod, state) (%s) > %d`, pg("pg_stat_activity_max_tx_duration"), int(TransactionLimit.Seconds())),
			Summary:     "A transaction in {{ $labels.pod }} is open for {{ $value | humanizeDuration }}, now {{ $labels.state }}",
			Description: "It keeps its locks, and vacuum from removing what was deleted since: tables grow.",
		},
		{
			Name: "DatabaseWraparoundNear", Severity: Critical, For: 30 * time.Minute,
			Expr: fmt.Sprintf(`max by (datname) (%s) > %d
or
max by (datname) (%s) > %d`, pg("pg_database_frozenxid_age"), AgeLimit, pg("pg_database_minmxid_age"), AgeLimit),
			Summary:     "Database {{ $labels.datname }} was not vacuumed for {{ $value | humanize }} transactions",
			Description: "At 2.1 billion PostgreSQL takes no writes any more. Something keeps vacuum from its work.",
		},
		{
			Name: "DatabaseDeadlocks", Severity: Warning,
			Expr:        fmt.Sprintf(`sum by (datname) (increase(%s[15m])) > %d`, pg("pg_stat_database_deadlocks"), DeadlockLimit),
			Summary:     "{{ $value | humanize }} deadlocks in {{ $labels.datname }} within 15 minutes",
			Description: "Each ends one of its transactions. Some part of the service takes its locks in another order.",
		},
		{
			Name: "DatabaseSlotHoldsLog", Severity: Warning, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`max by (pod, slot_name) (%s) / on (pod) group_left () (%s > 0) > %s`,
				pg("pg_replication_slots_pg_wal_lsn_diff"), pg("pg_settings_max_slot_wal_keep_size_bytes"), number(SlotShare)),
			Summary:     "Slot {{ $labels.slot_name }} in {{ $labels.pod }} holds {{ $value | humanizePercentage }} of the log that may be kept for it",
			Description: "Beyond all of it the log is removed, and whoever should receive it has to be cloned anew.",
		},
	}}
}

func poolers() Group {
	bouncer := func(metric string) string { return fmt.Sprintf(`%s{job="%s"}`, metric, JobPgBouncer) }
	return Group{Name: "slipway-poolers", Alerts: []Alert{
		{
			Name: "PoolerMetricsMissing", Severity: Warning, For: 10 * time.Minute,
			Expr:        bouncer("pgbouncer_up") + " == 0",
			Summary:     "Pooler {{ $labels.pod }} does not answer its own exporter",
			Description: "Alerts about its clients cannot fire. Whether it answers others, the API's own figures say.",
		},
		{
			Name: "PoolerClientsWaiting", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`min_over_time(%s[2m]) > 0`, bouncer("pgbouncer_pools_client_waiting_connections")),
			Summary:     "{{ $value }} clients of {{ $labels.pod }} wait for a connection to {{ $labels.database }}",
			Description: "All connections of its pool have been in use for minutes, or none can be made.",
		},
		{
			Name: "PoolerClientsNearLimit", Severity: Warning, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`%s / %s > %s`, bouncer("pgbouncer_used_clients"),
				bouncer("pgbouncer_config_max_client_connections"), number(ConnectionShare)),
			Summary:     "{{ $labels.pod }} serves {{ $value | humanizePercentage }} of the clients it may",
			Description: "When it serves all, the next one is refused.",
		},
	}}
}
