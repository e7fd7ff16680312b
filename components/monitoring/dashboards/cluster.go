package dashboards

import (
	"fmt"

	"slipway.dev/slipway/components/monitoring/rules"
)

func cluster() Dashboard {
	node := func(part, whole, more string) string {
		return fmt.Sprintf(`%s{job="%[3]s"%[4]s}
/ %[2]s{job="%[3]s"%[4]s}`, part, whole, rules.JobNode, more)
	}
	return Dashboard{Name: "cluster", Title: "Slipway: nodes and cluster", Rows: []Row{
		{"Right now", []Panel{
			{Title: "Nodes not ready", Unit: Plain, Number: true, Limit: 1,
				Queries: one("count("+state("kube_node_status_condition", `,condition="Ready",status="true"`)+" == 0) or vector(0)", "")},
			{Title: "Pods not ready", Tells: "Jobs that have ended not counted.", Unit: Plain, Number: true, Limit: 1,
				Queries: one(fmt.Sprintf(`count(%s == 1
unless on (namespace, pod) %s == 1) or vector(0)`, state("kube_pod_status_ready", `,condition="false"`),
					state("kube_pod_status_phase", `,phase=~"Succeeded|Failed"`)), "")},
			{Title: "Targets down", Tells: "What monitoring cannot ask.", Unit: Plain, Number: true, Limit: 1,
				Queries: one("count(up == 0) or vector(0)", "")},
			{Title: "First certificate to end", Unit: Seconds, Number: true,
				Queries: one(fmt.Sprintf(`min((certmanager_certificate_expiration_timestamp_seconds{job="%s"} > 0) - time())`, rules.JobCertManager), "")},
		}},
		{"Nodes", []Panel{
			{Title: "Processor", Tells: "What pods use of what the node has for them.", Unit: Share, Limit: 1,
				Queries: one(fmt.Sprintf(`sum by (node) (rate(container_cpu_usage_seconds_total{job="%s",container!=""}[5m]))
/ sum by (node) (%s)`, rules.JobCAdvisor, state("kube_node_status_allocatable", `,resource="cpu"`)), "{{node}}")},
			{Title: "Memory", Tells: "The share that is left; below 5 % somebody is told.", Unit: Share,
				Queries: one(node("node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", ""), "{{node}}")},
			{Title: "Disk", Tells: "The share that is left of the disk with images, logs and temporary files.", Unit: Share,
				Queries: one(node("node_filesystem_avail_bytes", "node_filesystem_size_bytes", `,mountpoint="/"`), "{{node}}")},
		}},
		{"Workloads", []Panel{
			{Title: "Restarts", Tells: "Of containers, in an hour.", Unit: Plain,
				Queries: one("sum by (namespace) (increase("+state("kube_pod_container_status_restarts_total", "")+"[1h]))", "{{namespace}}")},
			{Title: "Memory by namespace", Unit: Bytes,
				Queries: one(fmt.Sprintf(`sum by (namespace) (container_memory_working_set_bytes{job="%s",container!=""})`, rules.JobCAdvisor), "{{namespace}}")},
			{Title: "Volumes", Tells: "The share that is left.", Unit: Share, Queries: one(left(""), "{{namespace}} {{persistentvolumeclaim}}")},
		}},
		{"Kubernetes and monitoring", []Panel{
			{Title: "Requests to the cluster's API", Tells: "By code; 5xx is its own fault.", Unit: PerSecond,
				Queries: one(fmt.Sprintf(`sum by (code) (rate(apiserver_request_total{job="%s"}[5m]))`, rules.JobAPIServer), "{{code}}")},
			{Title: "Targets that answer", Tells: "By job.", Unit: Plain, Queries: one("sum by (job) (up)", "{{job}}")},
			{Title: "Series", Tells: "In each Prometheus; beyond the line its memory does not last.", Unit: Plain, Limit: rules.SeriesLimit,
				Queries: one(fmt.Sprintf(`prometheus_tsdb_head_series{job="%s"}`, rules.JobPrometheus), "{{pod}}")},
		}},
	}}
}
