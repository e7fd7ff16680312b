//go:build dash

package dash

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/internal/dash"
	"slipway.dev/slipway/internal/prometheus"
)

// expressions are all that the page asks, by span and by a name.
func expressions(visit func(name, expr string)) {
	for _, span := range dash.Spans {
		for _, panel := range dash.Panels() {
			for _, query := range panel.Queries {
				for _, expr := range query.Ask {
					visit(panel.ID+" "+span.Name, span.Expand(expr))
				}
			}
			if panel.Proof != "" {
				visit(panel.ID+" proof", "count("+panel.Proof+")")
			}
		}
	}
}

// rules writes expressions as a rule file, which promtool parses.
func rules(t *testing.T, exprs []string) string {
	t.Helper()
	var list []map[string]string
	seen := map[string]bool{}
	for _, expr := range exprs {
		if !seen[expr] {
			seen[expr] = true
			list = append(list, map[string]string{"record": "test:expression", "expr": expr})
		}
	}
	raw, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "page", "rules": list}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	return file
}

func TestEveryQueryParses(t *testing.T) {
	var all []string
	expressions(func(_, expr string) { all = append(all, expr) })
	out, err := exec.Command("promtool", "check", "rules", "--lint=none", rules(t, all)).CombinedOutput()
	require.NoError(t, err, string(out))
	out, err = exec.Command("promtool", "check", "rules", "--lint=none", rules(t, append(all, "sum by (code (up)"))).CombinedOutput()
	require.Error(t, err, "promtool lets anything pass: %s", out)
}

// unknown are expressions over what a platform of this repository does not
// expose or does not have, and which stand for others that may.
var unknown = map[string]bool{
	`sum by (state) (pg_stat_activity_count) > 0`: true,
	`max(slipway:database_lag_bytes)`:             true,
	`slipway:database_lag_bytes`:                  true,
	`slipway:api_requests:error_ratio_rate5m`:     true,
}

// Each expression by itself has a result where a platform's series are, so none
// is hidden by the one that stands before it.
func TestEveryQueryFindsItsSeries(t *testing.T) {
	client := ask(t, platform.address)
	expressions(func(name, expr string) {
		got, err := client.Instant(context.Background(), expr, platform.end)
		if assert.NoError(t, err, "%s: %s", name, expr) && !unknown[expr] && !recorded(expr) {
			assert.NotEmpty(t, got, "%s: %s", name, expr)
		}
	})
	lag, err := client.Instant(context.Background(), lagOf(t), platform.end)
	require.NoError(t, err)
	assert.Equal(t, []string{"postgres-0", "postgres-1"}, names(lag), "the leader has no lag")
}

func recorded(expr string) bool { return expr == `slipway:api_request_duration_seconds:p99_5m >= 0` }

func lagOf(t *testing.T) string {
	t.Helper()
	for _, panel := range dash.Panels() {
		if panel.ID == "lag" {
			return panel.Queries[0].Ask[1]
		}
	}
	t.Fatal("there is no panel lag")
	return ""
}

func names(series []prometheus.Series) []string {
	var list []string
	for _, one := range series {
		list = append(list, one.Labels["name"])
	}
	return list
}
