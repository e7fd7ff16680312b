//go:build dash

package dash

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// world is a platform's day as its exporters would have told it: load that
// comes and goes, a failover in the middle, a rollout that is not over.
type world struct {
	start, end time.Time
	families   map[string]*family
}

// family is one metric with all its series.
type family struct {
	kind   string
	series []series
}

// series is one labelled value as a function of time; NaN where there is none.
type series struct {
	suffix, labels string
	at             func(t time.Time) float64
}

const (
	every = time.Minute
	day   = 24*time.Hour + 30*time.Minute
)

func newWorld(end time.Time) *world {
	w := &world{start: end.Add(-day), end: end, families: map[string]*family{}}
	w.traffic()
	w.database()
	w.objects()
	w.containers()
	w.recorded()
	return w
}

func (w *world) add(kind, name, suffix, labels string, at func(t time.Time) float64) {
	if w.families[name] == nil {
		w.families[name] = &family{kind: kind}
	}
	w.families[name].series = append(w.families[name].series, series{suffix, labels, at})
}

func (w *world) gauge(name, labels string, at func(t time.Time) float64) {
	w.add("gauge", name, "", labels, at)
}

// counter grows by perSecond, which is a function of time.
func (w *world) counter(name, labels string, perSecond func(t time.Time) float64) {
	w.add("counter", name, "_total", labels, w.sum(perSecond))
}

// sum adds up a rate, asked in the order of time.
func (w *world) sum(perSecond func(t time.Time) float64) func(t time.Time) float64 {
	total, last := 0.0, w.start
	return func(t time.Time) float64 {
		total += perSecond(t) * t.Sub(last).Seconds()
		last = t
		return total
	}
}

func always(value float64) func(time.Time) float64 { return func(time.Time) float64 { return value } }

// load is requests a second: a slow wave, a faster one, and a burst.
func (w *world) load(t time.Time) float64 {
	hours := t.Sub(w.end).Hours()
	wave := 60 + 35*math.Sin(hours*math.Pi/9) + 9*math.Sin(hours*21) + 4*math.Sin(hours*157)
	if hours > -0.6 && hours < -0.45 {
		wave += 70
	}
	return wave
}

// failover is when the leader was lost.
func (w *world) failover() time.Time { return w.end.Add(-12 * time.Minute) }

// failing is the share of requests that were answered with 503.
func (w *world) failing(t time.Time) float64 {
	if since := t.Sub(w.failover()); since >= 0 && since < 90*time.Second {
		return 0.12
	}
	return 0.0004
}

func (w *world) traffic() {
	codes := map[string]func(t time.Time) float64{
		"200": func(t time.Time) float64 { return w.load(t) * (0.86 - w.failing(t)) },
		"201": func(t time.Time) float64 { return w.load(t) * 0.12 },
		"404": func(t time.Time) float64 { return w.load(t) * 0.02 },
		"503": func(t time.Time) float64 { return w.load(t) * w.failing(t) },
	}
	for code, rate := range codes {
		w.counter("traefik_router_requests", fmt.Sprintf(`code=%q,method="GET",protocol="http",router="slipway-api-api-0123abcd@kubernetescrd",service="slipway-api-api-8000@kubernetescrd"`, code), rate)
		w.counter("http_requests", fmt.Sprintf(`method="GET",route="/v1/items",status=%q,pod="api-6c9f7d8b45-x2x4z"`, code), rate)
	}
	w.counter("http_requests", `method="GET",route="/healthz/ready",status="200",pod="api-6c9f7d8b45-x2x4z"`, always(0.5))
	// Shares of requests up to each bound; slower while the leader is away.
	bounds := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "+Inf"}
	calm := []float64{0.22, 0.51, 0.84, 0.957, 0.985, 0.994, 0.998, 0.9995, 1, 1}
	slow := []float64{0.10, 0.22, 0.47, 0.62, 0.74, 0.83, 0.88, 0.93, 0.99, 1}
	for i, bound := range bounds {
		rate := func(faster float64) func(t time.Time) float64 {
			return func(t time.Time) float64 {
				share := calm[i]
				if since := t.Sub(w.failover()); since >= 0 && since < 3*time.Minute {
					share = slow[i]
				}
				return w.load(t) * min(1, share*faster)
			}
		}
		w.add("histogram", "traefik_router_request_duration_seconds", "_bucket", fmt.Sprintf(`le=%q,code="200",method="GET",router="slipway-api-api-0123abcd@kubernetescrd"`, bound), w.sum(rate(1)))
		w.add("histogram", "http_request_duration_seconds", "_bucket", fmt.Sprintf(`le=%q,method="GET",route="/v1/items"`, bound), w.sum(rate(1.18)))
	}
}

