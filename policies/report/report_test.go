package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

const manifest = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "x|y<b>"}
roleRef: {kind: ClusterRole, name: cluster-admin}
---
apiVersion: acme.test/v1
kind: Thing
metadata: {name: t}
`

func made(t *testing.T, waivers string) report.Report {
	t.Helper()
	doc, err := document.Read("m.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	excused, err := waiver.Parse("waivers.yaml", []byte(waivers), catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	return report.Make(rule.NewJudge(catalogue.Rules()), rule.NewStack("prod", doc.Resources...),
		report.Options{Settings: settings.Defaults(), Waivers: excused, Now: now, Complete: true})
}

func TestWaivers(t *testing.T) {
	const ours = "waivers:\n- {rule: no-cluster-admin, resource: 'ClusterRoleBinding/x|y<b>', owner: me, reason: because, expires: "
	for title, test := range map[string]struct {
		waivers string
		stops   []string
	}{
		"none":        {"", []string{"no-cluster-admin"}},
		"good":        {ours + "2026-12-31}\n", nil},
		"over":        {ours + "2026-05-31}\n", []string{"no-cluster-admin", "waiver-expired"}},
		"other stack": {ours + "2026-12-31, stacks: [dev]}\n", []string{"no-cluster-admin"}},
		"unused": {"waivers:\n- {rule: tls-1-2, resource: 'ClusterRoleBinding/x|y<b>', owner: me, reason: because, expires: 2026-12-31}\n",
			[]string{"no-cluster-admin", "waiver-unused"}},
		"unused here": {"waivers:\n- {rule: tls-1-2, resource: TLSOption/a/b, stacks: [prod], owner: me, reason: because, expires: 2026-12-31}\n",
			[]string{"no-cluster-admin", "waiver-unused"}},
		"of other stacks": {"waivers:\n- {rule: tls-1-2, resource: TLSOption/a/b, owner: me, reason: because, expires: 2026-12-31}\n",
			[]string{"no-cluster-admin"}},
	} {
		t.Run(title, func(t *testing.T) {
			var stops []string
			r := made(t, test.waivers)
			for _, e := range r.Entries {
				if e.Stops() {
					stops = append(stops, e.Rule)
				}
			}
			if strings.Join(stops, " ") != strings.Join(test.stops, " ") {
				t.Errorf("stopped by %v, want %v", stops, test.stops)
			}
			if r.Ignored["kubernetes:acme.test/v1:Thing"] != 1 {
				t.Errorf("ignored are %v", r.Ignored)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	r := made(t, "")
	written := map[string]string{}
	for _, format := range report.Formats {
		var out bytes.Buffer
		if err := report.Write(&out, format, r, catalogue.Rules()); err != nil {
			t.Fatal(err)
		}
		written[format] = out.String()
	}
	for format, want := range map[string]string{
		"text":     "mandatory  no-cluster-admin  ClusterRoleBinding/x|y<b>\n           at m.yaml:1\n           roleRef.name is cluster-admin",
		"markdown": `| no-cluster-admin | ClusterRoleBinding/x\|y&lt;b&gt; | roleRef.name is cluster-admin |`,
	} {
		if !strings.Contains(written[format], want) {
			t.Errorf("%s lacks %q:\n%s", format, want, written[format])
		}
	}
	var decoded report.Report
	if err := json.Unmarshal([]byte(written["json"]), &decoded); err != nil || len(decoded.Entries) != 1 || decoded.Entries[0].Rule != "no-cluster-admin" {
		t.Errorf("json is %+v, %v", decoded, err)
	}
	var sarif struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID, Level string
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(written["sarif"]), &sarif); err != nil {
		t.Fatal(err)
	}
	run := sarif.Runs[0]
	if sarif.Version != "2.1.0" || len(run.Tool.Driver.Rules) != len(catalogue.Rules())+2 || len(run.Results) != 1 {
		t.Fatalf("sarif is %+v", sarif)
	}
	if got := run.Results[0]; got.RuleID != "no-cluster-admin" || got.Level != "error" || got.Locations[0].PhysicalLocation.ArtifactLocation.URI != "m.yaml" || got.Locations[0].PhysicalLocation.Region.StartLine != 1 {
		t.Errorf("result is %+v", got)
	}
	if err := report.Write(&bytes.Buffer{}, "xml", r, nil); err == nil || !strings.Contains(err.Error(), "text, json, sarif, markdown") {
		t.Errorf("got %v", err)
	}
}
