package cost

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/prometheus"
)

// ErrNoUsage is returned when Prometheus knows of no container's use.
var ErrNoUsage = errors.New("Prometheus has no use of containers") //nolint:staticcheck // a name

// Asked is what of Prometheus a look at usage needs.
type Asked interface {
	Instant(ctx context.Context, expr string, at time.Time) ([]prometheus.Series, error)
}

// Container is what the pods of one workload use in one container and what is
// reserved for it. CPU is in cores, memory in bytes; nil is not known or not
// set.
type Container struct {
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"`
	Name      string `json:"container"`
	// Pods run as of now.
	Pods int `json:"pods"`
	// running are those by kube-state-metrics.
	running int
	// Hours of the window for which there is data.
	Hours float64 `json:"hours"`
	// CPUUsed is what the busiest pod used at each time, 95 % of the time at
	// most; MemoryUsed is the most that any pod ever held.
	CPUUsed       *float64 `json:"cpuUsed"`
	CPURequest    *float64 `json:"cpuRequest"`
	CPULimit      *float64 `json:"cpuLimit"`
	MemoryUsed    *float64 `json:"memoryUsed"`
	MemoryRequest *float64 `json:"memoryRequest"`
	MemoryLimit   *float64 `json:"memoryLimit"`
}

const (
	// pace is between two looks at CPU use, and the span of each rate.
	pace = 5 * time.Minute
	// podName takes apart what controllers call their pods. Hashes are spelt
	// without vowels and without 0, 1 and 3, which tells them from words.
	podName = `(.+?)(?:-[0-9]+|(?:-[0-9]{8,10}|-[bcdfghjklmnpqrstvwxz2456789]{5,10})?-[bcdfghjklmnpqrstvwxz2456789]{5})`
	// used leaves out whole pods and what holds their network.
	used = `{container!="",container!="POD"}`
	// held is what each container holds now. The kubelet's figures are found for
	// minutes after a pod has ended; running leaves those out, where
	// kube-state-metrics tells.
	held    = `max by (namespace, pod, container) (container_memory_working_set_bytes` + used + `)`
	running = ` * on (namespace, pod) group_left () (max by (namespace, pod) (kube_pod_status_phase{phase="Running"}) == 1)`
)

// byWorkload adds up what pods say, by the workload that they belong to. One
// that is of no controller stands for itself.
func byWorkload(how, expr string) string {
	return how + ` by (namespace, workload, container) (label_replace(label_replace(` + expr +
		`, "workload", "$1", "pod", "(.+)"), "workload", "$1", "pod", "` + podName + `"))`
}

// questions are what is asked over a window, by what the answer fills in.
func questions(window time.Duration) []question {
	long, step := fmt.Sprintf("%ds", int(window.Seconds())), fmt.Sprintf("%ds", int(pace.Seconds()))
	busiest := `(` + byWorkload("max", `rate(container_cpu_usage_seconds_total`+used+`[`+step+`])`) + `)[` + long + `:` + step + `]`
	reserved := func(what, resource string) string {
		return byWorkload("max", `kube_pod_container_resource_`+what+`{resource="`+resource+`"}`)
	}
	return []question{
		{`quantile_over_time(0.95, ` + busiest + `)`, func(c *Container, v float64) { c.CPUUsed = &v }},
		{`count_over_time(` + busiest + `)`, func(c *Container, v float64) { c.Hours = math.Min(window.Hours(), v*pace.Hours()) }},
		{byWorkload("max", `max_over_time(container_memory_working_set_bytes`+used+`[`+long+`])`), func(c *Container, v float64) { c.MemoryUsed = &v }},
		{byWorkload("count", held), func(c *Container, v float64) { c.Pods = int(v) }},
		{byWorkload("count", held+running), func(c *Container, v float64) { c.running = int(v) }},
		{reserved("requests", "cpu"), func(c *Container, v float64) { c.CPURequest = &v }},
		{reserved("limits", "cpu"), func(c *Container, v float64) { c.CPULimit = &v }},
		{reserved("requests", "memory"), func(c *Container, v float64) { c.MemoryRequest = &v }},
		{reserved("limits", "memory"), func(c *Container, v float64) { c.MemoryLimit = &v }},
	}
}

type question struct {
	expr string
	into func(c *Container, value float64)
}

// Usage asks what containers used over the window that ends at now. Workloads
// that do not run as of now are left out.
func Usage(ctx context.Context, ask Asked, window time.Duration, now time.Time) ([]Container, error) {
	found := map[[3]string]*Container{}
	for _, question := range questions(window) {
		series, err := ask.Instant(ctx, question.expr, now)
		if err != nil {
			return nil, fmt.Errorf("asking what containers use: %w", err)
		}
		for _, one := range series {
			value := one.Samples[0].Value
			if math.IsNaN(value) || math.IsInf(value, 0) {
				continue
			}
			key := [3]string{one.Labels["namespace"], one.Labels["workload"], one.Labels["container"]}
			if found[key] == nil {
				found[key] = &Container{Namespace: key[0], Workload: key[1], Name: key[2]}
			}
			question.into(found[key], value)
		}
	}
	told := false
	for _, one := range found {
		told = told || one.running > 0
	}
	var list []Container
	for _, one := range found {
		if told {
			one.Pods = one.running
		}
		if one.Pods > 0 {
			list = append(list, *one)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: container_memory_working_set_bytes is empty; does it scrape the kubelets' /metrics/cadvisor?", ErrNoUsage)
	}
	slices.SortFunc(list, func(a, b Container) int {
		return strings.Compare(a.Namespace+"\x00"+a.Workload+"\x00"+a.Name, b.Namespace+"\x00"+b.Workload+"\x00"+b.Name)
	})
	return list, nil
}
