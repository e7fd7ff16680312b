package cost

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/prometheus"
)

// told is a Prometheus that answers each of questions in turn.
type told struct {
	answers [][]prometheus.Series
	failure error
	asked   []string
}

func (p *told) Instant(_ context.Context, expr string, _ time.Time) ([]prometheus.Series, error) {
	p.asked = append(p.asked, expr)
	if n := len(p.asked) - 1; n < len(p.answers) {
		return p.answers[n], p.failure
	}
	return nil, p.failure
}

func series(namespace, workload, container string, value float64) prometheus.Series {
	return prometheus.Series{
		Labels:  map[string]string{"namespace": namespace, "workload": workload, "container": container},
		Samples: []prometheus.Sample{{Value: value}},
	}
}

func TestUsageIsGatheredFromItsQuestions(t *testing.T) {
	p := &told{answers: [][]prometheus.Series{
		{series("a", "api", "api", 0.02), series("a", "gone", "x", 1)},
		{series("a", "api", "api", 600)},
		{series("a", "api", "api", 5e7)},
		{series("a", "api", "api", 4), series("a", "agent", "x", 1), series("a", "ended", "x", 1)},
		{series("a", "api", "api", 2), series("a", "agent", "x", 1)},
		{series("a", "api", "api", 0.1)}, nil,
		{series("a", "api", "api", 1e8)}, {series("a", "api", "api", 2e8)},
	}}
	got, err := Usage(context.Background(), p, 7*24*time.Hour, time.Now())
	require.NoError(t, err)
	require.Len(t, got, 2, "what does not run is left out")
	assert.Equal(t, "agent", got[0].Workload)
	assert.Nil(t, got[0].CPURequest)
	api := got[1]
	assert.InDelta(t, 50, api.Hours, 0.001)
	assert.Equal(t, 2, api.Pods)
	for want, is := range map[float64]*float64{0.02: api.CPUUsed, 5e7: api.MemoryUsed, 0.1: api.CPURequest, 1e8: api.MemoryRequest, 2e8: api.MemoryLimit} {
		require.NotNil(t, is)
		assert.InDelta(t, want, *is, 0)
	}
	assert.Nil(t, api.CPULimit)
	assert.Len(t, p.asked, 9)
	assert.Contains(t, p.asked[0], "[604800s:300s]")

	p.answers[4], p.asked = nil, nil
	got, err = Usage(context.Background(), p, time.Hour, time.Now())
	require.NoError(t, err)
	assert.Len(t, got, 3, "without kube-state-metrics, all that the kubelets tell of")

	_, err = Usage(context.Background(), &told{}, time.Hour, time.Now())
	require.ErrorIs(t, err, ErrNoUsage)
	assert.ErrorContains(t, err, "/metrics/cadvisor")
	down := errors.New("down")
	_, err = Usage(context.Background(), &told{failure: down}, time.Hour, time.Now())
	require.ErrorIs(t, err, down)
}

func TestPodsAreTakenForTheirWorkloads(t *testing.T) {
	name := regexp.MustCompile("^(?s:" + podName + ")$")
	for pod, want := range map[string]string{
		"api-6c9f7d8b45-x2x4z":              "api",
		"api-blue-6c9f7d8b45-x2x4z":         "api-blue",
		"postgres-0":                        "postgres",
		"node-exporter-hjklm":               "node-exporter",
		"kube-state-metrics-5f8d7c-zz2":     "",
		"coredns-668d6bf9bc-4rb6v":          "coredns",
		"postgres-reconcile-29401235-k8s2x": "postgres-reconcile",
		"etcd":                              "",
	} {
		got := ""
		if match := name.FindStringSubmatch(pod); match != nil {
			got = match[1]
		}
		assert.Equal(t, want, got, pod)
	}
}

func number64(v float64) *float64 { return &v }

const mebi = 1 << 20

// container of the API that uses and reserves this; 0 is not known or not set.
func container(workload string, hours, cpu, cpuRequest, memory, memoryRequest, memoryLimit float64) Container {
	c := Container{Namespace: "slipway-api", Workload: workload, Name: "api", Pods: 2, Hours: hours}
	for _, one := range []struct {
		value float64
		into  **float64
	}{
		{cpu, &c.CPUUsed}, {cpuRequest, &c.CPURequest}, {memory * mebi, &c.MemoryUsed}, {memoryRequest * mebi, &c.MemoryRequest}, {memoryLimit * mebi, &c.MemoryLimit},
	} {
		if one.value > 0 {
			*one.into = number64(one.value)
		}
	}
	return c
}

func week(containers ...Container) *Review {
	return Judge(containers, 7*24*time.Hour, 24*time.Hour)
}

