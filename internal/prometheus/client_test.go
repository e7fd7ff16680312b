package prometheus

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve is a server that answers every question with one text.
func serve(t *testing.T, handler http.HandlerFunc) (*Client, *remembering) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	fixed, err := Parse(server.URL + "/below/")
	require.NoError(t, err)
	source := &remembering{Fixed: fixed}
	return New(source, 0), source
}

type remembering struct {
	Fixed
	broken int
}

func (r *remembering) Broken(*url.URL) { r.broken++ }

func saying(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	}
}

func TestQueriesAreAskedAndReadAsTheAPIWritesThem(t *testing.T) {
	at := time.Unix(1700000000, 500e6)
	for name, c := range map[string]struct {
		answer string
		ask    func(c *Client) ([]Series, error)
		asked  string
		want   []Series
	}{
		"a vector": {
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"code":"200"},"value":[1700000000.5,"1.5"]}]}}`,
			func(c *Client) ([]Series, error) { return c.Instant(context.Background(), `up{a="b"}`, at) },
			"/below/api/v1/query?query=up%7Ba%3D%22b%22%7D&time=1700000000.500&timeout=10",
			[]Series{{map[string]string{"code": "200"}, []Sample{{at, 1.5}}}},
		},
		"a matrix": {
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1700000000.5,"+Inf"],[1700000030.5,"2"]]}]}}`,
			func(c *Client) ([]Series, error) {
				return c.Range(context.Background(), "up", at, at.Add(time.Minute), 30*time.Second)
			},
			"/below/api/v1/query_range?end=1700000060.500&query=up&start=1700000000.500&step=30&timeout=10",
			[]Series{{map[string]string{}, []Sample{{at, math.Inf(1)}, {at.Add(30 * time.Second), 2}}}},
		},
		"a scalar": {
			`{"status":"success","data":{"resultType":"scalar","result":[1700000000.5,"3"]}}`,
			func(c *Client) ([]Series, error) { return c.Instant(context.Background(), "3", at) },
			"/below/api/v1/query?query=3&time=1700000000.500&timeout=10",
			[]Series{{nil, []Sample{{at, 3}}}},
		},
		"nothing": {
			`{"status":"success","data":{"resultType":"vector","result":[]}}`,
			func(c *Client) ([]Series, error) { return c.Instant(context.Background(), "up", at) },
			"/below/api/v1/query?query=up&time=1700000000.500&timeout=10",
			[]Series{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ""
			client, source := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.String()
				fmt.Fprint(w, c.answer)
			})
			got, err := c.ask(client)
			require.NoError(t, err)
			assert.Equal(t, c.asked, asked)
			assert.Equal(t, c.want, got)
			assert.Zero(t, source.broken)
		})
	}
}

