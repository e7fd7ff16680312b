package dashboards

import (
	"fmt"
	"slices"

	"slipway.dev/slipway/components/monitoring/rules"
)

func database(o rules.Options) Dashboard {
	member := func(metric string) string {
		return fmt.Sprintf(`max by (name) (%s{job="%s"})`, metric, rules.JobPatroni)
	}
	pool := func(metric, by string) string {
		return fmt.Sprintf(`sum by (%s) (%s{job="%s"})`, by, metric, rules.JobAPI)
	}
	page := Dashboard{Name: "database", Title: "Slipway: database", Rows: []Row{
		{"Right now", []Panel{
			{Title: "Leaders", Tells: "One. None: nobody takes writes. Two: the next thing to read is the runbook.", Unit: Plain, Number: true, Limit: 2,
				Queries: one("slipway:database_leaders:count", "")},
			{Title: "Members that run", Tells: fmt.Sprintf("Of %d.", o.Members), Unit: Plain, Number: true,
				Queries: one(fmt.Sprintf(`sum(patroni_postgres_running{job="%s"})`, rules.JobPatroni), "")},
			{Title: "Replicas that confirm writes", Tells: "With none, a write is on one volume only, or waits.", Unit: Plain, Number: true,
				Queries: one(fmt.Sprintf(`sum(patroni_sync_standby{job="%[1]s"}) + sum(patroni_quorum_standby{job="%[1]s"})`, rules.JobPatroni), "")},
			{Title: "Largest lag", Tells: "How far the last replica is behind.", Unit: Bytes, Number: true, Limit: rules.LagLimit,
				Queries: one("max(slipway:database_lag_bytes)", "")},
		}},
		{"Replication", []Panel{
			{Title: "Who leads", Tells: "1 is the leader. A step from one member to another is a failover or switchover.", Unit: Plain,
				Queries: one(member("patroni_primary"), "{{name}}")},
			{Title: "Lag", Tells: "Behind what any member has, in bytes of the write-ahead log.", Unit: Bytes, Limit: rules.LagLimit,
				Queries: one("slipway:database_lag_bytes", "{{name}}")},
			{Title: "Receiving", Tells: "1 while a replica receives from the leader.", Unit: Plain,
				Queries: one(member("patroni_postgres_streaming"), "{{name}}")},
		}},
		{"Connections", []Panel{
			waiting(),
			{Title: "The API's connections", Tells: "To the poolers, by use. All busy and none idle is full.", Unit: Plain,
				Queries: one(pool("slipway_database_connections", "pool, state"), "{{pool}} {{state}}")},
			{Title: "Away", Tells: "How long some pod has not reached its database; 0 is well.", Unit: Seconds, Limit: 60,
				Queries: one(fmt.Sprintf(`max by (pool) (slipway_database_away_seconds{job="%s"})`, rules.JobAPI), "{{pool}}")},
		}},
		{"What it stands on", []Panel{
			{Title: "Coordination", Tells: "Since a member has last reached the cluster's API, through which it keeps or takes the lead.", Unit: Seconds, Limit: 60,
				Queries: one("time() - "+member("patroni_dcs_last_seen"), "{{name}}")},
			{Title: "Volumes", Tells: "The share that is left.", Unit: Share, Queries: one(left(fmt.Sprintf(`,namespace="%s"`, o.DatabaseNamespace)), "{{persistentvolumeclaim}}")},
			{Title: "Processor", Tells: "Cores, pods of the database and its poolers.", Unit: Plain, Queries: one(cores(o.DatabaseNamespace), "{{pod}}")},
			{Title: "Memory", Tells: "Of the same.", Unit: Bytes,
				Queries: one(usage("container_memory_working_set_bytes", o.DatabaseNamespace), "{{pod}}")},
		}},
	}}
	if slices.Contains(o.Jobs, rules.JobPostgres) {
		page.Rows = append(page.Rows, members(), transactions(), poolers())
	}
	return page
}

