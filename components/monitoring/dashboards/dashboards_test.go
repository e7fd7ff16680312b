package dashboards_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/slipway/components/monitoring/dashboards"
	"slipway.dev/slipway/components/monitoring/rules"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// options are those of a platform with everything.
func options() rules.Options {
	return rules.Options{
		APINamespace: "slipway-api", IngressNamespace: "slipway-ingress", DatabaseNamespace: "slipway-database",
		Members: 3, Availability: 0.999, Latency: 0.99, LatencySeconds: 0.5, RenewHours: 720, Jobs: []string{rules.JobCollector, rules.JobPostgres},
	}
}

func TestDashboardsStayAsTheyAre(t *testing.T) {
	for _, one := range dashboards.All(options()) {
		got, err := one.JSON()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", one.Name+".json")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("%v; run: go test ./components/monitoring/dashboards -update", err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("dashboard %s:\n%s", one.Name, diff)
		}
	}
}

// TestPrometheusReadsEveryExpression asks the promtool of the Prometheus that
// would be asked.
func TestPrometheusReadsEveryExpression(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "../../../scripts/promtool").Output()
	if err != nil {
		t.Fatalf("finding promtool: %v", err)
	}
	for _, one := range dashboards.All(options()) {
		group := rules.Group{Name: one.Name}
		for _, expr := range one.Expressions() {
			group.Records = append(group.Records, rules.Record{Name: "shown:" + one.Name, Expr: expr})
		}
		text, err := rules.File(options(), []rules.Group{group})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "shown.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check := exec.CommandContext(t.Context(), strings.TrimSpace(string(out)), "check", "rules", "--lint=none", path)
		if said, err := check.CombinedOutput(); err != nil {
			t.Errorf("dashboard %s: %v\n%s", one.Name, err, said)
		}
	}
}

// TestPanelsFitTheirPage: no two lie on one another, none reaches over the
// edge, and each is told apart by number and title.
func TestPanelsFitTheirPage(t *testing.T) {
	names := map[string]bool{}
	for _, one := range dashboards.All(options()) {
		if names[one.Name] {
			t.Errorf("there are two dashboards called %s", one.Name)
		}
		names[one.Name] = true
		text, err := one.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			UID    string
			Panels []struct {
				ID      int
				Title   string
				GridPos struct{ X, Y, W, H int }
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		if len(page.UID) > 40 {
			t.Errorf("Grafana refuses %s as an address: it is longer than 40 characters", page.UID)
		}
		taken, ids, titles := map[[2]int]string{}, map[int]bool{}, map[string]bool{}
		for _, panel := range page.Panels {
			if ids[panel.ID] {
				t.Errorf("%s, %s: number %d is used twice", one.Name, panel.Title, panel.ID)
			}
			ids[panel.ID] = true
			at := panel.GridPos
			if at.W < 4 || at.X+at.W > 24 {
				t.Errorf("%s, %s: %d wide at %d does not fit", one.Name, panel.Title, at.W, at.X)
			}
			for x := at.X; x < at.X+at.W; x++ {
				for y := at.Y; y < at.Y+at.H; y++ {
					if other, there := taken[[2]int{x, y}]; there {
						t.Fatalf("%s: %s lies on %s", one.Name, panel.Title, other)
					}
					taken[[2]int{x, y}] = panel.Title
				}
			}
			for _, query := range panel.Targets {
				if len(panel.Targets) > 1 && query.LegendFormat == "" {
					t.Errorf("%s, %s: nothing tells its series apart", one.Name, panel.Title)
				}
			}
			titles[panel.Title] = true
		}
		if len(titles) < 5 {
			t.Errorf("%s shows hardly anything", one.Name)
		}
	}
}

// TestWhatNobodyTellsIsNotShown: a page of nothing looks like a fault.
func TestWhatNobodyTellsIsNotShown(t *testing.T) {
	o := options()
	o.Jobs = nil
	for _, one := range dashboards.All(o) {
		if one.Name == "logs" {
			t.Error("logs are shown that nobody collects")
		}
		for _, expr := range one.Expressions() {
			if strings.Contains(expr, "pg_") || strings.Contains(expr, "pgbouncer_") {
				t.Errorf("%s shows %s, for which there is no exporter", one.Name, expr)
			}
		}
	}
}
