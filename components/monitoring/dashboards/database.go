package dashboards

import (
	"fmt"

	"slipway.dev/slipway/components/monitoring/rules"
)

func database(o rules.Options) Dashboard {
	member := func(metric string) string {
		return fmt.Sprintf(`max by (name) (%s{job="%s"})`, metric, rules.JobPatroni)
	}
	pool := func(metric, by string) string {
		return fmt.Sprintf(`sum by (%s) (%s{job="%s"})`, by, metric, rules.JobAPI)
	}
	return Dashboard{Name: "database", Title: "Slipway: database", Rows: []Row{
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
}

// left is the share of volumes that is free.
func left(more string) string {
	return fmt.Sprintf(`kubelet_volume_stats_available_bytes{job="%[1]s"%[2]s}
/ kubelet_volume_stats_capacity_bytes{job="%[1]s"%[2]s}`, rules.JobKubelet, more)
}