func TestEveryFailureSaysWhatItIs(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		is      error
		says    string
	}{
		"a refusal": {
			saying(http.StatusBadRequest, `{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}`),
			ErrRefused, "(bad_data): parse error: unexpected end",
		},
		"too slow by its own clock": {
			saying(http.StatusServiceUnavailable, `{"status":"error","errorType":"timeout","error":"query timed out"}`),
			ErrSlow, "query timed out",
		},
		"a proxy's page":           {saying(http.StatusBadGateway, "<html>\n<h1>Bad  gateway</h1>"), ErrForeign, `502 Bad Gateway and "<html> <h1>Bad gateway</h1>"`},
		"a login page":             {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, ErrForeign, "302 Found"},
		"an empty answer":          {saying(http.StatusOK, ""), ErrForeign, "nothing more"},
		"half an answer":           {saying(http.StatusOK, `{"status":"success","data":{"resultT`), ErrForeign, "resultT"},
		"another API":              {saying(http.StatusOK, `{"ok":true}`), ErrForeign, `{\"ok\":true}`},
		"data of another shape":    {saying(http.StatusOK, `{"status":"success","data":[]}`), ErrForeign, "the data of its answer"},
		"a type that is not known": {saying(http.StatusOK, `{"status":"success","data":{"resultType":"string","result":[]}}`), ErrForeign, `type "string"`},
		"a sample of three":        {saying(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2",3]}]}}`), ErrForeign, "has 3 parts"},
		"a value that is none":     {saying(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"much"]}]}}`), ErrForeign, `"much"`},
		"a time that is none":      {saying(http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x","2"]}]}}`), ErrForeign, "time of a sample"},
		"no samples":               {saying(http.StatusOK, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[]}]}}`), ErrForeign, "without samples"},
		"more than can be shown":   {saying(http.StatusOK, strings.Repeat(" ", limit+1)), ErrHuge, "more than 16 MiB"},
		"a connection that breaks": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "100")
				fmt.Fprint(w, "{")
			}, ErrUnreachable, "unexpected EOF",
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := serve(t, c.handler)
			_, err := client.Instant(context.Background(), "up", time.Now())
			require.ErrorIs(t, err, c.is)
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func TestAnAnswerIsNotWaitedForLongerThanSaid(t *testing.T) {
	release := make(chan struct{})
	client, source := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	client.patience = 20 * time.Millisecond
	client.http.Transport = transport(func(r *http.Request) (*http.Response, error) {
		deadline, ok := r.Context().Deadline()
		assert.True(t, ok && time.Until(deadline) <= client.patience, "it is asked until %s", deadline)
		return http.DefaultTransport.RoundTrip(r)
	})
	_, err := client.Instant(context.Background(), "up", time.Now())
	require.ErrorIs(t, err, ErrSlow)
	assert.ErrorContains(t, err, "20ms waited for at http://127.0.0.1:")
	assert.Equal(t, 1, source.broken, "a forwarded port may be what hangs")
}

type transport func(r *http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOneSlowAnswerAmongOthersBreaksNothing(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	client, source := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("query") == "slow" {
			<-release
		}
		fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
	})
	_, err := client.Instant(context.Background(), "fast", time.Now())
	require.NoError(t, err)
	require.NotZero(t, client.answered.Load())
	// As if it had just been given, however slow this machine is.
	client.answered.Store(time.Now().Add(time.Hour).UnixNano())
	client.patience = 20 * time.Millisecond
	_, err = client.Instant(context.Background(), "slow", time.Now())
	require.ErrorIs(t, err, ErrSlow)
	assert.Zero(t, source.broken)
}

func TestWhoStopsAskingBreaksNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	client, source := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := client.Instant(ctx, "up", time.Now())
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, source.broken)
}

func TestNobodyThereIsSaidWithoutThePassword(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	fixed, err := Parse(strings.Replace(server.URL, "http://", "http://me:hush@", 1))
	require.NoError(t, err)
	source := &remembering{Fixed: fixed}
	_, err = New(source, 0).Instant(context.Background(), "secretmetric", time.Now())
	require.ErrorIs(t, err, ErrUnreachable)
	assert.ErrorContains(t, err, "refused")
	assert.NotContains(t, err.Error(), "hush")
	assert.NotContains(t, err.Error(), "secretmetric")
	assert.Equal(t, 1, source.broken)
}

func TestAlertsAreRead(t *testing.T) {
	client, _ := serve(t, saying(http.StatusOK, `{"status":"success","data":{"alerts":[{"labels":{"alertname":"Watchdog"},"annotations":{"summary":"s"},"state":"firing","activeAt":"2026-11-27T10:00:00Z","value":"1e+00"}]}}`))
	got, err := client.Alerts(context.Background())
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Equal(t, Alert{map[string]string{"alertname": "Watchdog"}, map[string]string{"summary": "s"}, "firing", time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)}, got[0])
}

func TestAddressesThatAreNoneAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		"":                           "must be as http://host:9090",
		"localhost:9090":             "must be as http://host:9090",
		"ftp://host":                 "must be as http://host:9090",
		"http://":                    "must be as http://host:9090",
		"http://host/?query=up":      "more than a host and a path",
		"http://me:hush@ho st:1":     "is no URL",
		"gopher://me:hush@host:9090": "must be as",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, says, text)
		assert.NotContains(t, err.Error(), "hush")
	}
}
