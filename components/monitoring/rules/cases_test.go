package rules_test

import "slices"

// example is a platform shown to Prometheus.
type example struct {
	alert, title string
	fires        bool
	// at is when it is asked, interval the time between two samples, 30 s unless
	// said otherwise.
	at, interval string
	// series are "metric{labels} => values" in promtool's notation: 1x40 is forty
	// times more the same, 0+5x40 adds five each time, _ is no sample.
	series []string
}

const (
	fires  = true
	silent = false
)

// members are three members of the database with leaders in first place.
func members(leaders, running, streaming string) []string {
	return []string{
		`patroni_primary{job="patroni",scope="postgres",name="postgres-0"} => ` + leaders,
		`patroni_primary{job="patroni",scope="postgres",name="postgres-1"} => 0x60`,
		`patroni_postgres_running{job="patroni",name="postgres-0"} => ` + running,
		`patroni_postgres_running{job="patroni",name="postgres-1"} => 1x60`,
		`patroni_postgres_running{job="patroni",name="postgres-2"} => 1x60`,
		`patroni_replica{job="patroni",scope="postgres",name="postgres-1"} => 1x60`,
		`patroni_postgres_streaming{job="patroni",scope="postgres",name="postgres-1"} => ` + streaming,
	}
}

// requests are what the ingress counts for the API: all of them, those that
// failed, and those within half a second, by what each grows in an interval.
func requests(count, all, failed, quick string) []string {
	const to = `job="traefik",router="websecure-slipway-api-api-1a2b@kubernetescrd"`
	return []string{
		`traefik_router_requests_total{` + to + `,code="200"} => 0+` + all + `x` + count,
		`traefik_router_requests_total{` + to + `,code="500"} => 0+` + failed + `x` + count,
		`traefik_router_request_duration_seconds_count{` + to + `} => 0+` + all + `x` + count,
		`traefik_router_request_duration_seconds_bucket{` + to + `,le="0.5"} => 0+` + quick + `x` + count,
		`traefik_router_request_duration_seconds_bucket{` + to + `,le="+Inf"} => 0+` + all + `x` + count,
		// Another service's errors are not the API's.
		`traefik_router_requests_total{job="traefik",router="websecure-other-1a2b@kubernetescrd",code="500"} => 0+1000x` + count,
	}
}

