package dash

// Sections of the page.
const (
	sectionNow      = "Now"
	sectionRequests = "Requests"
	sectionDatabase = "Database"
	sectionRollouts = "Rollouts and alerts"
	sectionCapacity = "Use against what is reserved"
)

// Where metrics come from, for what a panel says when there are none.
const (
	fromIngress  = "Traefik counts requests once the first has come: is its job scraped, and was the API asked?"
	fromAPI      = "The API's pods tell at /metrics: is their job scraped, and was the API asked?"
	fromDatabase = "Patroni tells at /metrics of every member: is its job scraped?"
	fromState    = "kube-state-metrics tells of the cluster's objects: is its job scraped?"
	fromKubelet  = "The kubelets tell at /metrics/cadvisor: is their job scraped?"
)

// routed are the requests that the ingress sends to the API, in any release; a
// router is called after the namespace and name of its route. Probes are not
// counted: they ask pods.
const (
	routed       = `{router=~".*slipway-api-.+"}`
	routedFailed = `{router=~".*slipway-api-.+",code=~"5.."}`
	// asked are the requests that pods answered but for their own probes.
	asked       = `{route!~"/healthz.*|/metrics"}`
	askedFailed = `{route!~"/healthz.*|/metrics",status=~"5.."}`
)

const (
	routedThere = `traefik_router_requests_total` + routed
	noRequest   = "No request came in this time."
	noReplica   = "The database has no replica that follows."

	ingressByCode = `sum by (code) (rate(traefik_router_requests_total` + routed + `[$window]))`
	// ingressErrors is a share, so without any request there is none.
	ingressErrors = `(sum(rate(traefik_router_requests_total` + routedFailed + `[$window])) or vector(0)) / (sum(rate(traefik_router_requests_total` + routed + `[$window])) > 0)`
	apiErrors     = `(sum(rate(http_requests_total` + askedFailed + `[$window])) or vector(0)) / (sum(rate(http_requests_total` + asked + `[$window])) > 0)`
)

func ingressQuantile(q string) string {
	return `histogram_quantile(` + q + `, sum by (le) (rate(traefik_router_request_duration_seconds_bucket` + routed + `[$window])))`
}

func apiQuantile(q string) string {
	return `histogram_quantile(` + q + `, sum by (le) (rate(http_request_duration_seconds_bucket` + asked + `[$window])))`
}

func figures() []Panel {
	return []Panel{
		{
			ID: "now-requests", Section: sectionNow, Title: "Requests", Kind: Figure, Unit: PerSecond,
			Help:    "Requests a second that the ingress answered for the API.",
			Queries: []Query{{Ask: []string{`sum(slipway:api_requests:rate5m)`, `sum(rate(traefik_router_requests_total` + routed + `[5m]))`}}},
			Missing: fromIngress,
		},
		{
			ID: "now-errors", Section: sectionNow, Title: "Errors", Kind: Figure, Unit: Share,
			Help:    "The share of those that were answered with 5xx.",
			Queries: []Query{{Ask: []string{`slipway:api_requests:error_ratio_rate5m`, ingressErrors}}},
			Missing: fromIngress, Proof: routedThere, Fine: noRequest,
		},
		{
			ID: "now-latency", Section: sectionNow, Title: "Latency, p99", Kind: Figure, Unit: Seconds,
			Help:    "99 % of requests are answered within this time, as the ingress sees it.",
			Queries: []Query{{Ask: []string{`slipway:api_request_duration_seconds:p99_5m >= 0`, ingressQuantile("0.99") + ` >= 0`}}},
			Missing: fromIngress, Proof: routedThere, Fine: noRequest,
		},
		{
			ID: "now-leader", Section: sectionNow, Title: "Database leader", Kind: Figure, Unit: Text,
			Help:    "The member that takes writes, and how often there was a succession (PostgreSQL's timeline).",
			Missing: fromDatabase, answer: leader,
		},
		{
			ID: "now-lag", Section: sectionNow, Title: "Replication lag", Kind: Figure, Unit: Bytes,
			Help:    "What the member furthest behind has not replayed yet.",
			Queries: []Query{{Ask: []string{`max(slipway:database_lag_bytes)`, `max(` + lag + `)`}}},
			Missing: fromDatabase, Proof: `patroni_primary`, Fine: noReplica,
		},
		{
			ID: "now-alerts", Section: sectionNow, Title: "Alerts firing", Kind: Figure, Unit: Count,
			Help:    "Without the watchdog, which always fires.",
			Missing: "This Prometheus has no alert, not even a watchdog: are rules loaded?", answer: firing,
		},
		{
			ID: "now-cost", Section: sectionNow, Title: "Cost a month", Kind: Figure, Unit: Money,
			Help:    "List prices of what the stack declares, from the smallest to scaled out; slipway cost says of what.",
			Missing: "The stack's costs are not known.", answer: costOf,
		},
	}
}

