package monitoring

import (
	"fmt"
	"net/url"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/monitoring/rules"
)

// Ports of monitoring's own pods, by the names that targets are found by.
const (
	prometheusPort   = 9090
	alertmanagerPort = 9093
	gossipPort       = 9094
	nodePort         = 9100
	statePort        = 8080
	stateSelfPort    = 8081
	discoveryPort    = 9080
)

// Ports of others, which their network policies open.
const (
	apiMetricsPort        = 8000
	traefikMetricsPort    = 9000
	patroniPort           = 8008
	memberMetricsPort     = 9187
	poolerMetricsPort     = 9127
	repositoryPort        = 9854
	certManagerPort       = 9402
	collectorPort         = 8888
	zonesMetricsPort      = 9153
	clusterDNSMetricsPort = 9153
	kubeletPort           = 10250
)

// job is one kind of target.
type job struct {
	name string
	// role is how targets are found, a question that discovery answers: pods,
	// nodes or endpoints.
	role string
	// namespace, label and port find pods: those with label=value that have a
	// container port of this name. With number, they are asked at that port,
	// whether or not they list it.
	namespace, label, value, port string
	number                        int
	// honest metrics are about other objects, and say so in labels that those of
	// the target must not cover.
	honest bool
	// secure asks over TLS with the pod's own token, as the kubelet and the API
	// server want it.
	secure bool
	path   string
	// keep are the metrics that are stored, as a regular expression; empty: all.
	// drop are those that are not.
	keep, drop string
}

// inside is the directory of a pod's credentials for the Kubernetes API.
const inside = "/var/run/secrets/kubernetes.io/serviceaccount/"

// What is kept of programs that tell far more than anybody looks at. Each
// series costs some kilobytes of memory.
const (
	keepAPIServer = "apiserver_request_total|apiserver_current_inflight_requests|apiserver_storage_size_bytes|" +
		"apiserver_storage_objects|process_.+"
	keepKubelet  = "kubelet_volume_stats_.+|kubelet_running_.+|kubelet_node_name|process_.+"
	keepCAdvisor = "container_cpu_usage_seconds_total|container_memory_working_set_bytes|container_oom_events_total|" +
		"container_cpu_cfs_throttled_periods_total|container_cpu_cfs_periods_total|" +
		"container_network_receive_bytes_total|container_network_transmit_bytes_total|machine_memory_bytes|machine_cpu_cores"
	// The exporters' own questions decide what there is of these; what they say of
	// themselves besides is left away, but for their memory.
	keepPostgres  = "pg_(up|stat|settings|database|replication_slots).*|pg_exporter_(last_scrape|user_queries_load)_error|process_resident_memory_bytes"
	keepPgBouncer = "pgbouncer_.+|process_resident_memory_bytes"
	// What the programs say about their own language and memory.
	dropRuntime = "go_.+|python_.+|promhttp_.+|net_conntrack_.+|.*_created"
)

// jobs are the targets there are.
func (p *plan) jobs() []job {
	name := component.LabelName
	all := []job{
		{name: rules.JobPrometheus, role: "pods", namespace: p.Namespace, label: name, value: "prometheus", port: "http", drop: "go_.+|net_conntrack_.+|prometheus_http_.+|prometheus_sd_.+"},
		{name: rules.JobAlertmanager, role: "pods", namespace: p.Namespace, label: name, value: "alertmanager", port: "http", drop: "go_.+|alertmanager_http_.+"},
		{name: rules.JobNode, role: "pods", namespace: p.Namespace, label: name, value: "node-exporter", port: "http", drop: "go_.+|node_scrape_.+|promhttp_.+"},
		{name: rules.JobState, role: "pods", namespace: p.Namespace, label: name, value: "kube-state-metrics", port: "http", honest: true, drop: dropRuntime},
		{name: rules.JobAPI, role: "pods", namespace: p.Targets.API, label: component.LabelComponent, value: "web", number: apiMetricsPort, drop: dropRuntime},
		{name: rules.JobTraefik, role: "pods", namespace: p.Targets.Ingress, label: name, value: "traefik", port: "internal", drop: dropRuntime},
		{name: rules.JobPatroni, role: "pods", namespace: p.Targets.Database, label: component.LabelComponent, value: "member", port: "patroni"},
		{name: rules.JobPostgres, role: "pods", namespace: p.Targets.Database, label: component.LabelComponent, value: "member", port: "metrics", keep: keepPostgres},
		{name: rules.JobPgBouncer, role: "pods", namespace: p.Targets.Database, label: name, value: "pgbouncer", port: "metrics", keep: keepPgBouncer},
		{name: rules.JobBackups, role: "pods", namespace: p.repository(), label: component.LabelComponent, value: "repository", port: "metrics", drop: dropRuntime},
		{name: rules.JobCertManager, role: "pods", namespace: p.Targets.Certificates, label: component.LabelComponent, value: "controller", port: "http-metrics", honest: true, keep: "certmanager_certificate_.+|process_.+"},
		{name: rules.JobCollector, role: "pods", namespace: p.Targets.Logs, label: name, value: "collector", port: "metrics", keep: "slipway_archive_.+|otelcol_receiver_.+|otelcol_process_memory_rss_bytes|otelcol_process_cpu_seconds_total"},
		{name: rules.JobZones, role: "pods", namespace: p.Targets.Zones, label: name, value: "coredns", port: "metrics", drop: dropRuntime + "|coredns_.+_size_.+|coredns_.+_duration_.+"},
		{name: rules.JobClusterDNS, role: "pods", namespace: component.DNSNamespace, label: "k8s-app", value: "kube-dns", number: clusterDNSMetricsPort, drop: dropRuntime + "|coredns_.+_size_.+|coredns_.+_duration_.+"},
		{name: rules.JobKubelet, role: "nodes", secure: true, keep: keepKubelet},
		{name: rules.JobCAdvisor, role: "nodes", secure: true, path: "/metrics/cadvisor", keep: keepCAdvisor},
		{name: rules.JobAPIServer, role: "endpoints", namespace: "default", secure: true, keep: keepAPIServer},
	}
	var there []job
	for _, one := range all {
		if one.role == "nodes" || one.namespace != "" {
			there = append(there, one)
		}
	}
	return there
}