func cases() []example {
	all := []example{
		{"Watchdog", "always", fires, "5m", "", nil},
		{"TargetDown", "one is down", fires, "15m", "", []string{`up{job="api",instance="a"} => 1x5 0x60`, `up{job="api",instance="b"} => 1x60`}},
		{"TargetDown", "one scrape fails", silent, "15m", "", []string{`up{job="api",instance="a"} => 1x10 0 1x60`}},
		{"JobAbsent", "all are down", fires, "15m", "", []string{`up{job="api",instance="a"} => 0x60`}},
		{"JobAbsent", "none is listed", fires, "15m", "", []string{`up{job="api"} => 1x60`}},
		{"JobAbsent", "one of each is up", silent, "15m", "", []string{
			`up{job="api",instance="a"} => 0x60`, `up{job="api",instance="b"} => 1x60`, `up{job="traefik"} => 1x60`,
			`up{job="kube-state-metrics"} => 1x60`, `up{job="cluster-dns"} => 1x60`, `up{job="zones"} => 1x60`, `up{job="collector"} => 1x60`,
			`up{job="postgres"} => 1x60`,
		}},
		{"RulesFailing", "failures", fires, "20m", "", []string{`prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="g"} => 0+1x60`}},
		{"RulesFailing", "an old failure", silent, "20m", "", []string{`prometheus_rule_evaluation_failures_total{job="prometheus",rule_group="g"} => 7x60`}},
		{"MetricsNotStored", "nothing is stored", fires, "20m", "", []string{`prometheus_tsdb_head_samples_appended_total{job="prometheus"} => 100x60`}},
		{"MetricsNotStored", "the log cannot be written", fires, "20m", "", []string{
			`prometheus_tsdb_head_samples_appended_total{job="prometheus"} => 0+100x60`, `prometheus_tsdb_wal_writes_failed_total{job="prometheus"} => 0+1x60`,
		}},
		{"MetricsNotStored", "all is well", silent, "20m", "", []string{
			`prometheus_tsdb_head_samples_appended_total{job="prometheus"} => 0+100x60`, `prometheus_tsdb_wal_writes_failed_total{job="prometheus"} => 0x60`,
		}},
		{"MetricsExploding", "too many", fires, "20m", "", []string{`prometheus_tsdb_head_series{job="prometheus"} => 41000x60`}},
		{"MetricsExploding", "many", silent, "20m", "", []string{`prometheus_tsdb_head_series{job="prometheus"} => 39000x60`}},
		{"NotificationsFailing", "the receiver refuses", fires, "15m", "", []string{`alertmanager_notifications_failed_total{job="alertmanager",integration="webhook"} => 0+1x60`}},
		{"NotificationsFailing", "Alertmanager is gone", fires, "15m", "", []string{`prometheus_notifications_alertmanagers_discovered{job="prometheus"} => 0x60`}},
		{"NotificationsFailing", "all is well", silent, "15m", "", []string{
			`alertmanager_notifications_failed_total{job="alertmanager",integration="webhook"} => 0x60`,
			`prometheus_notifications_errors_total{job="prometheus"} => 2x60`,
			`prometheus_notifications_alertmanagers_discovered{job="prometheus"} => 1x60`,
		}},
		{"NodeNotReady", "not ready", fires, "5m", "", []string{`kube_node_status_condition{job="kube-state-metrics",node="n",condition="Ready",status="true"} => 0x60`}},
		{"NodeNotReady", "ready again in time", silent, "5m", "", []string{`kube_node_status_condition{job="kube-state-metrics",node="n",condition="Ready",status="true"} => 1x3 0x2 1x60`}},
		{"NodeMemoryShort", "little", fires, "15m", "", []string{`node_memory_MemAvailable_bytes{job="node",node="n"} => 4x60`, `node_memory_MemTotal_bytes{job="node",node="n"} => 100x60`}},
		{"NodeMemoryShort", "enough", silent, "15m", "", []string{`node_memory_MemAvailable_bytes{job="node",node="n"} => 6x60`, `node_memory_MemTotal_bytes{job="node",node="n"} => 100x60`}},
		{"NodeDiskFilling", "filling", fires, "7h", "5m", []string{`node_filesystem_avail_bytes{job="node",mountpoint="/"} => 500-5x84`, `node_filesystem_size_bytes{job="node",mountpoint="/"} => 1000x84`}},
		{"NodeDiskFilling", "full and steady", silent, "7h", "5m", []string{`node_filesystem_avail_bytes{job="node",mountpoint="/"} => 50x84`, `node_filesystem_size_bytes{job="node",mountpoint="/"} => 1000x84`}},
		{"VolumeFilling", "filling", fires, "7h", "5m", []string{`kubelet_volume_stats_available_bytes{job="kubelet",persistentvolumeclaim="c"} => 500-4.5x84`, `kubelet_volume_stats_capacity_bytes{job="kubelet",persistentvolumeclaim="c"} => 1000x84`}},
		{"VolumeFilling", "filling with much left", silent, "7h", "5m", []string{`kubelet_volume_stats_available_bytes{job="kubelet",persistentvolumeclaim="c"} => 900-4.5x84`, `kubelet_volume_stats_capacity_bytes{job="kubelet",persistentvolumeclaim="c"} => 1000x84`}},
		{"VolumeFull", "full", fires, "5m", "", []string{`kubelet_volume_stats_available_bytes{job="kubelet",persistentvolumeclaim="c"} => 20x60`, `kubelet_volume_stats_capacity_bytes{job="kubelet",persistentvolumeclaim="c"} => 1000x60`}},
		{"VolumeFull", "no files left", fires, "5m", "", []string{`kubelet_volume_stats_inodes_free{job="kubelet",persistentvolumeclaim="c"} => 1x60`, `kubelet_volume_stats_inodes{job="kubelet",persistentvolumeclaim="c"} => 1000x60`}},
		{"VolumeFull", "a file system without a number of files", silent, "5m", "", []string{
			`kubelet_volume_stats_inodes_free{job="kubelet",persistentvolumeclaim="c"} => 0x60`, `kubelet_volume_stats_inodes{job="kubelet",persistentvolumeclaim="c"} => 0x60`,
			`kubelet_volume_stats_available_bytes{job="kubelet",persistentvolumeclaim="c"} => 40x60`, `kubelet_volume_stats_capacity_bytes{job="kubelet",persistentvolumeclaim="c"} => 1000x60`,
		}},
		{"ApiServerErrors", "one in ten", fires, "15m", "", []string{`apiserver_request_total{job="apiserver",code="200"} => 0+90x60`, `apiserver_request_total{job="apiserver",code="500"} => 0+10x60`}},
		{"ApiServerErrors", "one in a hundred, and refusals", silent, "15m", "", []string{
			`apiserver_request_total{job="apiserver",code="200"} => 0+90x60`, `apiserver_request_total{job="apiserver",code="500"} => 0+1x60`,
			`apiserver_request_total{job="apiserver",code="409"} => 0+50x60`,
		}},
		{"PodCrashLooping", "in a loop", fires, "12m", "", []string{`kube_pod_container_status_waiting_reason{job="kube-state-metrics",pod="p",reason="CrashLoopBackOff"} => 1 _ _ 1 _ _ 1 _ _ 1 _ _ 1 _ _ 1 _ _ 1 _ _ 1 _ _ 1`}},
		{"PodCrashLooping", "one restart", silent, "12m", "", []string{`kube_pod_container_status_waiting_reason{job="kube-state-metrics",pod="p",reason="CrashLoopBackOff"} => 1 _x30`}},
		{"PodNotReady", "not ready", fires, "20m", "", []string{
			`kube_pod_status_ready{job="kube-state-metrics",namespace="n",pod="p",condition="false"} => 1x60`,
			`kube_pod_status_phase{job="kube-state-metrics",namespace="n",pod="p",phase="Pending"} => 1x60`,
			`kube_pod_status_phase{job="kube-state-metrics",namespace="n",pod="p",phase="Succeeded"} => 0x60`,
		}},
		{"PodNotReady", "a job that has ended", silent, "20m", "", []string{
			`kube_pod_status_ready{job="kube-state-metrics",namespace="n",pod="p",condition="false"} => 1x60`,
			`kube_pod_status_phase{job="kube-state-metrics",namespace="n",pod="p",phase="Succeeded"} => 1x60`,
		}},
		{"RolloutStuck", "beyond its deadline", fires, "15m", "", []string{`kube_deployment_status_condition{job="kube-state-metrics",deployment="d",condition="Progressing",status="false"} => 1x60`}},
		{"RolloutStuck", "not taken up", fires, "15m", "", []string{`kube_deployment_status_observed_generation{job="kube-state-metrics",deployment="d"} => 3x60`, `kube_deployment_metadata_generation{job="kube-state-metrics",deployment="d"} => 4x60`}},
		{"RolloutStuck", "done", silent, "15m", "", []string{
			`kube_deployment_status_condition{job="kube-state-metrics",deployment="d",condition="Progressing",status="false"} => 0x60`,
			`kube_deployment_status_observed_generation{job="kube-state-metrics",deployment="d"} => 4x60`, `kube_deployment_metadata_generation{job="kube-state-metrics",deployment="d"} => 4x60`,
		}},
		{"StatefulSetIncomplete", "one is missing", fires, "15m", "", []string{`kube_statefulset_status_replicas_ready{job="kube-state-metrics",statefulset="s"} => 2x60`, `kube_statefulset_replicas{job="kube-state-metrics",statefulset="s"} => 3x60`}},
		{"StatefulSetIncomplete", "complete", silent, "15m", "", []string{`kube_statefulset_status_replicas_ready{job="kube-state-metrics",statefulset="s"} => 3x60`, `kube_statefulset_replicas{job="kube-state-metrics",statefulset="s"} => 3x60`}},
		{"DaemonSetIncomplete", "one is missing", fires, "15m", "", []string{`kube_daemonset_status_number_ready{job="kube-state-metrics",daemonset="s"} => 2x60`, `kube_daemonset_status_desired_number_scheduled{job="kube-state-metrics",daemonset="s"} => 3x60`}},
		{"DaemonSetIncomplete", "complete", silent, "15m", "", []string{`kube_daemonset_status_number_ready{job="kube-state-metrics",daemonset="s"} => 3x60`, `kube_daemonset_status_desired_number_scheduled{job="kube-state-metrics",daemonset="s"} => 3x60`}},
		{"AutoscalerAtLimit", "at its limit", fires, "20m", "", scaler("6", "6", "2")},
		{"AutoscalerAtLimit", "one below", silent, "20m", "", scaler("5", "6", "2")},
		{"AutoscalerAtLimit", "a fixed number", silent, "20m", "", scaler("2", "2", "2")},
		{"JobFailed", "gave up", fires, "5m", "", []string{`kube_job_status_failed{job="kube-state-metrics",namespace="n",job_name="j",reason="BackoffLimitExceeded"} => 1x60`}},
		{"JobFailed", "a second try worked", silent, "5m", "", []string{
			`kube_job_status_failed{job="kube-state-metrics",namespace="n",job_name="j"} => 1x60`, `kube_job_status_succeeded{job="kube-state-metrics",namespace="n",job_name="j"} => 1x60`,
		}},
		{"JobFailed", "a benchmark", silent, "5m", "", []string{`kube_job_status_failed{job="kube-state-metrics",namespace="slipway-benchmark",job_name="j",reason="BackoffLimitExceeded"} => 1x60`}},
		{"IngressErrors", "one in ten", fires, "15m", "", []string{`traefik_entrypoint_requests_total{job="traefik",code="200"} => 0+90x60`, `traefik_entrypoint_requests_total{job="traefik",code="502"} => 0+10x60`}},
		{"IngressErrors", "clients' own errors", silent, "15m", "", []string{`traefik_entrypoint_requests_total{job="traefik",code="200"} => 0+90x60`, `traefik_entrypoint_requests_total{job="traefik",code="404"} => 0+50x60`}},
		{"IngressDown", "none is ready", fires, "5m", "", []string{`up{job="kube-state-metrics"} => 1x60`, `kube_pod_status_ready{job="kube-state-metrics",namespace="slipway-ingress",pod="t",condition="true"} => 0x60`}},
		{"IngressDown", "none is there", fires, "5m", "", []string{`up{job="kube-state-metrics"} => 1x60`}},
		{"IngressDown", "nobody can tell", silent, "5m", "", []string{`up{job="kube-state-metrics"} => 0x60`}},
		{"IngressDown", "one of two is ready", silent, "5m", "", []string{
			`up{job="kube-state-metrics"} => 1x60`,
			`kube_pod_status_ready{job="kube-state-metrics",namespace="slipway-ingress",pod="t",condition="true"} => 0x60`,
			`kube_pod_status_ready{job="kube-state-metrics",namespace="slipway-ingress",pod="u",condition="true"} => 1x60`,
		}},
		{"ApiDown", "none is there", fires, "5m", "", []string{`up{job="traefik"} => 1x60`}},
		{"ApiDown", "none answers", fires, "5m", "", []string{`up{job="api",instance="a"} => 0x60`}},
		{"ApiDown", "one answers", silent, "5m", "", []string{`up{job="api",instance="a"} => 0x60`, `up{job="api",instance="b"} => 1x60`}},
		{"ApiDatabaseAway", "for all", fires, "10m", "", []string{`slipway_database_away_seconds{job="api",pod="a",pool="primary"} => 0+30x60`, `slipway_database_away_seconds{job="api",pod="b",pool="primary"} => 0+30x60`}},
		{"ApiDatabaseAway", "for one of two", silent, "10m", "", []string{`slipway_database_away_seconds{job="api",pod="a",pool="primary"} => 0+30x60`, `slipway_database_away_seconds{job="api",pod="b",pool="primary"} => 0x60`}},
		{"ApiConnectionsSaturated", "always somebody waits", fires, "15m", "", []string{`slipway_database_waiting{job="api",pod="a",pool="primary"} => 3x60`}},
		{"ApiConnectionsSaturated", "now and then somebody waits", silent, "15m", "", []string{`slipway_database_waiting{job="api",pod="a",pool="primary"} => 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0`}},
		{"ApiWritesUnknown", "one", fires, "10m", "", []string{`slipway_database_unknown_outcomes_total{job="api",pod="a"} => 0x10 1x60`}},
		{"ApiWritesUnknown", "none", silent, "10m", "", []string{`slipway_database_unknown_outcomes_total{job="api",pod="a"} => 1x60`}},
		{"CertificateExpiring", "ten days are left", fires, "20m", "", []string{`certmanager_certificate_expiration_timestamp_seconds{job="cert-manager",namespace="n",name="c"} => 864000x60`}},
		{"CertificateExpiring", "twenty days are left", silent, "20m", "", []string{`certmanager_certificate_expiration_timestamp_seconds{job="cert-manager",namespace="n",name="c"} => 1728000x60`}},
		{"CertificateExpiring", "none was issued yet", silent, "20m", "", []string{`certmanager_certificate_expiration_timestamp_seconds{job="cert-manager",namespace="n",name="c"} => 0x60`}},
		{"CertificateNotReady", "not issued", fires, "20m", "", []string{`certmanager_certificate_ready_status{job="cert-manager",condition="True"} => 0x60`, `certmanager_certificate_ready_status{job="cert-manager",condition="False"} => 1x60`}},
		{"CertificateNotReady", "issued", silent, "20m", "", []string{`certmanager_certificate_ready_status{job="cert-manager",condition="True"} => 1x60`, `certmanager_certificate_ready_status{job="cert-manager",condition="False"} => 0x60`}},
		{"NamesFailing", "the cluster's", fires, "15m", "", []string{`coredns_dns_responses_total{job="cluster-dns",rcode="NOERROR"} => 0+90x60`, `coredns_dns_responses_total{job="cluster-dns",rcode="SERVFAIL"} => 0+10x60`}},
		{"NamesFailing", "the zones'", fires, "15m", "", []string{`coredns_dns_responses_total{job="zones",rcode="NOERROR"} => 0+90x60`, `coredns_dns_responses_total{job="zones",rcode="SERVFAIL"} => 0+10x60`}},
		{"NamesFailing", "names that are none", silent, "15m", "", []string{`coredns_dns_responses_total{job="cluster-dns",rcode="NOERROR"} => 0+90x60`, `coredns_dns_responses_total{job="cluster-dns",rcode="NXDOMAIN"} => 0+90x60`}},
	}
	return slices.Concat(all, databaseCases(), memberCases(), poolerCases(), backupCases(), benchmarkCases(), objectiveCases(), logCases())
}