func findings(r *Review) []Finding {
	var list []Finding
	for _, row := range r.Rows {
		list = append(list, row.Finding)
	}
	return list
}

func said(r *Review) []string {
	var list []string
	for _, s := range r.Suggestions {
		list = append(list, s.Setting+": "+s.From+" -> "+s.To)
	}
	return list
}

func TestReservationsAreJudgedByUse(t *testing.T) {
	for name, c := range map[string]struct {
		container Container
		findings  []Finding
		says      []string
	}{
		"what fits": {container("api", 168, 0.07, 0.1, 100, 128, 256), []Finding{Fits, Fits}, nil},
		"too much of both": {
			container("api", 168, 0.06, 0.25, 100, 512, 1024), []Finding{Oversized, Oversized},
			[]string{"slipway:api.resources.cpu: 250m -> 80m", "slipway:api.resources.memory: 512Mi -> 128Mi"},
		},
		"never below the floor": {
			container("api", 168, 0.011, 0.1, 9, 128, 256), []Finding{Oversized, Oversized},
			[]string{"slipway:api.resources.cpu: 100m -> 50m", "slipway:api.resources.memory: 128Mi -> 64Mi"},
		},
		"nothing below a floor that is reached": {container("api", 168, 0.001, 0.05, 9, 64, 128), []Finding{Fits, Fits}, nil},
		"idle": {
			container("api", 168, 0.001, 0.2, 60, 64, 128), []Finding{Idle, Fits},
			[]string{"slipway:api.resources.cpu: 200m -> 50m"},
		},
		"too little of both": {
			container("api", 168, 0.3, 0.1, 200, 128, 256), []Finding{Undersized, Undersized},
			[]string{"slipway:api.resources.cpu: 100m -> 390m", "slipway:api.resources.memory: 128Mi -> 240Mi", "slipway:api.resources.memoryLimit: 256Mi -> 304Mi"},
		},
		"near its limit": {
			container("api", 168, 0.07, 0.1, 240, 250, 256), []Finding{Fits, Undersized},
			[]string{"slipway:api.resources.memory: 250Mi -> 288Mi", "slipway:api.resources.memoryLimit: 256Mi -> 368Mi"},
		},
		"not for less than a day of data": {container("api", 23.9, 0.01, 2, 10, 1024, 2048), []Finding{Undecided, Undecided}, nil},
		"exactly a day":                   {container("api", 24, 0.07, 0.1, 100, 128, 256), []Finding{Fits, Fits}, nil},
		"nothing reserved":                {container("api", 168, 0.07, 0, 100, 0, 0), []Finding{Unset, Unset}, nil},
		"nothing measured":                {container("api", 168, 0, 0.1, 0, 128, 256), []Finding{Undecided, Undecided}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			review := week(c.container)
			assert.Equal(t, c.findings, findings(review))
			assert.Equal(t, c.says, said(review))
		})
	}
}

func TestWhatOneSettingDecidesIsJudgedByTheBusiest(t *testing.T) {
	quiet, busy := container("api-blue", 168, 0.02, 0.2, 60, 128, 256), container("api-green", 168, 0.16, 0.2, 100, 128, 256)
	assert.Equal(t, []string(nil), said(week(quiet, busy)))
	assert.Equal(t, []string{"slipway:api.resources.cpu: 200m -> 50m", "slipway:api.resources.memory: 128Mi -> 80Mi"}, said(week(quiet)), "alone it would shrink")
	fresh := busy
	fresh.Hours = 2
	assert.Empty(t, said(week(quiet, fresh)), "what is new counts with what it needs")
	burst := container("api-green", 168, 0.5, 0.2, 100, 128, 256)
	assert.Equal(t, []string{"slipway:api.resources.cpu: 200m -> 650m"}, said(week(quiet, burst)))
	old := container("api-blue", 168, 0.02, 1, 100, 128, 256)
	assert.Equal(t, []string{"slipway:api.resources.cpu: 200m -> 650m"}, said(week(old, burst)), "more for one goes before less for another")
}

func TestWhatASuggestionFreesIsCountedOverAllPods(t *testing.T) {
	blue, green := container("api-blue", 168, 0.02, 0.2, 100, 128, 256), container("api-green", 168, 0.02, 0.2, 100, 128, 256)
	green.Pods = 3
	review := week(blue, green)
	require.Len(t, review.Suggestions, 1)
	assert.InDelta(t, 0.15*5, review.Suggestions[0].Cores, 1e-9)
	assert.Zero(t, review.Suggestions[0].Bytes)
}