// repository is where backups are kept, or empty.
func (p *plan) repository() string {
	if p.Targets.Backups.Every == 0 {
		return ""
	}
	return p.Targets.Database
}

// relabel is one step of Prometheus's relabelling.
type relabel struct {
	SourceLabels []string `json:"source_labels,omitempty"`
	Separator    string   `json:"separator,omitempty"`
	Regex        string   `json:"regex,omitempty"`
	TargetLabel  string   `json:"target_label,omitempty"`
	Replacement  string   `json:"replacement,omitempty"`
	Action       string   `json:"action,omitempty"`
}

// discovery is where Prometheus asks for targets.
type discovery struct {
	URL     string `json:"url"`
	Refresh string `json:"refresh_interval"`
}

// discover is a question to the discovery beside Prometheus.
func discover(path string, question map[string]string) []discovery {
	query := url.Values{}
	for key, value := range question {
		query.Set(key, value)
	}
	return []discovery{{fmt.Sprintf("http://127.0.0.1:%d/%s?%s", discoveryPort, path, query.Encode()), "15s"}}
}

// scrape is one scrape configuration.
type scrape struct {
	JobName              string            `json:"job_name"`
	HonorLabels          bool              `json:"honor_labels,omitempty"`
	Scheme               string            `json:"scheme,omitempty"`
	MetricsPath          string            `json:"metrics_path,omitempty"`
	SampleLimit          int               `json:"sample_limit"`
	LabelValueLimit      int               `json:"label_value_length_limit"`
	TLSConfig            map[string]string `json:"tls_config,omitempty"`
	BearerTokenFile      string            `json:"bearer_token_file,omitempty"`
	HTTPSDConfigs        []discovery       `json:"http_sd_configs"`
	RelabelConfigs       []relabel         `json:"relabel_configs,omitempty"`
	MetricRelabelConfigs []relabel         `json:"metric_relabel_configs,omitempty"`
}

// Bounds of what one target may say before it is refused as a whole, so that
// one gone mad does not take Prometheus with it. The API server and cAdvisor
// say the most; the limit counts what is left after relabelling.
const (
	sampleLimit = 10000
	valueLimit  = 512
)

