package dashboards

import (
	"fmt"
	"strconv"

	"slipway.dev/slipway/components/monitoring/rules"
)

// usage is what the containers of a namespace take, or reserved, per pod.
func usage(metric, namespace string) string {
	return fmt.Sprintf(`sum by (pod) (%s{job="%s",namespace="%s",container!=""})`, metric, rules.JobCAdvisor, namespace)
}

func cores(namespace string) string {
	return fmt.Sprintf(`sum by (pod) (rate(container_cpu_usage_seconds_total{job="%s",namespace="%s",container!=""}[5m]))`,
		rules.JobCAdvisor, namespace)
}

func granted(metric, namespace, resource string) string {
	return fmt.Sprintf(`sum by (pod) (%s{job="%s",namespace="%s",resource="%s"})`, metric, rules.JobState, namespace, resource)
}

func state(metric, more string) string {
	return fmt.Sprintf(`%s{job="%s"%s}`, metric, rules.JobState, more)
}

// burns are how fast an error budget goes, by window.
func burns(ratio func(string) string, objective float64) []Query {
	var queries []Query
	budget := strconv.FormatFloat(rules.Budget(objective), 'f', -1, 64)
	for _, window := range rules.Windows() {
		queries = append(queries, Query{ratio(window) + " / " + budget, window})
	}
	return queries
}

// inService is the time that the API itself takes. Its samples name requests that
// were followed: the points' trace_id is for slipway trace.
func inService() Query {
	return Query{
		fmt.Sprintf(`histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{job="%s",route!~"/healthz.*|/metrics"}[5m])))`, rules.JobAPI),
		"p99 in the API",
	}
}

func overview(o rules.Options) Dashboard {
	inAPI := fmt.Sprintf(`,namespace="%s"`, o.APINamespace)
	return Dashboard{Name: "overview", Title: "Slipway: overview", Rows: []Row{
		{"Right now", []Panel{
			{Title: "Alerts", Tells: "How many fire, besides the Watchdog.", Unit: Plain, Number: true, Limit: 1,
				Queries: one(`count(ALERTS{alertstate="firing",alertname!="`+rules.Watchdog+`"}) or vector(0)`, "")},
			{Title: "Requests", Tells: "Answered in a second, at the ingress, for the API.", Unit: PerSecond, Number: true,
				Queries: one("sum(slipway:api_requests:rate5m)", "")},
			{Title: "Errors", Tells: "The share of requests that was answered 5xx.", Unit: Share, Number: true, Limit: rules.Budget(o.Availability),
				Queries: one(rules.ErrorRatio("5m"), "")},
			{Title: "p99", Tells: "99 of 100 requests are answered within this time.", Unit: Seconds, Number: true, Limit: o.LatencySeconds,
				Queries: one("slipway:api_request_duration_seconds:p99_5m", "")},
		}},
		{"Requests", []Panel{
			{Title: "Requests by code", Tells: "What clients are answered, at the ingress.", Unit: PerSecond,
				Queries: one("slipway:api_requests:rate5m", "{{code}}")},
			{Title: "Errors", Tells: "The share answered 5xx, and what the objective allows.", Unit: Share, Limit: rules.Budget(o.Availability),
				Queries: one(rules.ErrorRatio("5m"), "5xx")},
			{Title: "Latency", Tells: "At the ingress, everything behind it included; and in the API alone, with requests that were followed as points.", Unit: Seconds, Limit: o.LatencySeconds,
				Queries: []Query{{"slipway:api_request_duration_seconds:p50_5m", "p50"}, {"slipway:api_request_duration_seconds:p99_5m", "p99"}},
				Traced:  inService()},
		}},
		{"Objectives", []Panel{
			{Title: "Availability: how fast the budget goes", Unit: Plain, Limit: 1, Queries: burns(rules.ErrorRatio, o.Availability),
				Tells: "1 uses up the error budget of 30 days in 30 days. Somebody is woken at 14.4 over 1h and 5m, or 6 over 6h and 30m."},
			{Title: "Latency: how fast the budget goes", Unit: Plain, Limit: 1, Queries: burns(rules.SlowRatio, o.Latency),
				Tells: "The same for requests that took longer than the objective's time."},
		}},
		{"Saturation", []Panel{
			{Title: "Processor", Tells: "What the API's pods use of what they reserved; the autoscaler aims below 1.", Unit: Share, Limit: 1,
				Queries: one(cores(o.APINamespace)+"\n/ "+granted("kube_pod_container_resource_requests", o.APINamespace, "cpu"), "{{pod}}")},
			{Title: "Memory", Tells: "What the API's pods use of their limit, at which they are killed.", Unit: Share, Limit: 1,
				Queries: one(usage("container_memory_working_set_bytes", o.APINamespace)+
					"\n/ "+granted("kube_pod_container_resource_limits", o.APINamespace, "memory"), "{{pod}}")},
			{Title: "Pods", Tells: "What the autoscaler has, wants and may have.", Unit: Plain, Queries: []Query{
				{state("kube_horizontalpodautoscaler_status_current_replicas", inAPI), "has"},
				{state("kube_horizontalpodautoscaler_status_desired_replicas", inAPI), "wants"},
				{state("kube_horizontalpodautoscaler_spec_max_replicas", inAPI), "may have"},
			}},
			waiting(),
		}},
	}}
}

// waiting is how many requests wait for a database connection.
func waiting() Panel {
	return Panel{
		Title: "Waiting for a connection", Unit: Plain,
		Tells:   "Requests that wait for one of the API's connections. A pooler that is full makes them wait here.",
		Queries: one(fmt.Sprintf(`sum by (pool) (slipway_database_waiting{job="%s"})`, rules.JobAPI), "{{pool}}"),
	}
}
