package rules_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/monitoring/rules"
)

// options are those of a platform with everything.
func options() rules.Options {
	return rules.Options{
		APINamespace: "slipway-api", IngressNamespace: "slipway-ingress", DatabaseNamespace: "slipway-database",
		Members: 3, Availability: 0.999, Latency: 0.99, LatencySeconds: 0.5, RenewHours: 720,
		Backups:            rules.Backups{Every: 24 * time.Hour, Checked: 15 * time.Minute, Drilled: 7 * 24 * time.Hour},
		BenchmarkNamespace: "slipway-benchmark",
		Jobs:               []string{rules.JobAPI, rules.JobTraefik, rules.JobState, rules.JobClusterDNS, rules.JobZones, rules.JobCollector, rules.JobPostgres},
	}
}

// promtool is that of the Prometheus that evaluates the rules.
func promtool(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../../../scripts/promtool").Output()
	if err != nil {
		t.Fatalf("finding promtool: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// written puts a rule file into a directory of its own.
func written(t *testing.T, o rules.Options, groups []rules.Group) string {
	t.Helper()
	text, err := rules.File(o, groups)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrometheusReadsTheRules(t *testing.T) {
	bare := options()
	bare.Members, bare.Jobs, bare.LatencySeconds, bare.Backups, bare.BenchmarkNamespace = 1, []string{rules.JobAPI}, 1, rules.Backups{}, ""
	for name, o := range map[string]rules.Options{"everything": options(), "least": bare} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), promtool(t), "check", "rules", written(t, o, rules.Groups(o))).CombinedOutput()
			if err != nil {
				t.Errorf("promtool: %v\n%s", err, out)
			}
		})
	}
}