func scaler(desired, most, least string) []string {
	const of = `{job="kube-state-metrics",horizontalpodautoscaler="h"} => `
	return []string{
		`kube_horizontalpodautoscaler_status_desired_replicas` + of + desired + "x60",
		`kube_horizontalpodautoscaler_spec_max_replicas` + of + most + "x60",
		`kube_horizontalpodautoscaler_spec_min_replicas` + of + least + "x60",
	}
}

func databaseCases() []example {
	lag := func(leader, received, replayed string) []string {
		return []string{
			`patroni_xlog_location{job="patroni",scope="postgres",name="postgres-0"} => ` + leader,
			`patroni_xlog_location{job="patroni",scope="postgres",name="postgres-1"} => 0x60`,
			`patroni_xlog_received_location{job="patroni",scope="postgres",name="postgres-2"} => ` + received,
			`patroni_xlog_replayed_location{job="patroni",scope="postgres",name="postgres-1"} => ` + replayed,
			`patroni_replica{job="patroni",scope="postgres",name="postgres-1"} => 1x60`,
		}
	}
	standby := func(quorum, sync string) []string {
		return append(members("1x60", "1x60", "1x60"),
			`patroni_sync_standby{job="patroni",name="postgres-1"} => `+sync, `patroni_quorum_standby{job="patroni",name="postgres-1"} => `+quorum)
	}
	return []example{
		{"DatabaseNoLeader", "the leader vanished", fires, "10m", "", members("1x4 _x60", "1x4 _x60", "1x60")},
		{"DatabaseNoLeader", "all vanished", fires, "10m", "", nil},
		{"DatabaseNoLeader", "a failover within a minute", silent, "10m", "", members("1x4 0x1 1x60", "1x60", "1x60")},
		{"DatabaseTwoLeaders", "two", fires, "10m", "", append(members("1x60", "1x60", "1x60"), `patroni_primary{job="patroni",scope="postgres",name="postgres-2"} => 1x60`)},
		{"DatabaseTwoLeaders", "one", silent, "10m", "", members("1x60", "1x60", "1x60")},
		{"DatabaseMemberDown", "the leader vanished", fires, "20m", "", members("1x4 _x60", "1x4 _x60", "1x60")},
		{"DatabaseMemberDown", "one does not run", fires, "20m", "", members("1x60", "0x60", "1x60")},
		{"DatabaseMemberDown", "all run", silent, "20m", "", members("1x60", "1x60", "1x60")},
		{"DatabaseReplicaNotStreaming", "while the leader is gone", fires, "10m", "", members("_x60", "_x60", "0x60")},
		{"DatabaseReplicaNotStreaming", "streaming", silent, "10m", "", members("1x60", "1x60", "1x60")},
		{"DatabaseReplicationLag", "behind the leader", fires, "15m", "", lag("200000000x60", "200000000x60", "100000000x60")},
		{"DatabaseReplicationLag", "behind another replica, without a leader", fires, "15m", "", lag("_x60", "200000000x60", "100000000x60")},
		{"DatabaseReplicationLag", "a little behind", silent, "15m", "", lag("200000000x60", "200000000x60", "180000000x60")},
		{"DatabaseNotSynchronous", "nobody confirms", fires, "15m", "", standby("0x60", "0x60")},
		{"DatabaseNotSynchronous", "one of a quorum confirms", silent, "15m", "", standby("1x60", "0x60")},
		{"DatabaseNotSynchronous", "one confirms", silent, "15m", "", standby("0x60", "1x60")},
		{"DatabaseCoordinationLost", "for ten minutes", fires, "15m", "", []string{`patroni_dcs_last_seen{job="patroni",name="postgres-0"} => 100x60`}},
		{"DatabaseCoordinationLost", "seen each time", silent, "15m", "", []string{`patroni_dcs_last_seen{job="patroni",name="postgres-0"} => 0+30x60`}},
	}
}