func (w *world) database() {
	for i := range 3 {
		name := fmt.Sprintf("postgres-%d", i)
		labels := fmt.Sprintf(`job="patroni",scope="postgres",name=%q`, name)
		primary := func(t time.Time) float64 {
			since := t.Sub(w.failover())
			if (i == 0 && since < 0) || (i == 2 && since >= 30*time.Second) {
				return 1
			}
			return 0
		}
		written := func(t time.Time) float64 { return 5e9 + t.Sub(w.start).Seconds()*40e3 }
		behind := func(t time.Time) float64 {
			if primary(t) == 1 {
				return 0
			}
			back := 20e3 + 15e3*math.Abs(math.Sin(t.Sub(w.end).Hours()*40+float64(i)))
			if since := t.Sub(w.failover()); i == 0 && since >= 0 && since < 9*time.Minute {
				back += 30e6 * (1 - since.Minutes()/9)
			}
			return back
		}
		w.gauge("patroni_primary", labels, primary)
		w.gauge("patroni_replica", labels, func(t time.Time) float64 { return 1 - primary(t) })
		w.gauge("patroni_xlog_location", labels, func(t time.Time) float64 { return primary(t) * written(t) })
		w.gauge("patroni_xlog_received_location", labels, func(t time.Time) float64 { return (1 - primary(t)) * (written(t) - behind(t)/2) })
		w.gauge("patroni_xlog_replayed_location", labels, func(t time.Time) float64 { return (1 - primary(t)) * (written(t) - behind(t)) })
		w.gauge("patroni_postgres_timeline", labels, func(t time.Time) float64 {
			if t.Before(w.failover()) {
				return 2
			}
			return 3
		})
	}
	for _, pool := range []string{"primary", "replica"} {
		busy := func(t time.Time) float64 { return math.Round(w.load(t) / 14) }
		w.gauge("slipway_database_connections", fmt.Sprintf(`pool=%q,state="busy"`, pool), busy)
		w.gauge("slipway_database_connections", fmt.Sprintf(`pool=%q,state="idle"`, pool), func(t time.Time) float64 { return 12 - busy(t) })
		w.gauge("slipway_database_waiting", fmt.Sprintf(`pool=%q`, pool), always(0))
	}
}

// workload is a controller and its pods, each with one container.
type workload struct {
	namespace, kind, name, container string
	pods                             []string
	// cpu, memory are what each pod uses, in cores and bytes; the others what is
	// reserved and allowed.
	cpu, memory, cpuRequest, memoryRequest, memoryLimit float64
}

const mebi = 1 << 20

var workloads = []workload{
	{"slipway-api", "deployment", "api", "api", []string{"api-6c9f7d8b45-x2x4z", "api-6c9f7d8b45-bcdfg"}, 0.022, 74 * mebi, 0.1, 128 * mebi, 256 * mebi},
	{"slipway-database", "statefulset", "postgres", "postgres", []string{"postgres-0", "postgres-1", "postgres-2"}, 0.061, 190 * mebi, 0.05, 384 * mebi, 384 * mebi},
	{"slipway-database", "deployment", "postgres-pooler", "pgbouncer", []string{"postgres-pooler-7d9f8b6c5-hjklm", "postgres-pooler-7d9f8b6c5-npqrs"}, 0.004, 6 * mebi, 0.05, 32 * mebi, 64 * mebi},
	{"slipway-ingress", "deployment", "traefik", "traefik", []string{"traefik-5b8c9d7f64-tvwxz", "traefik-5b8c9d7f64-24568", "traefik-5b8c9d7f64-bbccd"}, 0.019, 58 * mebi, 0.1, 128 * mebi, 256 * mebi},
	{"slipway-monitoring", "daemonset", "node-exporter", "node-exporter", []string{"node-exporter-hjklm", "node-exporter-npqrs", "node-exporter-tvwxz"}, 0.001, 14 * mebi, 0.01, 32 * mebi, 64 * mebi},
	{"slipway-monitoring", "statefulset", "prometheus", "prometheus", []string{"prometheus-0", "prometheus-1"}, 0.012, 151 * mebi, 0.05, 256 * mebi, 256 * mebi},
}