func requests() []Panel {
	return []Panel{
		{
			ID: "requests", Section: sectionRequests, Title: "Requests by status", Kind: Lines, Unit: PerSecond, Zero: true,
			Help:    "Requests a second that the ingress answered for the API, by status code.",
			Queries: []Query{{Name: "{code}", Ask: []string{`slipway:api_requests:rate5m`, ingressByCode}, Tone: "status"}},
			Missing: fromIngress,
		},
		{
			ID: "errors", Section: sectionRequests, Title: "Error share", Kind: Lines, Unit: Share, Zero: true,
			Help: "The share answered with 5xx. More at the ingress than in the pods: the pods cannot be reached.",
			Queries: []Query{
				{Name: "at the ingress", Ask: []string{ingressErrors}, Tone: "bad"},
				{Name: "in the pods", Ask: []string{apiErrors}},
			},
			Missing: fromIngress, Proof: routedThere, Fine: noRequest,
		},
		{
			ID: "latency-ingress", Section: sectionRequests, Title: "Latency at the ingress", Kind: Lines, Unit: Seconds, Zero: true,
			Help: "50, 95 and 99 % of requests are answered within these times, as Traefik sees it.",
			Queries: []Query{
				{Name: "p50", Ask: []string{ingressQuantile("0.5")}},
				{Name: "p95", Ask: []string{ingressQuantile("0.95")}},
				{Name: "p99", Ask: []string{ingressQuantile("0.99")}},
			},
			Missing: fromIngress, Proof: routedThere, Fine: noRequest,
		},
		{
			ID: "latency-api", Section: sectionRequests, Title: "Latency in the API", Kind: Lines, Unit: Seconds, Zero: true,
			Help: "The same, inside the API's pods and without their probes. The difference is network and queue.",
			Queries: []Query{
				{Name: "p50", Ask: []string{apiQuantile("0.5")}},
				{Name: "p95", Ask: []string{apiQuantile("0.95")}},
				{Name: "p99", Ask: []string{apiQuantile("0.99")}},
			},
			Missing: fromAPI, Proof: `http_requests_total`, Fine: noRequest,
		},
		{
			ID: "followed", Section: sectionRequests, Title: "The slowest requests that were followed", Kind: Table, Unit: Text,
			Help:    "slipway trace with one of these numbers draws where the time went. A sample: tracing.perThousand says how many are followed.",
			Missing: "No request that was followed was answered in this time, or Prometheus keeps no exemplars.", answer: followed,
		},
	}
}

// lag is how far each replica's replay is behind the furthest position that any
// member knows, so that it can be told without the leader.
const lag = `max by (scope) ({__name__=~"patroni_xlog_location|patroni_xlog_received_location"}) - on (scope) group_right () (max by (scope, name) (patroni_xlog_replayed_location) and max by (scope, name) (patroni_replica) == 1)`

func database() []Panel {
	return []Panel{
		{
			ID: "lag", Section: sectionDatabase, Title: "Replication lag", Kind: Lines, Unit: Bytes, Zero: true,
			Help:    "What each replica has not replayed yet. 64 MiB is an alert.",
			Queries: []Query{{Name: "{name}", Ask: []string{`slipway:database_lag_bytes`, lag}}},
			Missing: fromDatabase, Proof: `patroni_primary`, Fine: noReplica,
		},
		{
			ID: "leader", Section: sectionDatabase, Title: "Who leads", Kind: Bands, Unit: Count,
			Help:    "One band at any time is right. A gap: no leader, writes wait. Two at once: stop and look.",
			Queries: []Query{{Name: "{name}", Ask: []string{`max by (name) (patroni_primary)`}}},
			Missing: fromDatabase,
		},
		{
			ID: "connections", Section: sectionDatabase, Title: "Connections", Kind: Lines, Unit: Count, Zero: true,
			Help: "Connections of the API's pools, of the server where its exporter runs, and requests that wait for one.",
			Queries: []Query{
				{Name: "server, {state}", Ask: []string{`sum by (state) (pg_stat_activity_count) > 0`}},
				{Name: "API {pool}, {state}", Ask: []string{`sum by (pool, state) (slipway_database_connections)`}},
				{Name: "API {pool}, waiting", Ask: []string{`sum by (pool) (slipway_database_waiting)`}},
			},
			Missing: fromAPI,
		},
	}
}