func memberCases() []example {
	const (
		running = `patroni_postgres_running{job="patroni",name="postgres-0",pod="postgres-0"} => 1x60`
		up      = `pg_up{job="postgres",pod="postgres-0"} => `
		well    = `pg_exporter_last_scrape_error{job="postgres",pod="postgres-0"} => `
		oldest  = `pg_stat_activity_max_tx_duration{job="postgres",pod="postgres-1",state="idle in transaction"} => `
		frozen  = `pg_database_frozenxid_age{job="postgres",pod="postgres-1",datname="api"} => `
		locked  = `pg_database_minmxid_age{job="postgres",pod="postgres-1",datname="api"} => `
		dead    = `pg_stat_database_deadlocks{job="postgres",pod="postgres-0",datname="api"} => `
		kept    = `pg_settings_max_slot_wal_keep_size_bytes{job="postgres",pod="postgres-0"} => `
		held    = `pg_replication_slots_pg_wal_lsn_diff{job="postgres",pod="postgres-0",slot_name="postgres_1"} => `
	)
	connections := func(active, idle string) []string {
		return []string{
			`pg_stat_activity_count{job="postgres",pod="postgres-0",state="active"} => ` + active,
			`pg_stat_activity_count{job="postgres",pod="postgres-0",state="idle"} => ` + idle,
			`pg_stat_activity_count{job="postgres",pod="postgres-1",state="active"} => 1x60`,
			`pg_settings_max_connections{job="postgres",pod="postgres-0"} => 100x60`,
			`pg_settings_max_connections{job="postgres",pod="postgres-1"} => 100x60`,
		}
	}
	return []example{
		{"DatabaseMetricsMissing", "there is no exporter", fires, "15m", "", []string{running}},
		{"DatabaseMetricsMissing", "it is not let in", fires, "15m", "", []string{running, up + "0x60", well + "1x60"}},
		{"DatabaseMetricsMissing", "one of its questions fails", fires, "15m", "", []string{running, up + "1x60", well + "1x60"}},
		{"DatabaseMetricsMissing", "another member's answers", fires, "15m", "", []string{
			running, `pg_up{job="postgres",pod="postgres-1"} => 1x60`, `pg_exporter_last_scrape_error{job="postgres",pod="postgres-1"} => 0x60`,
		}},
		{"DatabaseMetricsMissing", "it answers", silent, "15m", "", []string{running, up + "1x60", well + "0x60"}},
		{"DatabaseMetricsMissing", "the member itself is away", silent, "15m", "", []string{`patroni_postgres_running{job="patroni",pod="postgres-0"} => 0x60`, up + "0x60"}},
		{"DatabaseConnectionsNearLimit", "of one member", fires, "10m", "", connections("60x60", "30x60")},
		{"DatabaseConnectionsNearLimit", "the other one is gone", fires, "10m", "", connections("60x60", "30x60")[:4]},
		{"DatabaseConnectionsNearLimit", "of none", silent, "10m", "", connections("40x60", "30x60")},
		{"DatabaseTransactionOld", "in a replica, the leader is gone", fires, "15m", "", []string{oldest + "0 1000+30x60"}},
		{"DatabaseTransactionOld", "one after the other", silent, "15m", "", []string{oldest + "800x60"}},
		{"DatabaseWraparoundNear", "rows, as a replica says", fires, "1h", "", []string{frozen + "1100000000x150"}},
		{"DatabaseWraparoundNear", "locks", fires, "1h", "", []string{frozen + "1000x150", locked + "1100000000x150"}},
		{"DatabaseWraparoundNear", "vacuum begins", silent, "1h", "", []string{frozen + "210000000x150", locked + "410000000x150"}},
		{"DatabaseDeadlocks", "again and again", fires, "20m", "", []string{dead + "0+1x60"}},
		{"DatabaseDeadlocks", "two", silent, "20m", "", []string{dead + "0x10 2x60"}},
		{"DatabaseSlotHoldsLog", "of a member that is away", fires, "10m", "", []string{kept + "256000000x60", held + "200000000x60"}},
		{"DatabaseSlotHoldsLog", "of a member that follows", silent, "10m", "", []string{kept + "256000000x60", held + "1000x60"}},
		{"DatabaseSlotHoldsLog", "everything is kept", silent, "10m", "", []string{kept + "-1x60", held + "200000000x60"}},
	}
}