// TestAlertsFire shows every alert a platform in which it must fire and one in
// which it must not, and has Prometheus itself decide.
func TestAlertsFire(t *testing.T) {
	type sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	type expression struct {
		Expr     string   `json:"expr"`
		EvalTime string   `json:"eval_time"`
		Expected []sample `json:"exp_samples"`
	}
	type series struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	type test struct {
		Name     string       `json:"name"`
		Interval string       `json:"interval"`
		Input    []series     `json:"input_series"`
		Exprs    []expression `json:"promql_expr_test"`
	}
	// Rules are evaluated as often as there are samples, and only those that a
	// case is about: days of half minutes with all rules would take minutes.
	type batch struct{ interval, group string }
	tests := map[batch][]test{}
	groupOf := map[string]string{}
	for _, group := range rules.Groups(options()) {
		for _, alert := range group.Alerts {
			groupOf[alert.Name] = group.Name
		}
	}
	seen := map[string]map[bool]bool{}
	for _, c := range cases() {
		made := test{Name: c.alert + ": " + c.title, Interval: "30s"}
		if c.interval != "" {
			made.Interval = c.interval
		}
		for _, line := range c.series {
			name, values, found := strings.Cut(line, " => ")
			if !found {
				t.Fatalf("%s: no values in %q", made.Name, line)
			}
			made.Input = append(made.Input, series{name, values})
		}
		fires := 0.0
		if c.fires {
			fires = 1
		}
		made.Exprs = []expression{{
			Expr:     fmt.Sprintf(`(count(ALERTS{alertname=%q,alertstate="firing"}) or vector(0)) > bool 0`, c.alert),
			EvalTime: c.at, Expected: []sample{{"{}", fires}},
		}}
		in := batch{made.Interval, groupOf[c.alert]}
		tests[in] = append(tests[in], made)
		if seen[c.alert] == nil {
			seen[c.alert] = map[bool]bool{}
		}
		seen[c.alert][c.fires] = true
	}
	for _, alert := range rules.Alerts(options()) {
		if !seen[alert.Name][true] {
			t.Errorf("no case shows that %s fires", alert.Name)
		}
		if !seen[alert.Name][false] && alert.Name != rules.Watchdog {
			t.Errorf("no case shows that %s can be silent", alert.Name)
		}
		delete(seen, alert.Name)
	}
	for name := range seen {
		t.Errorf("there is no alert %s", name)
	}
	args := []string{"test", "rules"}
	for in, cases := range tests {
		file := written(t, options(), slices.DeleteFunc(rules.Groups(options()), func(g rules.Group) bool {
			// What is recorded for long windows belongs to the objectives.
			return !strings.HasPrefix(g.Name, in.group)
		}))
		raw, err := yaml.Marshal(map[string]any{
			"rule_files": []string{file}, "evaluation_interval": in.interval, "tests": cases,
		})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(filepath.Dir(file), "cases.yaml")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.CommandContext(t.Context(), promtool(t), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

const runbooks = "../../../docs/runbooks"

// TestEveryAlertHasItsRunbook: an alert nobody knows what to do about is noise.
func TestEveryAlertHasItsRunbook(t *testing.T) {
	wanted := map[string]bool{}
	for _, alert := range rules.Alerts(options()) {
		if wanted[alert.Name] {
			t.Errorf("there are two alerts called %s", alert.Name)
		}
		wanted[alert.Name] = true
		raw, err := os.ReadFile(filepath.Join(runbooks, alert.Name+".md"))
		if err != nil {
			t.Errorf("%s has no runbook: %v", alert.Name, err)
			continue
		}
		for _, part := range []string{
			"# " + alert.Name + "\n", "\nSeverity: " + alert.Severity + ".\n",
			"\n## Meaning\n", "\n## Impact\n", "\n## Diagnose\n```\n", "\n## Mitigate\n",
		} {
			if !strings.Contains(string(raw), part) {
				t.Errorf("the runbook of %s lacks %q", alert.Name, part)
			}
		}
	}
	entries, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	linked := regexp.MustCompile(`\]\((\w+)\.md\)`)
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), ".md")
		if !wanted[name] {
			t.Errorf("runbook %s is of no alert", entry.Name())
		}
		raw, err := os.ReadFile(filepath.Join(runbooks, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range linked.FindAllStringSubmatch(string(raw), -1) {
			if !wanted[link[1]] {
				t.Errorf("runbook %s links to %s, which is no alert", entry.Name(), link[1])
			}
		}
	}
}

func TestAlertsAreTold(t *testing.T) {
	for _, alert := range rules.Alerts(options()) {
		if alert.Severity != rules.Critical && alert.Severity != rules.Warning && alert.Name != rules.Watchdog {
			t.Errorf("%s has severity %q", alert.Name, alert.Severity)
		}
		if alert.Summary == "" || alert.Description == "" {
			t.Errorf("%s does not say what is wrong", alert.Name)
		}
		if !regexp.MustCompile(`^[A-Z][A-Za-z]+$`).MatchString(alert.Name) {
			t.Errorf("%q is no name for an alert", alert.Name)
		}
	}
	o := options()
	o.Runbooks = "https://example.org/runbooks/"
	text, err := rules.File(o, rules.Groups(o))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "runbook_url: https://example.org/runbooks/ApiDown.md") {
		t.Error("runbooks are not linked to where they are said to be")
	}
}

// TestASingleMemberHasNoReplicas: alerts about what cannot be would fire for
// ever.
func TestASingleMemberHasNoReplicas(t *testing.T) {
	o := options()
	o.Members = 1
	for _, alert := range rules.Alerts(o) {
		if strings.HasPrefix(alert.Name, "DatabaseRepl") || alert.Name == "DatabaseNotSynchronous" {
			t.Errorf("%s is there with one member", alert.Name)
		}
	}
}

// TestWithoutExportersNobodyMissesThem: nor is one about figures that nobody has.
func TestWithoutExportersNobodyMissesThem(t *testing.T) {
	o := options()
	o.Jobs = []string{rules.JobPatroni}
	for _, alert := range rules.Alerts(o) {
		if strings.HasPrefix(alert.Name, "Pooler") || strings.Contains(alert.Expr, rules.JobPgBouncer) || strings.Contains(alert.Expr, "pg_") {
			t.Errorf("%s is there without exporters", alert.Name)
		}
	}
}

// TestWithoutABenchmarkEveryJobIsTheSame: a job of any namespace that failed is
// told of.
func TestWithoutABenchmarkEveryJobIsTheSame(t *testing.T) {
	o := options()
	o.BenchmarkNamespace = ""
	for _, alert := range rules.Alerts(o) {
		if alert.Name == "BenchmarkFailed" || strings.Contains(alert.Expr, "!=\"\"") {
			t.Errorf("%s is there without a benchmark: %s", alert.Name, alert.Expr)
		}
	}
}

// TestWithoutBackupsNobodyMissesThem: an alert that nothing can clear is noise.
func TestWithoutBackupsNobodyMissesThem(t *testing.T) {
	o := options()
	o.Backups.Drilled = 0
	for _, alert := range rules.Alerts(o) {
		if alert.Name == "BackupUnproven" {
			t.Error("drills are missed where there are none")
		}
	}
	o.Backups = rules.Backups{}
	for _, alert := range rules.Alerts(o) {
		if strings.HasPrefix(alert.Name, "Backup") {
			t.Errorf("%s is there without backups", alert.Name)
		}
	}
}
