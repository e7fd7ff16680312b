package rules

import (
	"fmt"
	"time"
)

// monitoring watches what watches.
func monitoring(o Options) Group {
	var gone []string
	for _, job := range o.Jobs {
		gone = append(gone, fmt.Sprintf(`label_replace(absent(up{job="%s"} == 1), "job", "%s", "", "")`, job, job))
	}
	return Group{Name: "slipway-monitoring", Alerts: []Alert{
		{
			Name: Watchdog, Expr: "vector(1)", Severity: None,
			Summary:     "Alerting works",
			Description: "This alert always fires. Whoever receives it raises an alarm when it stops coming.",
		},
		{
			Name: "TargetDown", Severity: Warning, For: 10 * time.Minute,
			Expr:        "up == 0",
			Summary:     "{{ $labels.job }} at {{ $labels.instance }} cannot be scraped",
			Description: "What it would say is missing, and alerts about it cannot fire.",
		},
		{
			Name: "JobAbsent", Severity: Warning, For: 10 * time.Minute,
			Expr:        either(gone...),
			Summary:     "Nothing of {{ $labels.job }} can be scraped",
			Description: "No target of this job is up. Either it does not run, or monitoring cannot find or reach it.",
		},
		{
			Name: "RulesFailing", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`increase(prometheus_rule_evaluation_failures_total{job="%s"}[10m]) > 0`, JobPrometheus),
			Summary:     "Rules of {{ $labels.rule_group }} cannot be evaluated",
			Description: "Alerts in this group may not fire.",
		},
		{
			Name: "MetricsNotStored", Severity: Critical, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`rate(prometheus_tsdb_head_samples_appended_total{job="%[1]s"}[5m]) == 0
or
increase(prometheus_tsdb_wal_writes_failed_total{job="%[1]s"}[10m]) > 0`, JobPrometheus),
			Summary:     "Prometheus {{ $labels.instance }} stores no samples",
			Description: "Most often its volume is full. Alerts still fire from what is in memory, and end with a restart.",
		},
		{
			Name: "MetricsExploding", Severity: Warning, For: 15 * time.Minute,
			Expr:        fmt.Sprintf(`prometheus_tsdb_head_series{job="%s"} > %d`, JobPrometheus, SeriesLimit),
			Summary:     "Prometheus holds {{ $value }} series, more than its memory is meant for",
			Description: "A label with ever new values is the usual reason. Prometheus is killed when its memory limit is reached.",
		},
		{
			Name: "NotificationsFailing", Severity: Critical, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`rate(alertmanager_notifications_failed_total{job="%s"}[5m]) > 0
or
rate(prometheus_notifications_errors_total{job="%s"}[5m]) > 0
or
prometheus_notifications_alertmanagers_discovered{job="%s"} < 1`, JobAlertmanager, JobPrometheus, JobPrometheus),
			Summary:     "Alerts do not reach anybody",
			Description: "Alertmanager cannot be reached, or it cannot reach the receiver.",
		},
	}}
}

// SeriesLimit is where Prometheus's memory, at some 4 KiB a series, comes near
// what its pod is given.
const SeriesLimit = 40000

func cluster() Group {
	state := func(metric, labels string) string { return fmt.Sprintf(`%s{job="%s"%s}`, metric, JobState, labels) }
	return Group{Name: "slipway-cluster", Alerts: []Alert{
		{
			Name: "NodeNotReady", Severity: Critical, For: 2 * time.Minute,
			Expr:        state("kube_node_status_condition", `,condition="Ready",status="true"`) + " == 0",
			Summary:     "Node {{ $labels.node }} is not ready",
			Description: "Its kubelet does not report, or reports a fault. Its pods are moved after a while.",
		},
		{
			Name: "NodeMemoryShort", Severity: Warning, For: 10 * time.Minute,
			Expr:        fmt.Sprintf(`node_memory_MemAvailable_bytes{job="%[1]s"} / node_memory_MemTotal_bytes{job="%[1]s"} < 0.05`, JobNode),
			Summary:     "Node {{ $labels.node }} has {{ $value | humanizePercentage }} of its memory left",
			Description: "The kubelet evicts pods next, or the kernel kills.",
		},
		{
			Name: "NodeDiskFilling", Severity: Warning, For: 15 * time.Minute,
			Expr: fmt.Sprintf(`node_filesystem_avail_bytes{job="%[1]s",mountpoint="/"} / node_filesystem_size_bytes{job="%[1]s",mountpoint="/"} < 0.1
and
predict_linear(node_filesystem_avail_bytes{job="%[1]s",mountpoint="/"}[6h], 86400) < 0`, JobNode),
			Summary:     "The disk of node {{ $labels.node }} is full within a day",
			Description: "{{ $value | humanizePercentage }} are left of the disk that holds images, logs and temporary files. The kubelet evicts pods when it is full.",
		},
		{
			Name: "VolumeFilling", Severity: Warning, For: 15 * time.Minute,
			Expr: fmt.Sprintf(`kubelet_volume_stats_available_bytes{job="%[1]s"} / kubelet_volume_stats_capacity_bytes{job="%[1]s"} < 0.15
and
predict_linear(kubelet_volume_stats_available_bytes{job="%[1]s"}[6h], 4 * 86400) < 0`, JobKubelet),
			Summary:     "Volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} is full within four days",
			Description: "{{ $value | humanizePercentage }} are left.",
		},
		{
			Name: "VolumeFull", Severity: Critical, For: time.Minute,
			Expr: fmt.Sprintf(`kubelet_volume_stats_available_bytes{job="%[1]s"} / kubelet_volume_stats_capacity_bytes{job="%[1]s"} < 0.03
or
kubelet_volume_stats_inodes_free{job="%[1]s"} / (kubelet_volume_stats_inodes{job="%[1]s"} > 0) < 0.03`, JobKubelet),
			Summary:     "Volume {{ $labels.namespace }}/{{ $labels.persistentvolumeclaim }} is full",
			Description: "{{ $value | humanizePercentage }} are left. A database that cannot write stops.",
		},
		{
			Name: "ApiServerErrors", Severity: Critical, For: 5 * time.Minute,
			Expr: fmt.Sprintf(`sum(rate(apiserver_request_total{job="%[1]s",code=~"5.."}[5m])) / (sum(rate(apiserver_request_total{job="%[1]s"}[5m])) > 0) > 0.05`,
				JobAPIServer),
			Summary:     "The cluster's API answers {{ $value | humanizePercentage }} of requests with errors",
			Description: "Updates, failovers and scaling need it. What runs goes on.",
		},
	}}
}