func poolerCases() []example {
	const (
		up      = `pgbouncer_up{job="pgbouncer",pod="postgres-pooler-a"} => `
		waiting = `pgbouncer_pools_client_waiting_connections{job="pgbouncer",pod="postgres-pooler-a",database="api",user="api"} => `
		most    = `pgbouncer_config_max_client_connections{job="pgbouncer",pod="postgres-pooler-a"} => 500x60`
		clients = `pgbouncer_used_clients{job="pgbouncer",pod="postgres-pooler-a"} => `
	)
	return []example{
		{"PoolerMetricsMissing", "it does not answer", fires, "15m", "", []string{up + "0x60"}},
		{"PoolerMetricsMissing", "another one answers", fires, "15m", "", []string{up + "0x60", `pgbouncer_up{job="pgbouncer",pod="postgres-pooler-b"} => 1x60`}},
		{"PoolerMetricsMissing", "it answers", silent, "15m", "", []string{up + "1x60"}},
		{"PoolerClientsWaiting", "always", fires, "15m", "", []string{waiting + "2x60"}},
		{"PoolerClientsWaiting", "now and then", silent, "15m", "", []string{waiting + "3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0 3 3 0"}},
		{"PoolerClientsNearLimit", "nearly all", fires, "10m", "", []string{most, clients + "450x60"}},
		{"PoolerClientsNearLimit", "some", silent, "10m", "", []string{most, clients + "60x60"}},
	}
}

