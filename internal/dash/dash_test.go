package dash

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/prometheus"
)

var update = flag.Bool("update", false, "accept the current output as golden")

var noon = time.Date(2026, 11, 27, 12, 0, 7, 0, time.UTC)

// fake is a Prometheus whose answers are decided by the expression.
func fake(t *testing.T, answer func(w http.ResponseWriter, path, expr string)) *prometheus.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, strings.TrimPrefix(r.URL.Path, "/api/v1/"), r.URL.Query().Get("query"))
	}))
	t.Cleanup(server.Close)
	fixed, err := prometheus.Parse(server.URL)
	require.NoError(t, err)
	return prometheus.New(fixed, 0)
}

func say(format string, args ...any) func(w http.ResponseWriter, path, expr string) {
	return func(w http.ResponseWriter, _, _ string) { fmt.Fprintf(w, format, args...) }
}

const nothing = `{"status":"success","data":{"resultType":"vector","result":[],"alerts":[]}}`

func vector(series ...string) string {
	return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(series, ",") + `]}}`
}

func matrix(series ...string) string {
	return `{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

func one(labels, value string) string {
	return `{"metric":{` + labels + `},"value":[1,"` + value + `"]}`
}

func askFor(t *testing.T, id string, client *prometheus.Client) Answer {
	t.Helper()
	panel, ok := find(id)
	require.True(t, ok, id)
	return asking{prometheus: client, panel: panel, span: Spans[0], now: noon}.answer(context.Background())
}

func TestPanelsAreWhatWasAgreed(t *testing.T) {
	raw, err := json.MarshalIndent(Panels(), "", "  ")
	require.NoError(t, err)
	raw = append([]byte(strings.NewReplacer(`\u003e`, ">", `\u003c`, "<", `\u0026`, "&").Replace(string(raw))), '\n')
	golden := filepath.Join("testdata", "panels.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, raw, 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(raw), "if this is meant: make update")
}

func TestPanelsAreSound(t *testing.T) {
	seen := map[string]bool{}
	for _, panel := range Panels() {
		assert.False(t, seen[panel.ID], "two panels are called %s", panel.ID)
		seen[panel.ID] = true
		assert.NotEmpty(t, panel.Missing, "%s does not say what is missing", panel.ID)
		assert.Equal(t, panel.Proof == "", panel.Fine == "", "%s: a proof and what it proves go together", panel.ID)
		assert.True(t, panel.answer != nil || len(panel.Queries) > 0, "%s asks nothing", panel.ID)
		for _, query := range panel.Queries {
			for _, expr := range query.Ask {
				assert.NotContains(t, Spans[0].Expand(expr), "$window", panel.ID)
				assert.NotContains(t, Spans[0].Expand(expr), "$range", panel.ID)
			}
		}
	}
	for _, span := range Spans {
		assert.GreaterOrEqual(t, span.Window, span.Step, "%s: what happens between two points is not seen", span.Name)
		assert.Zero(t, span.Long%span.Step, span.Name)
		assert.LessOrEqual(t, span.Long/span.Step, time.Duration(200), span.Name)
	}
}

func TestLinesLieOnTheGridOfTheirSpan(t *testing.T) {
	start := noon.Truncate(30 * time.Second).Add(-time.Hour).Unix()
	at := func(n int64, value string) string { return fmt.Sprintf(`[%d,%q]`, start+30*n, value) }
	series := func(code string, values ...string) string {
		return `{"metric":{"code":"` + code + `"},"values":[` + strings.Join(values, ",") + `]}`
	}
	got := askFor(t, "requests", fake(t, say("%s", matrix(
		series("503", at(0, "NaN"), at(4, "+Inf")), series("201", at(2, "1.5"), at(120, "4")), series("200", at(0, "7"))))))
	assert.Equal(t, Answered, got.State)
	assert.Equal(t, start, got.Start)
	assert.EqualValues(t, 30, got.Step)
	require.Len(t, got.Lines, 2, "a series without a number is none")
	assert.Equal(t, []string{"200", "201"}, []string{got.Lines[0].Name, got.Lines[1].Name})
	require.Len(t, got.Lines[1].Points, 121)
	for i, point := range got.Lines[1].Points {
		switch i {
		case 2:
			assert.InDelta(t, 1.5, *point, 0)
		case 120:
			assert.InDelta(t, 4, *point, 0)
		default:
			assert.Nil(t, point, i)
		}
	}
}

func TestWhatIsNotRecordedIsComputed(t *testing.T) {
	var asked []string
	client := fake(t, func(w http.ResponseWriter, _, expr string) {
		asked = append(asked, expr)
		if strings.Contains(expr, "slipway:") {
			fmt.Fprint(w, nothing)
			return
		}
		fmt.Fprint(w, vector(one("", "12.5")))
	})
	got := askFor(t, "now-requests", client)
	assert.InDelta(t, 12.5, *got.Value, 0)
	assert.Len(t, asked, 2)
	recorded := fake(t, func(w http.ResponseWriter, _, expr string) {
		require.Contains(t, expr, "slipway:", "what is recorded is not computed again")
		fmt.Fprint(w, vector(one("", "3")))
	})
	assert.InDelta(t, 3, *askFor(t, "now-requests", recorded).Value, 0)
}

func TestTooManySeriesAreCutToTheLargest(t *testing.T) {
	var many []string
	for i := range maxLines + 5 {
		many = append(many, fmt.Sprintf(`{"metric":{"code":"%03d"},"values":[[%d,"%d"]]}`, i, noon.Truncate(30*time.Second).Unix(), i))
	}
	got := askFor(t, "requests", fake(t, say("%s", matrix(many...))))
	assert.Equal(t, 5, got.More)
	require.Len(t, got.Lines, maxLines)
	assert.Equal(t, "005", got.Lines[0].Name)

	many = nil
	for i := range maxRows + 7 {
		many = append(many, one(fmt.Sprintf(`"namespace":"n%04d"`, i), "1"))
	}
	rows := askFor(t, "namespaces", fake(t, say("%s", vector(many...))))
	assert.Len(t, rows.Rows, maxRows)
	assert.Equal(t, 7, rows.More)
}

func TestATableJoinsItsColumns(t *testing.T) {
	got := askFor(t, "rollouts", fake(t, func(w http.ResponseWriter, _, expr string) {
		labels := `"namespace":"a","kind":"Deployment","workload":"api"`
		switch {
		case strings.Contains(expr, "kube_deployment_spec_replicas"):
			fmt.Fprint(w, vector(one(labels, "3"), one(`"namespace":"a","kind":"StatefulSet","workload":"db"`, "1")))
		case strings.Contains(expr, "replicas_available"):
			fmt.Fprint(w, vector(one(labels, "2")))
		default:
			fmt.Fprint(w, nothing)
		}
	}))
	assert.Equal(t, [][]any{{"a", "Deployment", "api", 3.0, nil, 2.0}, {"a", "StatefulSet", "db", 1.0, nil, nil}}, got.Rows)
	assert.Equal(t, Heading{"Desired", Count}, got.Columns[3])
}

func TestEmptinessIsExplained(t *testing.T) {
	for _, panel := range Panels() {
		got := askFor(t, panel.ID, fake(t, func(w http.ResponseWriter, path, _ string) {
			if path == "query_exemplars" {
				fmt.Fprint(w, `{"status":"success","data":[]}`)
				return
			}
			fmt.Fprint(w, nothing)
		}))
		assert.Equal(t, Empty, got.State, panel.ID)
		assert.Contains(t, got.Message, panel.Missing, panel.ID)
		if panel.Proof == "" {
			continue
		}
		got = askFor(t, panel.ID, fake(t, func(w http.ResponseWriter, _, expr string) {
			if expr == "count("+panel.Proof+")" {
				fmt.Fprint(w, vector(one("", "4")))
				return
			}
			fmt.Fprint(w, nothing)
		}))
		assert.Equal(t, Empty, got.State, panel.ID)
		assert.Equal(t, panel.Fine, got.Message, panel.ID)
	}
}

func TestTheSlowestFollowedRequestsAreShown(t *testing.T) {
	const answer = `{"status":"success","data":[
		{"seriesLabels":{"method":"GET","route":"/v1/items","le":"0.1"},"exemplars":[
			{"labels":{"trace_id":"aa"},"value":"0.07","timestamp":%d.5},{"labels":{"trace_id":"bb"},"value":"0.09","timestamp":%d}]},
		{"seriesLabels":{"method":"POST","route":"/v1/items","le":"5"},"exemplars":[{"labels":{"trace_id":"cc"},"value":"2.5","timestamp":%d}]}]}`
	asked := ""
	got := askFor(t, "followed", fake(t, func(w http.ResponseWriter, path, expr string) {
		asked = path + " " + expr
		fmt.Fprintf(w, answer, noon.Unix()-5, noon.Unix()-90, noon.Unix()-3600)
	}))
	assert.Equal(t, `query_exemplars http_request_duration_seconds_bucket{route!~"/healthz.*|/metrics"}`, asked)
	assert.Equal(t, [][]any{
		{"POST /v1/items", 2.5, "1 h 0 min", "cc"}, {"GET /v1/items", 0.09, "1 min", "bb"}, {"GET /v1/items", 0.07, "4 s", "aa"},
	}, got.Rows)
}

func TestFailuresAreExplainedInEveryPanel(t *testing.T) {
	for name, c := range map[string]struct{ answer, says string }{
		"a refusal":   {`{"status":"error","errorType":"bad_data","error":"unknown function"}`, "unknown function. This page's queries are fixed"},
		"not its API": {`<html>Login</html>`, "Does --prometheus name Prometheus itself"},
		"too slow":    {`{"status":"error","errorType":"timeout","error":"query timed out"}`, "A shorter time range asks for less"},
	} {
		for _, panel := range Panels() {
			if panel.ID == "now-cost" { // does not ask Prometheus
				continue
			}
			got := askFor(t, panel.ID, fake(t, say("%s", c.answer)))
			assert.Equal(t, Failed, got.State, "%s: %s", name, panel.ID)
			assert.Contains(t, got.Message, c.says, "%s: %s", name, panel.ID)
		}
	}
}

func TestWhoLeadsIsSaidAndTwoAreBad(t *testing.T) {
	for name, c := range map[string]struct {
		members    []string
		word, tone string
	}{
		"one":  {[]string{one(`"name":"db-0"`, "0"), one(`"name":"db-1"`, "1")}, "db-1", ""},
		"none": {[]string{one(`"name":"db-0"`, "0")}, "none", "bad"},
		"two":  {[]string{one(`"name":"db-1"`, "1"), one(`"name":"db-0"`, "1")}, "db-0 and db-1", "bad"},
	} {
		t.Run(name, func(t *testing.T) {
			got := askFor(t, "now-leader", fake(t, func(w http.ResponseWriter, _, expr string) {
				if strings.Contains(expr, "timeline") {
					fmt.Fprint(w, vector(one("", "7")))
					return
				}
				fmt.Fprint(w, vector(c.members...))
			}))
			assert.Equal(t, c.word, got.Word)
			assert.Equal(t, c.tone, got.Tone)
			assert.Equal(t, fmt.Sprintf("of %d, timeline 7", len(c.members)), got.Note)
		})
	}
}

func TestAlertsStandInTheOrderOfTheirWeight(t *testing.T) {
	alert := func(name, severity, state, at string) string {
		return fmt.Sprintf(`{"labels":{"alertname":%q,"severity":%q},"annotations":{"summary":"about %s"},"state":%q,"activeAt":%q}`, name, severity, name, state, at)
	}
	client := fake(t, func(w http.ResponseWriter, path, _ string) {
		assert.Equal(t, "alerts", path)
		fmt.Fprint(w, `{"status":"success","data":{"alerts":[`+strings.Join([]string{
			alert("Watchdog", "none", "firing", "2026-11-20T12:00:00Z"),
			alert("Later", "critical", "pending", "2026-11-27T11:59:50Z"),
			alert("Small", "warning", "firing", "2026-11-27T09:30:00Z"),
			alert("Odd", "shrug", "firing", "2026-11-20T12:00:00Z"),
			alert("Big", "critical", "firing", "2026-11-27T11:50:00Z"),
		}, ",")+`]}}`)
	})
	got := askFor(t, "alerts", client)
	assert.Equal(t, [][]any{
		{"firing", "critical", "Big", "about Big", "10 min"},
		{"firing", "warning", "Small", "about Small", "2 h 30 min"},
		{"firing", "shrug", "Odd", "about Odd", "7 days"},
		{"pending", "critical", "Later", "about Later", "17 s"},
	}, got.Rows)
	number := askFor(t, "now-alerts", client)
	assert.InDelta(t, 3, *number.Value, 0)
	assert.Equal(t, "bad", number.Tone)
	assert.Equal(t, "1 about to", number.Note)

	calm := askFor(t, "alerts", fake(t, say(`{"status":"success","data":{"alerts":[%s]}}`, alert("Watchdog", "none", "firing", "2026-11-20T12:00:00Z"))))
	assert.Equal(t, Empty, calm.State)
	assert.Contains(t, calm.Message, "the watchdog does")
}

func TestTheCostIsSaidAsFarAsItIsKnown(t *testing.T) {
	panel, _ := find("now-cost")
	ask := func(cost func() Cost) Answer {
		return asking{panel: panel, span: Spans[0], now: noon, cost: cost}.answer(context.Background())
	}
	assert.Equal(t, "The stack's costs are not known.", ask(nil).Message)
	assert.Equal(t, "later", ask(func() Cost { return Cost{Note: "later"} }).Message)
	got := ask(func() Cost { return Cost{Known: true, Month: 812.4, Peak: 1900, Currency: "USD", Note: "list prices"} })
	assert.Equal(t, "812 USD", got.Word)
	assert.Equal(t, "up to 1900 scaled out; list prices", got.Note)
}

func TestThePageUsesNothingFromElsewhere(t *testing.T) {
	entries, err := page.ReadDir("page")
	require.NoError(t, err)
	require.Len(t, entries, 6)
	for _, entry := range entries {
		raw, err := page.ReadFile("page/" + entry.Name())
		require.NoError(t, err)
		text := strings.ReplaceAll(string(raw), "http://www.w3.org/2000/svg", "")
		for _, foreign := range []string{"http:", "https:", "//cdn", "innerHTML", "eval(", "<style", "onclick", " style="} {
			assert.NotContains(t, text, foreign, entry.Name())
		}
	}
}
