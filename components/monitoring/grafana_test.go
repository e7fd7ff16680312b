package monitoring

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/components/monitoring/dashboards"
	"slipway.dev/slipway/components/monitoring/rules"
)

func withGrafana() Args {
	args := whole()
	args.GrafanaNamespace = "grafana"
	return args
}

func TestDashboardsAreForGrafana(t *testing.T) {
	componenttest.Both(t, declare(withGrafana()), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "monitoring")
		for _, name := range []string{"overview", "database", "logs", "cluster"} {
			made := g.One(t, "kubernetes:core/v1:ConfigMap", "monitoring-dashboard-"+name)
			if label, _ := made.Path(`metadata.labels.grafana_dashboard`); !label.IsString() || label.StringValue() != "1" {
				t.Errorf("Grafana's sidecar does not find %s: its label is %v", name, label)
			}
		}
		policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "monitoring-allow-prometheus")
		from, _ := policy.Path(`spec.ingress[1].from[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`)
		if !from.IsString() || from.StringValue() != "grafana" {
			t.Errorf("Prometheus admits %v, want the namespace of Grafana", from)
		}
	})
	componenttest.Both(t, declare(whole()), func(t *testing.T, g *componenttest.Graph) {
		if g.Has("kubernetes:core/v1:ConfigMap", "monitoring-dashboard-overview") {
			t.Error("there are dashboards without a Grafana")
		}
		policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "monitoring-allow-prometheus")
		if _, more := policy.Path("spec.ingress[1]"); more {
			t.Error("Prometheus admits somebody else without a Grafana")
		}
	})
}

var (
	asked    = regexp.MustCompile(`([a-zA-Z_:][\w:]*)\{job="([^"]+)"`)
	quoted   = regexp.MustCompile(`"[^"]*"`)
	aside    = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)`)
	word     = regexp.MustCompile(`[a-zA-Z_:][\w:]*\(?`)
	operator = []string{"and", "or", "unless"}
)

// TestPanelsAskForWhatIsKept: a panel over a metric that nobody exposes, or
// that is dropped when it is scraped, stays empty for ever.
func TestPanelsAskForWhatIsKept(t *testing.T) {
	p, faults := resolve(withGrafana())
	if len(faults) > 0 {
		t.Fatal(joined(faults))
	}
	// What the rules look at is shown to exist by the end-to-end tests, and what
	// the API says about itself is in its source.
	var judged strings.Builder
	recorded := []string{"up", "ALERTS"}
	for _, group := range rules.Groups(p.options) {
		for _, record := range group.Records {
			judged.WriteString(record.Expr + "\n")
			recorded = append(recorded, record.Name)
		}
		for _, alert := range group.Alerts {
			judged.WriteString(alert.Expr + "\n")
		}
	}
	own, err := os.ReadFile("../../app/src/slipway_api/metrics.py")
	if err != nil {
		t.Fatal(err)
	}
	known := func(metric string) bool {
		// The source names histograms and counters without what tells their samples.
		named := strings.Contains(string(own), `"`+strings.TrimSuffix(strings.TrimSuffix(metric, "_bucket"), "_total")+`"`)
		return named || regexp.MustCompile(`\b`+metric+`\b`).MatchString(judged.String())
	}
	jobs := map[string]job{}
	for _, one := range p.jobs() {
		jobs[one.name] = one
	}
	matches := func(expression, metric string) bool {
		return expression != "" && regexp.MustCompile(`^(?:`+expression+`)$`).MatchString(metric)
	}
	for _, board := range dashboards.All(p.options) {
		for _, expr := range board.Expressions() {
			for _, found := range asked.FindAllStringSubmatch(expr, -1) {
				metric, of := found[1], found[2]
				if metric == "up" {
					continue
				}
				from, there := jobs[of]
				switch {
				case !there:
					t.Errorf("%s: %s is asked of %s, which is not scraped", board.Name, metric, of)
				case matches(from.drop, metric), from.keep != "" && !matches(from.keep, metric):
					t.Errorf("%s: %s is not kept of what %s says", board.Name, metric, of)
				case of == rules.JobState && !slices.Contains(states, metric):
					t.Errorf("%s: %s is not exposed by kube-state-metrics", board.Name, metric)
				case from.keep == "" && of != rules.JobState && !known(metric):
					t.Errorf("%s: nothing says that %s is exposed by %s", board.Name, metric, of)
				}
			}
			// The rest is recorded.
			for _, name := range word.FindAllString(quoted.ReplaceAllString(bare(expr), ""), -1) {
				if !strings.HasSuffix(name, "(") && !slices.Contains(operator, name) && !slices.Contains(recorded, name) {
					t.Errorf("%s: %s names no job and is not recorded, in %s", board.Name, name, expr)
				}
			}
		}
	}
}

// bare is an expression without what is asked of a job, labels and ranges.
func bare(expr string) string {
	expr = aside.ReplaceAllString(asked.ReplaceAllString(expr, "{"), "")
	return regexp.MustCompile(`\s+\(`).ReplaceAllString(expr, "(")
}