func backupCases() []example {
	const completed, checked, drilled = `slipway_backup_completed_timestamp_seconds{job="backups",type="full"} => `,
		`slipway_backup_archive_checked_timestamp_seconds{job="backups"} => `, `slipway_backup_drilled_timestamp_seconds{job="backups"} => `
	incremental := `slipway_backup_completed_timestamp_seconds{job="backups",type="incr"} => `
	return []example{
		{"BackupMissing", "there is none", fires, "2h", "5m", []string{`up{job="backups"} => 1x60`}},
		{"BackupMissing", "none since the day before yesterday", fires, "50h", "5m", []string{completed + "0x700"}},
		{"BackupMissing", "one is late by hours", silent, "40h", "5m", []string{completed + "0x700"}},
		{"BackupMissing", "what changed was copied since", silent, "60h", "5m", []string{completed + "0x800", incremental + "120000x800"}},
		{"BackupArchiveBroken", "nothing arrives", fires, "2h", "1m", []string{checked + "0x200"}},
		{"BackupArchiveBroken", "it arrives each time", silent, "2h", "1m", []string{checked + "0+60x200"}},
		{"BackupArchiveBroken", "one look failed", silent, "35m", "1m", []string{checked + "0x200"}},
		{"BackupUnproven", "not for ten days", fires, "10d", "1h", []string{drilled + "0x300"}},
		{"BackupUnproven", "a week ago", silent, "7d", "1h", []string{drilled + "0x300"}},
	}
}