func rollouts() []Panel {
	workload := []Column{{"namespace", "Namespace"}, {"kind", "Kind"}, {"workload", "Workload"}}
	// each joins the three kinds under one pair of labels. Several copies of
	// kube-state-metrics say the same, which max makes one.
	each := func(deployment, stateful, daemon string) string {
		expr := ""
		for _, one := range []struct{ kind, label, metric string }{
			{"Deployment", "deployment", deployment}, {"StatefulSet", "statefulset", stateful}, {"DaemonSet", "daemonset", daemon},
		} {
			if one.metric == "" {
				continue
			}
			if expr != "" {
				expr += " or "
			}
			expr += `label_replace(label_replace(max by (namespace, ` + one.label + `) (` + one.metric + `), "workload", "$1", "` + one.label + `", "(.+)"), "kind", "` + one.kind + `", "", "")`
		}
		return expr
	}
	return []Panel{
		{
			ID: "rollouts", Section: sectionRollouts, Title: "Rollouts", Kind: Table, Unit: Count, Keys: workload,
			Help: "Pods that should be, that are of the newest revision, and that serve. A rollout is over when all are equal.",
			Queries: []Query{
				{Name: "Desired", Ask: []string{each("kube_deployment_spec_replicas", "kube_statefulset_replicas", "kube_daemonset_status_desired_number_scheduled")}},
				{Name: "Updated", Ask: []string{each("kube_deployment_status_replicas_updated", "kube_statefulset_status_replicas_updated", "kube_daemonset_status_updated_number_scheduled")}},
				{Name: "Available", Ask: []string{each("kube_deployment_status_replicas_available", "kube_statefulset_status_replicas_ready", "kube_daemonset_status_number_ready")}},
			},
			Missing: fromState,
		},
		{
			ID: "alerts", Section: sectionRollouts, Title: "Alerts", Kind: Table, Unit: Text,
			Help:    "What fires, the worst first, and what is about to.",
			Missing: "This Prometheus has no alert, not even a watchdog: are rules loaded?", answer: alerts,
		},
		{
			ID: "restarts", Section: sectionRollouts, Title: "Restarts", Kind: Table, Unit: Count,
			Keys:    []Column{{"namespace", "Namespace"}, {"pod", "Pod"}, {"container", "Container"}},
			Help:    "Containers that were started again within the time shown.",
			Queries: []Query{{Name: "Restarts", Ask: []string{`round(max by (namespace, pod, container) (increase(kube_pod_container_status_restarts_total[$range]))) > 0`}}},
			Missing: fromState, Proof: `kube_pod_container_status_restarts_total`, Fine: "No container was started again in this time.",
		},
	}
}

// Containers without a name are whole pods, those called POD hold their network.
const (
	cpuUsed    = `rate(container_cpu_usage_seconds_total{container!="",container!="POD"}[$window])`
	memoryUsed = `container_memory_working_set_bytes{container!="",container!="POD"}`
	// What was reserved for pods that ended is free again.
	running = ` * on (namespace, pod) group_left () (max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"}) == 1)`
)

func reserved(resource string) string {
	return `max by (namespace, pod, container) (kube_pod_container_resource_requests{resource="` + resource + `"})` + running
}

func capacity() []Panel {
	var panels []Panel
	for _, one := range []struct {
		id, title, resource, used string
		unit                      Unit
	}{
		{"cpu", "Processors", "cpu", cpuUsed, Cores}, {"memory", "Memory", "memory", memoryUsed, Bytes},
	} {
		panels = append(panels, Panel{
			ID: one.id, Section: sectionCapacity, Title: one.title, Kind: Lines, Unit: one.unit, Zero: true,
			Help: "What all containers use, what is reserved for them, and what the nodes have for pods.",
			Queries: []Query{
				{Name: "used", Ask: []string{`sum(` + one.used + `)`}},
				{Name: "reserved", Ask: []string{`sum(` + reserved(one.resource) + `)`}, Tone: "warn"},
				{Name: "of the nodes", Ask: []string{`sum(max by (node) (kube_node_status_allocatable{resource="` + one.resource + `"}))`}, Tone: "plain"},
			},
			Missing: fromKubelet,
		})
	}
	return append(panels, Panel{
		ID: "namespaces", Section: sectionCapacity, Title: "By namespace", Kind: Table, Unit: Cores, Keys: []Column{{"namespace", "Namespace"}},
		Help: "Far below what is reserved: it could be less; slipway cost --usage says how much. Above: pods are in each other's way when it is tight.",
		Queries: []Query{
			{Name: "CPU used", Ask: []string{`sum by (namespace) (` + cpuUsed + `)`}},
			{Name: "CPU reserved", Ask: []string{`sum by (namespace) (` + reserved("cpu") + `)`}},
			{Name: "Memory used", Ask: []string{`sum by (namespace) (` + memoryUsed + `)`}, Unit: Bytes},
			{Name: "Memory reserved", Ask: []string{`sum by (namespace) (` + reserved("memory") + `)`}, Unit: Bytes},
		},
		Missing: fromKubelet,
	})
}