func workloads(o Options) Group {
	state := func(metric, labels string) string { return fmt.Sprintf(`%s{job="%s"%s}`, metric, JobState, labels) }
	others := ""
	if o.BenchmarkNamespace != "" {
		// A run that failed is told of as what it is, and forgotten when one passes.
		others = fmt.Sprintf(`,namespace!="%s"`, o.BenchmarkNamespace)
	}
	return Group{Name: "slipway-workloads", Alerts: []Alert{
		{
			Name: "PodCrashLooping", Severity: Warning, For: 5 * time.Minute,
			Expr:        fmt.Sprintf(`max_over_time(%s[5m]) >= 1`, state("kube_pod_container_status_waiting_reason", `,reason="CrashLoopBackOff"`)),
			Summary:     "{{ $labels.namespace }}/{{ $labels.pod }} starts and ends again and again",
			Description: "Container {{ $labels.container }} ends soon after each start; the kubelet waits ever longer before the next.",
		},
		{
			Name: "PodNotReady", Severity: Warning, For: 15 * time.Minute,
			Expr: fmt.Sprintf(`%s == 1
unless on (namespace, pod) %s == 1`, state("kube_pod_status_ready", `,condition="false"`),
				state("kube_pod_status_phase", `,phase=~"Succeeded|Failed"`)),
			Summary:     "{{ $labels.namespace }}/{{ $labels.pod }} has not been ready for a quarter of an hour",
			Description: "It waits for a node, an image, a volume or something it depends on.",
		},
		{
			Name: "RolloutStuck", Severity: Warning, For: 10 * time.Minute,
			Expr: fmt.Sprintf(`%s == 1
or
%s != %s`, state("kube_deployment_status_condition", `,condition="Progressing",status="false"`),
				state("kube_deployment_status_observed_generation", ""), state("kube_deployment_metadata_generation", "")),
			Summary:     "The rollout of {{ $labels.namespace }}/{{ $labels.deployment }} does not get on",
			Description: "New pods do not become ready. The old ones still serve.",
		},
		{
			Name: "StatefulSetIncomplete", Severity: Warning, For: 10 * time.Minute,
			Expr:        fmt.Sprintf(`%s < %s`, state("kube_statefulset_status_replicas_ready", ""), state("kube_statefulset_replicas", "")),
			Summary:     "{{ $labels.namespace }}/{{ $labels.statefulset }} has only {{ $value }} ready pods",
			Description: "It stands one failure less than it should.",
		},
		{
			Name: "DaemonSetIncomplete", Severity: Warning, For: 10 * time.Minute,
			Expr: fmt.Sprintf(`%s < %s`, state("kube_daemonset_status_number_ready", ""),
				state("kube_daemonset_status_desired_number_scheduled", "")),
			Summary:     "{{ $labels.namespace }}/{{ $labels.daemonset }} is ready on only {{ $value }} nodes",
			Description: "The others are without what it does.",
		},
		{
			Name: "AutoscalerAtLimit", Severity: Warning, For: 15 * time.Minute,
			Expr: fmt.Sprintf(`%s >= %s
and
%s > %s`, state("kube_horizontalpodautoscaler_status_desired_replicas", ""), state("kube_horizontalpodautoscaler_spec_max_replicas", ""),
				state("kube_horizontalpodautoscaler_spec_max_replicas", ""), state("kube_horizontalpodautoscaler_spec_min_replicas", "")),
			Summary:     "{{ $labels.namespace }}/{{ $labels.horizontalpodautoscaler }} wants as many pods as it may have: {{ $value }}",
			Description: "More load makes it slower from here on.",
		},
		{
			Name: "JobFailed", Severity: Warning, For: time.Minute,
			Expr:        state("kube_job_status_failed", others) + " > 0 unless on (namespace, job_name) " + state("kube_job_status_succeeded", "") + " > 0",
			Summary:     "Job {{ $labels.namespace }}/{{ $labels.job_name }} failed",
			Description: "Migrations and other work that has to be done once are jobs.",
		},
	}}
}