func (w *world) objects() {
	for _, one := range workloads {
		labels := fmt.Sprintf(`namespace=%q,%s=%q`, one.namespace, one.kind, one.name)
		all := always(float64(len(one.pods)))
		switch one.kind {
		case "deployment":
			w.gauge("kube_deployment_spec_replicas", labels, all)
			w.gauge("kube_deployment_status_replicas_updated", labels, all)
			available := all
			if one.name == "traefik" { // its rollout is not over
				available = always(2)
			}
			w.gauge("kube_deployment_status_replicas_available", labels, available)
		case "statefulset":
			w.gauge("kube_statefulset_replicas", labels, all)
			w.gauge("kube_statefulset_status_replicas_ready", labels, all)
		default:
			w.gauge("kube_daemonset_status_desired_number_scheduled", labels, all)
			w.gauge("kube_daemonset_status_number_ready", labels, all)
		}
		for _, pod := range one.pods {
			at := fmt.Sprintf(`namespace=%q,pod=%q`, one.namespace, pod)
			container := at + fmt.Sprintf(`,container=%q`, one.container)
			w.gauge("kube_pod_status_phase", at+`,phase="Running"`, always(1))
			w.gauge("kube_pod_container_resource_requests", container+`,resource="cpu",unit="core"`, always(one.cpuRequest))
			w.gauge("kube_pod_container_resource_requests", container+`,resource="memory",unit="byte"`, always(one.memoryRequest))
			w.gauge("kube_pod_container_resource_limits", container+`,resource="memory",unit="byte"`, always(one.memoryLimit))
			w.add("counter", "kube_pod_container_status_restarts", "_total", container, func(t time.Time) float64 {
				if pod == "postgres-0" && !t.Before(w.failover()) {
					return 1
				}
				return 0
			})
		}
	}
	for i := range 3 {
		node := fmt.Sprintf(`node="node-%d"`, i+1)
		w.gauge("kube_node_status_allocatable", node+`,resource="cpu",unit="core"`, always(2))
		w.gauge("kube_node_status_allocatable", node+`,resource="memory",unit="byte"`, always(4096*mebi))
	}
}

func (w *world) containers() {
	for _, one := range workloads {
		for i, pod := range one.pods {
			labels := fmt.Sprintf(`namespace=%q,pod=%q,container=%q`, one.namespace, pod, one.container)
			share := func(t time.Time) float64 { return w.load(t) / 95 }
			w.counter("container_cpu_usage_seconds", labels, func(t time.Time) float64 { return one.cpu * (0.3 + 0.7*share(t)) })
			w.gauge("container_memory_working_set_bytes", labels, func(t time.Time) float64 {
				return one.memory * (0.9 + 0.1*share(t) - 0.02*float64(i))
			})
			// The pod as a whole, which must not be counted again.
			w.counter("container_cpu_usage_seconds", fmt.Sprintf(`namespace=%q,pod=%q,container=""`, one.namespace, pod), always(5))
		}
	}
}

// recorded are series that the platform's rules record.
func (w *world) recorded() {
	w.gauge("slipway:api_requests:rate5m", `code="200"`, func(t time.Time) float64 { return w.load(t) * (0.86 - w.failing(t)) })
	w.gauge("slipway:api_requests:rate5m", `code="201"`, func(t time.Time) float64 { return w.load(t) * 0.12 })
	w.gauge("slipway:api_requests:rate5m", `code="404"`, func(t time.Time) float64 { return w.load(t) * 0.02 })
	w.gauge("slipway:api_requests:rate5m", `code="503"`, func(t time.Time) float64 { return w.load(t) * w.failing(t) })
}

// write prints everything in the text format that blocks are made from.
func (w *world) write(out io.Writer) error {
	names := make([]string, 0, len(w.families))
	for name := range w.families {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		one := w.families[name]
		kind := one.kind
		if kind == "histogram" {
			kind = "unknown" // without a sum and a count
		}
		if kind == "counter" || kind == "gauge" {
			if _, err := fmt.Fprintf(out, "# TYPE %s %s\n", name, kind); err != nil {
				return err
			}
		}
		for _, s := range one.series {
			var text strings.Builder
			for t := w.start; !t.After(w.end); t = t.Add(every) {
				fmt.Fprintf(&text, "%s%s{%s} %g %d\n", name, s.suffix, s.labels, s.at(t), t.Unix())
			}
			if _, err := io.WriteString(out, text.String()); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(out, "# EOF\n")
	return err
}

// blocks makes a database of Prometheus of it.
func (w *world) blocks(dir string) error {
	file, err := os.CreateTemp("", "slipway-samples-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	if err := errors.Join(w.write(file), file.Close()); err != nil {
		return err
	}
	if out, err := exec.Command("promtool", "tsdb", "create-blocks-from", "openmetrics", file.Name(), dir).CombinedOutput(); err != nil {
		return fmt.Errorf("promtool: %w: %s", err, out)
	}
	return nil
}