// members are what PostgreSQL tells of itself, of each member apart.
func members() Row {
	pg := func(metric string) string { return fmt.Sprintf(`%s{job="%s"}`, metric, rules.JobPostgres) }
	return Row{"PostgreSQL", []Panel{
		{Title: "Connections in use", Tells: "The share of those that a member accepts.", Unit: Share, Limit: rules.ConnectionShare,
			Queries: one(fmt.Sprintf(`sum by (pod) (%s) / on (pod) %s`, pg("pg_stat_activity_count"), pg("pg_settings_max_connections")), "{{pod}}")},
		{Title: "Sessions", Tells: "By what they are doing, of all members. Idle in transaction holds locks for nothing.", Unit: Plain,
			Queries: one(fmt.Sprintf(`sum by (state) (%s)`, pg("pg_stat_activity_count")), "{{state}}")},
		{Title: "Oldest transaction", Tells: "Vacuum removes nothing that is younger.", Unit: Seconds, Limit: rules.TransactionLimit.Seconds(),
			Queries: one(fmt.Sprintf(`max by (pod) (%s)`, pg("pg_stat_activity_max_tx_duration")), "{{pod}}")},
		{Title: "Log kept for replicas", Tells: "By slot. Beyond a quarter of the volume a replica is cut off.", Unit: Bytes,
			Queries: one(fmt.Sprintf(`max by (pod, slot_name) (%s)`, pg("pg_replication_slots_pg_wal_lsn_diff")), "{{pod}} for {{slot_name}}")},
	}}
}

// transactions are what the databases do, whoever leads.
func transactions() Row {
	rate := func(metric string) string {
		return fmt.Sprintf(`sum by (datname) (rate(%s{job="%s"}[5m]))`, metric, rules.JobPostgres)
	}
	most := func(metric string) string {
		return fmt.Sprintf(`max by (datname) (%s{job="%s"})`, metric, rules.JobPostgres)
	}
	return Row{"Databases", []Panel{
		{Title: "Transactions", Tells: "A second, by how they ended.", Unit: PerSecond, Queries: []Query{
			{rate("pg_stat_database_xact_commit"), "{{datname}} committed"}, {rate("pg_stat_database_xact_rollback"), "{{datname}} rolled back"},
		}},
		{Title: "Deadlocks and conflicts", Tells: "Deadlocks are the service's; conflicts are queries on a replica that replay could not wait for.", Unit: PerSecond, Queries: []Query{
			{rate("pg_stat_database_deadlocks"), "{{datname}} deadlocks"}, {rate("pg_stat_database_conflicts"), "{{datname}} conflicts"},
		}},
		{Title: "Size", Tells: "On the volume of the member where it is largest.", Unit: Bytes, Queries: one(most("pg_database_size_bytes"), "{{datname}}")},
		{Title: "Transactions since the oldest was frozen", Tells: "A sawtooth is well: vacuum freezes from 200 million on. At 2.1 billion nothing is written.", Unit: Plain, Limit: rules.AgeLimit,
			Queries: one(most("pg_database_frozenxid_age"), "{{datname}}")},
	}}
}

// poolers are what PgBouncer tells of itself.
func poolers() Row {
	bouncer := func(metric, by string) string {
		return fmt.Sprintf(`sum by (%s) (%s{job="%s"})`, by, metric, rules.JobPgBouncer)
	}
	return Row{"Poolers", []Panel{
		{Title: "Clients that wait", Tells: "For a connection to the database. Always somebody: the pool is full, or the database is away.", Unit: Plain,
			Queries: one(bouncer("pgbouncer_pools_client_waiting_connections", "pod"), "{{pod}}")},
		{Title: "Longest wait", Tells: "Of the client that is next.", Unit: Seconds,
			Queries: one(fmt.Sprintf(`max by (pod) (pgbouncer_pools_client_maxwait_seconds{job="%s"})`, rules.JobPgBouncer), "{{pod}}")},
		{Title: "Poolers' connections", Tells: "To the database, by use.", Unit: Plain, Queries: []Query{
			{bouncer("pgbouncer_pools_server_active_connections", "pod"), "{{pod}} in use"}, {bouncer("pgbouncer_pools_server_idle_connections", "pod"), "{{pod}} idle"},
		}},
		{Title: "Clients", Tells: "Connected to each pooler.", Unit: Plain, Queries: one(bouncer("pgbouncer_used_clients", "pod"), "{{pod}}")},
	}}
}

// left is the share of volumes that is free.
func left(more string) string {
	return fmt.Sprintf(`kubelet_volume_stats_available_bytes{job="%[1]s"%[2]s}
/ kubelet_volume_stats_capacity_bytes{job="%[1]s"%[2]s}`, rules.JobKubelet, more)
}