func benchmarkCases() []example {
	// run is what is said of one run: when it began, how many of its pods failed, by
	// reason, and how many succeeded.
	run := func(name, began, failed, succeeded string) []string {
		of := `{job="kube-state-metrics",namespace="slipway-benchmark",job_name="` + name + `"`
		return []string{
			`kube_job_status_start_time` + of + `} => ` + began + `x60`,
			`kube_job_status_failed` + of + `,reason="BackoffLimitExceeded"} => ` + failed + `x60`,
			`kube_job_status_failed` + of + `,reason="Evicted"} => 0x60`,
			`kube_job_status_succeeded` + of + `} => ` + succeeded + `x60`,
		}
	}
	return []example{
		{"BenchmarkFailed", "the only one", fires, "5m", "", run("a", "1000", "1", "0")},
		{"BenchmarkFailed", "after one that passed", fires, "5m", "", slices.Concat(run("a", "1000", "0", "1"), run("b", "2000", "1", "0"))},
		{"BenchmarkFailed", "while the next is under way", fires, "5m", "", slices.Concat(run("a", "1000", "1", "0"), run("b", "2000", "0", "0"))},
		{"BenchmarkFailed", "one has passed since", silent, "5m", "", slices.Concat(run("a", "1000", "1", "0"), run("b", "2000", "0", "1"))},
		{"BenchmarkFailed", "the first is under way", silent, "5m", "", run("a", "1000", "0", "0")},
		{"BenchmarkFailed", "another job", silent, "5m", "", []string{
			`kube_job_status_start_time{job="kube-state-metrics",namespace="n",job_name="j"} => 1000x60`,
			`kube_job_status_failed{job="kube-state-metrics",namespace="n",job_name="j",reason="BackoffLimitExceeded"} => 1x60`,
		}},
	}
}