func TestTheDatabaseKeepsRoomForItsCaches(t *testing.T) {
	member := Container{
		Namespace: "slipway-database", Workload: "postgres", Name: "postgres", Pods: 3, Hours: 168,
		CPUUsed: number64(0.04), CPURequest: number64(0.05), MemoryUsed: number64(190 * mebi), MemoryRequest: number64(384 * mebi), MemoryLimit: number64(384 * mebi),
	}
	assert.Equal(t, []string{"slipway:database.memory: 384Mi -> 288Mi"}, said(week(member)))
	member.MemoryUsed = number64(40 * mebi)
	assert.Equal(t, []string{"slipway:database.memory: 384Mi -> 256Mi"}, said(week(member)), "not below the component's minimum")
	member.Name = "pgbouncer"
	review := week(member)
	assert.Empty(t, review.Suggestions, "no setting decides it")
	assert.Equal(t, "components/postgres", review.Rows[1].Place)
	assert.Equal(t, Oversized, review.Rows[1].Finding)
}

// A setting that does not exist would be refused by the program. The settings of
// a component that this checkout does not have are not suggested either, since
// nothing of it runs.
func TestSuggestedSettingsExist(t *testing.T) {
	raw, err := os.ReadFile("../../docs/settings.md")
	require.NoError(t, err)
	sections := map[string]string{}
	for _, section := range strings.Split(string(raw), "\n## ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		sections[name] = text
	}
	settings := []string{}
	for _, k := range knobs {
		settings = append(settings, k.setting)
	}
	for of, limit := range limitKnobs {
		assert.Contains(t, settings, of)
		settings = append(settings, limit)
	}
	checked := 0
	for _, setting := range settings {
		at := strings.LastIndex(setting, ".")
		text, ok := sections[setting[:at]]
		if !ok && setting[:at] == "slipway:monitoring" {
			continue
		}
		require.True(t, ok, "docs/settings.md has no section %s", setting[:at])
		assert.Contains(t, text, "| `"+setting[at+1:]+"` |")
		checked++
	}
	assert.GreaterOrEqual(t, checked, 5)
}

func TestTheReviewIsWrittenForPeopleAndPrograms(t *testing.T) {
	review := week(container("api", 100, 0.06, 0.25, 100, 128, 256), Container{Namespace: "elsewhere", Workload: "x", Name: "y", Pods: 1, Hours: 3})
	var page strings.Builder
	require.NoError(t, review.Write(&page, "local"))
	text := page.String()
	for _, want := range []string{
		"in the last 7 days", "Prometheus has data for 4.17 days of that", "slipway-api/api api  2     4.17 days  cpu       60m",
		"oversized        slipway:api.resources.cpu", "elsewhere/x y        1     3 h", "too little data  not of this stack",
		"2 of 4 rows are not judged: with less than 24 h of data", "Suggested in Pulumi.local.yaml:",
		"slipway:api.resources.cpu:  250m -> 80m  95 % of the time no pod used more than 60m", "Over all pods that frees 340m of CPU and frees 0Mi of memory.",
	} {
		assert.Contains(t, text, want)
	}
	page.Reset()
	require.NoError(t, week(container("api", 168, 0.07, 0.1, 100, 128, 256)).Write(&page, "local"))
	assert.Contains(t, page.String(), "No setting of Pulumi.local.yaml is to be changed.")
	assert.NotContains(t, page.String(), "Prometheus has data for")

	page.Reset()
	require.NoError(t, review.JSON(&page))
	var got struct {
		WindowHours, Hours, AtLeastHours float64
		Rows                             []struct{ Where, Resource, Finding, Setting string }
		Suggestions                      []Suggestion
	}
	require.NoError(t, json.Unmarshal([]byte(page.String()), &got))
	assert.Len(t, got.Rows, 4)
	assert.Equal(t, "oversized", got.Rows[0].Finding)
	assert.Equal(t, "slipway:api.resources.cpu", got.Suggestions[0].Setting)
	page.Reset()
	require.NoError(t, week().JSON(&page))
	assert.Contains(t, page.String(), `"suggestions": []`, "an empty list is one")
}

func TestQuantitiesAreKubernetesOwn(t *testing.T) {
	for _, c := range []struct {
		resource string
		amount   float64
		want     string
	}{{"cpu", 0.05, "50m"}, {"cpu", 1.5, "1500m"}, {"cpu", 2, "2"}, {"cpu", 0.0001, "1m"}, {"cpu", 0, "0m"}, {"memory", 128 << 20, "128Mi"}, {"memory", 1, "1Mi"}} {
		assert.Equal(t, c.want, quantity(c.resource, c.amount))
	}
	assert.Equal(t, "-", optional("cpu", nil))
	assert.Equal(t, []string{"10 min", "3.5 h", "7 days"}, []string{span(1.0 / 6), span(3.5), span(168)})
}
