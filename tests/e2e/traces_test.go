//go:build e2e

package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
)

// random is so many bytes in hexadecimal.
func random(t *testing.T, bytes int) string {
	t.Helper()
	raw := make([]byte, bytes)
	_, err := rand.Read(raw)
	require.NoError(t, err)
	return hex.EncodeToString(raw)
}

// A request whose number asks for it is followed through the proxy, the service and its
// statement; the logs and the latency in Prometheus lead to it, and nothing that
// its client said is in what is kept.
func TestARequestIsFollowed(t *testing.T) {
	healthy(t)
	begun := time.Now().Add(-time.Second)
	id, other := random(t, 8)+"0000"+random(t, 6), random(t, 8)+"ffff"+random(t, 6)
	mark := "spanmark" + random(t, 6)
	header := func(id string) map[string]string {
		return map[string]string{
			"traceparent": "00-" + id + "-" + random(t, 8) + "-01", "tracestate": "who=" + mark, "baggage": "who=" + mark,
			"User-Agent": mark, "X-Forwarded-For": "203.0.113.78", "Authorization": "Bearer " + mark,
		}
	}
	for _, id := range []string{id, other} {
		got := ask(t, http.MethodGet, "/v1/items?limit=1&who="+mark, header(id), nil)
		require.Equal(t, http.StatusOK, got.status, "%s", got.body)
	}

	ctx := within(t, 2*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		out, err := slipway(t, time.Minute, "trace", id, "--since", "10m", "--json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var traces []struct {
			Spans []struct{ Service, Kind, Name string }
		}
		if err := json.Unmarshal([]byte(out), &traces); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, want := range []struct{ Service, Kind string }{{"traefik", "server"}, {"api", "server"}, {"api", "client"}} {
			if !slices.ContainsFunc(traces[0].Spans, func(s struct{ Service, Kind, Name string }) bool {
				return s.Service == want.Service && s.Kind == want.Kind
			}) {
				return fmt.Errorf("no span of kind %s is from %s yet: %s", want.Kind, want.Service, out)
			}
		}
		return nil
	}))
	out, err := slipway(t, time.Minute, "trace", id)
	require.NoError(t, err, out)
	assert.Contains(t, out, "GET /v1/items ")
	out, err = slipway(t, time.Minute, "trace", "--limit", "1000")
	require.NoError(t, err, out)
	assert.Contains(t, out, id)
	out, err = slipway(t, time.Minute, "trace", other)
	require.Error(t, err)
	assert.Contains(t, out, "there is no span of trace "+other)

	// The logs of both programs name it.
	require.NoError(t, eventually(ctx, func() error {
		named := map[string]bool{}
		for _, one := range archived(t, begun) {
			if fields, _ := one.Body.(map[string]any); fields["TraceId"] == id || fields["trace_id"] == id {
				named[one.class] = true
			}
		}
		if !named["access"] || !named["application"] {
			return fmt.Errorf("the trace is named in the logs of %v only", named)
		}
		return nil
	}))

	files, err := filepath.Glob(filepath.Join(paths.Lab(), "nodes", "*", "collector", "archive", "traces-*"))
	require.NoError(t, err)
	found := false
	for _, file := range files {
		content := inflated(t, file)
		found = found || bytes.Contains(content, []byte(id))
		for _, said := range []string{mark, "203.0.113"} {
			assert.NotContains(t, string(content), said, file)
		}
	}
	assert.True(t, found, "the search would have found nothing whatever there is: no file has the trace")

	prometheus := door(t, "pod/prometheus-0", 9090)
	ctx = within(t, 3*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		query := url.Values{
			"query": {"http_request_duration_seconds_bucket"},
			"start": {begun.UTC().Format(time.RFC3339)}, "end": {time.Now().UTC().Format(time.RFC3339)},
		}
		var series []struct {
			Exemplars []struct{ Labels map[string]string }
		}
		if err := inquire(ctx, prometheus, "/api/v1/query_exemplars?"+query.Encode(), &series); err != nil {
			return err
		}
		for _, one := range series {
			for _, exemplar := range one.Exemplars {
				if exemplar.Labels["trace_id"] == id {
					return nil
				}
			}
		}
		return fmt.Errorf("no latency leads to the trace, of %d series with exemplars", len(series))
	}))
}