// scrape is how a job's targets are found and asked.
func (j job) scrape() scrape {
	made := scrape{
		JobName: j.name, HonorLabels: j.honest, MetricsPath: j.path, SampleLimit: sampleLimit, LabelValueLimit: valueLimit,
	}
	if j.secure {
		made.Scheme, made.BearerTokenFile = "https", inside+"token"
		made.TLSConfig = map[string]string{"ca_file": inside + "ca.crt"}
	}
	switch j.role {
	case "pods":
		port := j.port
		if j.number > 0 {
			port = fmt.Sprint(j.number)
		}
		made.HTTPSDConfigs = discover(j.role, map[string]string{
			"namespace": j.namespace, "selector": j.label + "=" + j.value, "port": port,
		})
	case "nodes":
		made.HTTPSDConfigs = discover(j.role, map[string]string{"port": fmt.Sprint(kubeletPort)})
	default:
		made.HTTPSDConfigs = discover(j.role, map[string]string{"namespace": j.namespace, "service": "kubernetes", "port": "https"})
		// Its certificate names the service, whatever address it answers at.
		made.TLSConfig["server_name"] = "kubernetes.default.svc"
	}
	if j.honest {
		// What is not about a pod would else seem to be about the one that says it.
		made.RelabelConfigs = []relabel{{Regex: "namespace|pod|node", Action: "labeldrop"}}
	}
	if j.keep != "" {
		made.MetricRelabelConfigs = append(made.MetricRelabelConfigs, named(j.keep, "keep"))
	}
	if j.drop != "" {
		made.MetricRelabelConfigs = append(made.MetricRelabelConfigs, named(j.drop, "drop"))
	}
	if j.name == rules.JobPostgres {
		// Where the exporter finds its member, which is the same for all.
		made.MetricRelabelConfigs = append(made.MetricRelabelConfigs, relabel{Regex: "server|filename|hashsum", Action: "labeldrop"})
	}
	if j.name == rules.JobCAdvisor {
		// Groups of processes that are no container of a pod.
		made.MetricRelabelConfigs = append(made.MetricRelabelConfigs,
			relabel{SourceLabels: []string{"__name__", "namespace"}, Regex: "container_.+;", Action: "drop"},
			relabel{Regex: "id|name|image", Action: "labeldrop"})
	}
	return made
}

func named(metrics, action string) relabel {
	return relabel{SourceLabels: []string{"__name__"}, Regex: metrics, Action: action}
}

// configuration is Prometheus's own.
func (p *plan) configuration() (string, error) {
	every := fmt.Sprintf("%ds", p.ScrapeSeconds)
	var scrapes []scrape
	for _, one := range p.jobs() {
		scrapes = append(scrapes, one.scrape())
	}
	text, err := yaml.Marshal(map[string]any{
		"global": map[string]any{
			"scrape_interval": every, "evaluation_interval": every, "scrape_timeout": fmt.Sprintf("%ds", min(10, p.ScrapeSeconds)),
		},
		"rule_files":     []string{configDir + "/rules.yaml"},
		"scrape_configs": scrapes,
		"storage":        map[string]any{"exemplars": map[string]any{"max_exemplars": exemplars}},
		"alerting": map[string]any{
			"alertmanagers": []any{map[string]any{
				"api_version": "v2",
				"http_sd_configs": discover("pods", map[string]string{
					"namespace": p.Namespace, "selector": component.LabelName + "=" + alertmanager, "port": "http",
				}),
			}},
		},
	})
	if err != nil {
		return "", fmt.Errorf("writing Prometheus's configuration: %w", err)
	}
	return string(text), nil
}

// exemplars is how many are kept, in memory: some for each bucket of each route.
const exemplars = 5000

// states are the metrics of kube-state-metrics that are exposed at all, and
// kinds the objects it lists for them.
var (
	kinds = []string{
		"daemonsets", "deployments", "horizontalpodautoscalers", "jobs", "nodes", "persistentvolumeclaims", "pods", "statefulsets",
	}
	states = []string{
		"kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_number_ready", "kube_daemonset_status_updated_number_scheduled",
		"kube_deployment_metadata_generation", "kube_deployment_spec_replicas", "kube_deployment_status_condition",
		"kube_deployment_status_observed_generation", "kube_deployment_status_replicas_available", "kube_deployment_status_replicas_updated",
		"kube_horizontalpodautoscaler_spec_max_replicas", "kube_horizontalpodautoscaler_spec_min_replicas",
		"kube_horizontalpodautoscaler_status_current_replicas", "kube_horizontalpodautoscaler_status_desired_replicas",
		"kube_job_status_failed", "kube_job_status_start_time", "kube_job_status_succeeded",
		"kube_node_spec_unschedulable", "kube_node_status_allocatable", "kube_node_status_condition",
		"kube_persistentvolumeclaim_resource_requests_storage_bytes",
		"kube_pod_container_resource_limits", "kube_pod_container_resource_requests", "kube_pod_container_status_restarts_total",
		"kube_pod_container_status_waiting_reason", "kube_pod_status_phase", "kube_pod_status_ready",
		"kube_statefulset_replicas", "kube_statefulset_status_replicas_ready", "kube_statefulset_status_replicas_updated",
	}
)

func stateFlags() []string {
	return []string{
		"--resources=" + strings.Join(kinds, ","), "--metric-allowlist=" + strings.Join(states, ","),
		fmt.Sprintf("--port=%d", statePort), fmt.Sprintf("--telemetry-port=%d", stateSelfPort),
	}
}