func objectiveCases() []example {
	return []example{
		{"ApiAvailabilityBurningFast", "three in a hundred for an hour", fires, "70m", "", requests("200", "97", "3", "97")},
		{"ApiAvailabilityBurningFast", "one in a thousand", silent, "70m", "", requests("200", "999", "1", "999")},
		{"ApiAvailabilityBurningFast", "it has been over for half an hour", silent, "105m", "", []string{
			`traefik_router_requests_total{job="traefik",router="websecure-slipway-api-api-1a2b@kubernetescrd",code="200"} => 0+97x240`,
			`traefik_router_requests_total{job="traefik",router="websecure-slipway-api-api-1a2b@kubernetescrd",code="500"} => 0+3x139 417x100`,
		}},
		{"ApiAvailabilityBurningFast", "no requests at all", silent, "70m", "", requests("200", "0", "0", "0")},
		{"ApiAvailabilityBurningSlow", "four in a thousand for days", fires, "1d", "5m", requests("290", "996", "4", "996")},
		{"ApiAvailabilityBurningSlow", "half of what is allowed", silent, "1d", "5m", requests("290", "9995", "5", "9995")},
		{"ApiLatencyBurningFast", "one in four is slow", fires, "70m", "", requests("200", "100", "0", "75")},
		{"ApiLatencyBurningFast", "one in a hundred is slow", silent, "70m", "", requests("200", "100", "0", "99")},
		{"ApiLatencyBurningSlow", "one in twenty is slow for days", fires, "1d", "5m", requests("290", "100", "0", "95")},
		{"ApiLatencyBurningSlow", "one in two hundred is slow", silent, "1d", "5m", requests("290", "1000", "0", "995")},
	}
}

func logCases() []example {
	const (
		ready   = `kube_node_status_condition{job="kube-state-metrics",node="n",condition="Ready",status="true"} => `
		archive = `{job="collector",node="n",class="access"} => `
		early   = `slipway_archive_deleted_bytes_total{job="collector",node="n",class="access",reason="size"} => `
		read    = `{job="collector",node="n",receiver="file_log/access"} => `
	)
	return []example{
		{"CollectorDown", "it does not answer", fires, "15m", "", []string{ready + "1x60", `up{job="collector",node="n"} => 0x60`}},
		{"CollectorDown", "there is none on this node", fires, "15m", "", []string{ready + "1x60", `up{job="collector",node="other"} => 1x60`}},
		{"CollectorDown", "a rollout", silent, "20m", "", []string{ready + "1x60", `up{job="collector",node="n"} => 1x10 0x4 1x60`}},
		{"CollectorDown", "the node itself is away", silent, "15m", "", []string{ready + "0x60", `up{job="collector",node="n"} => 0x60`}},
		{"LogsNotStored", "every try fails", fires, "20m", "", []string{`slipway_archive_failed_writes_total` + archive + "0x10 0+1x60"}},
		{"LogsNotStored", "one try failed", silent, "16m", "", []string{`slipway_archive_failed_writes_total` + archive + "0x10 1x60"}},
		{"LogsNotArchived", "every try fails", fires, "40m", "", []string{`slipway_archive_failed_sends_total` + archive + "0x10 0+1x60"}},
		{"LogsNotArchived", "the bucket was away for ten minutes", silent, "25m", "", []string{`slipway_archive_failed_sends_total` + archive + "0x10 0+1x10 10x60"}},
		{"LogsRefused", "records are refused", fires, "10m", "", []string{`otelcol_receiver_refused_log_records_total` + read + "0x10 100x60"}},
		{"LogsRefused", "records fail", fires, "10m", "", []string{`otelcol_receiver_failed_log_records_total` + read + "0x10 100x60"}},
		{"LogsRefused", "long ago", silent, "30m", "", []string{
			`otelcol_receiver_refused_log_records_total` + read + "0x5 100x60", `otelcol_receiver_failed_log_records_total` + read + "0x60",
		}},
		{"LogsDeletedEarly", "the first segment goes", fires, "30m", "", []string{early + "0x10 8388608x120"}},
		{"LogsDeletedEarly", "only what is old goes", silent, "30m", "", []string{
			early + "0x120", `slipway_archive_deleted_bytes_total{job="collector",node="n",class="access",reason="age"} => 0+8388608x120`,
		}},
	}
}
