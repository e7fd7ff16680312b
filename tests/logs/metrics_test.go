//go:build logs

package logs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/components/monitoring/dashboards"
	"slipway.dev/slipway/components/monitoring/rules"
	"slipway.dev/slipway/tests/harness"
)

// A rule over a counter that the collector calls otherwise could never fire,
// and a panel would stay empty.
func TestCountersAreCalledAsRulesCallThem(t *testing.T) {
	// A counter is not told before it has counted: there are copies to count, and spans.
	n := newArchivedOf(t, logging.Args{Image: "none", Profile: logging.Standard, Classes: classes,
		Traces: &logging.Traces{Namespaces: []string{"slipway-api"}, Days: 1, DiskMiB: 512}})
	w := newWriter(n.node)
	w.write(10)
	n.start()
	n.copied(10)
	sent, err := http.Post("http://"+n.places.Traces+"/v1/traces", "application/json", strings.NewReader(
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000001","name":"one"}]}]}]}`))
	require.NoError(t, err)
	defer sent.Body.Close() //nolint:errcheck // nothing is read from it
	require.Equal(t, http.StatusOK, sent.StatusCode)
	named := regexp.MustCompile(`(\w+)\{job="` + rules.JobCollector + `"(?:,reason="(\w+)")?`)
	wanted := map[string]bool{}
	want := func(expr string) {
		for _, found := range named.FindAllStringSubmatch(expr, -1) {
			if metric, reason := found[1], found[2]; reason != "" {
				wanted[metric+`\{class="access",reason="`+reason+`"`] = true
			} else if metric != "up" {
				wanted[metric+`[ {]`] = true
			}
		}
	}
	o := rules.Options{Jobs: []string{rules.JobCollector}}
	for _, alert := range rules.Alerts(o) {
		want(alert.Expr)
	}
	require.Len(t, wanted, 5, "%v", wanted)
	for _, board := range dashboards.All(o) {
		for _, expr := range board.Expressions() {
			want(expr)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, harness.Eventually(ctx, 100*time.Millisecond, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.places.Metrics+"/metrics", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close() //nolint:errcheck // read to its end or given up
		said, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		for series := range wanted {
			if !regexp.MustCompile(`(?m)^` + series).Match(said) {
				return fmt.Errorf("the collector says nothing like %s; it says\n%s", series, said)
			}
		}
		return nil
	}))
}
