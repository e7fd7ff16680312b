package dash

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// start serves until the test ends and returns the page's address.
func start(t *testing.T, options Options) string {
	t.Helper()
	if options.Listen == "" {
		options.Listen = "127.0.0.1:0"
	}
	if options.Prometheus == nil {
		options.Prometheus = fake(t, say(nothing))
	}
	server, err := Listen(options)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-ended)
	})
	return server.URL()
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	text   string
}

func request(t *testing.T, method, address string, change func(r *http.Request)) reply {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	require.NoError(t, err)
	if change != nil {
		change(r)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return reply{res.StatusCode, res.Header, string(raw)}
}

func TestOnlyLoopbackIsListenedOnUnlessExposed(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.7:0", "example.org:80"} {
		_, err := Listen(Options{Listen: address})
		require.ErrorIs(t, err, ErrExposed, address)
		assert.ErrorContains(t, err, "--expose")
	}
	_, err := Listen(Options{Listen: "127.0.0.1"})
	require.ErrorContains(t, err, `--listen "127.0.0.1": write it as 127.0.0.1:8000`)
	for _, options := range []Options{{Listen: "localhost:0"}, {Listen: "0.0.0.0:0", Expose: true}} {
		server, err := Listen(options)
		require.NoError(t, err)
		require.NoError(t, server.listener.Close())
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	_, err = Listen(Options{Listen: taken.Addr().String()})
	require.ErrorContains(t, err, "address already in use; port 0 takes any free one")
}

func TestNamesThatOnlyResolveHereAreRefused(t *testing.T) {
	for _, exposed := range []bool{false, true} {
		address := start(t, Options{Expose: exposed})
		at, err := url.Parse(address)
		require.NoError(t, err)
		port := ":" + at.Port()
		for host, want := range map[string]bool{
			"127.0.0.1" + port: true, "localhost" + port: true, "[::1]" + port: true,
			"evil.example" + port: false, "127.0.0.1.evil.example" + port: false, "localhost.evil.example" + port: false,
			"127.0.0.1": false, "127.0.0.1:1": false, "192.0.2.7" + port: exposed,
		} {
			res := request(t, http.MethodGet, address+"api/page", func(r *http.Request) { r.Host = host })
			assert.Equal(t, want, res.status == http.StatusOK, "%s, exposed %t: %d", host, exposed, res.status)
			if !want {
				assert.Equal(t, http.StatusMisdirectedRequest, res.status, host)
				assert.Contains(t, res.text, "by its address only")
			}
		}
	}
}

func TestOtherSitesAreNotAnswered(t *testing.T) {
	address := start(t, Options{})
	for site, want := range map[string]int{
		"same-origin": http.StatusOK, "": http.StatusOK, "cross-site": http.StatusForbidden, "same-site": http.StatusForbidden, "none": http.StatusForbidden,
	} {
		res := request(t, http.MethodGet, address+"api/panel/lag?range=1h", func(r *http.Request) {
			r.Header.Set("Origin", "http://evil.example")
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
		})
		assert.Equal(t, want, res.status, site)
		assert.Empty(t, res.header.Get("Access-Control-Allow-Origin"), "no other site may read")
	}
}

func TestEveryAnswerForbidsWhatThePageDoesNotNeed(t *testing.T) {
	address := start(t, Options{})
	for _, path := range []string{"", "page.js", "api/page", "api/panel/lag?range=1h", "api/panel/none", "nowhere"} {
		res := request(t, http.MethodGet, address+path, nil)
		header := res.header
		assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.Contains(t, header.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		assert.NotContains(t, header.Get("Content-Security-Policy"), "unsafe", path)
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		if path != "nowhere" { // Go's file server takes it away where there is no file
			assert.Equal(t, "no-store", header.Get("Cache-Control"), path)
		}
	}
}

func TestNothingButPanelsCanBeAsked(t *testing.T) {
	asked := 0
	client := fake(t, func(w http.ResponseWriter, _, expr string) {
		asked++
		assert.NotContains(t, expr, "secret")
		_, _ = w.Write([]byte(nothing))
	})
	address := start(t, Options{Prometheus: client})
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "api/panel/secret?range=1h", http.StatusNotFound},
		{http.MethodGet, "api/panel/lag?range=2y", http.StatusBadRequest},
		{http.MethodGet, "api/panel/lag", http.StatusBadRequest},
		{http.MethodGet, "api/v1/query?query=secret", http.StatusNotFound},
		{http.MethodGet, "api/panel/..%2f..%2fquery", http.StatusNotFound},
		{http.MethodPost, "api/panel/lag?range=1h", http.StatusMethodNotAllowed},
		{http.MethodDelete, "api/page", http.StatusMethodNotAllowed},
		{http.MethodOptions, "api/page", http.StatusMethodNotAllowed},
	} {
		res := request(t, c.method, address+c.path, nil)
		assert.Equal(t, c.want, res.status, "%s %s", c.method, c.path)
	}
	assert.Zero(t, asked)
	res := request(t, http.MethodGet, address+"api/panel/lag?range=1h&query=secret", nil)
	assert.Contains(t, res.text, `"state":"empty"`)
	assert.Positive(t, asked)
}

func TestThePageIsDescribedToItself(t *testing.T) {
	res := request(t, http.MethodGet, start(t, Options{Stack: "prod", Source: "Prometheus at x"})+"api/page", nil)
	var got struct {
		Stack, Source string
		Spans         []struct {
			Name    string
			Seconds int
		}
		Panels []Panel
	}
	require.NoError(t, json.Unmarshal([]byte(res.text), &got))
	assert.Equal(t, "prod", got.Stack)
	assert.Equal(t, "Prometheus at x", got.Source)
	assert.Equal(t, "1h", got.Spans[0].Name)
	assert.Len(t, got.Panels, len(Panels()))
	index := request(t, http.MethodGet, start(t, Options{}), nil).text
	assert.True(t, strings.HasPrefix(index, "<!doctype html>"))
}

func TestStoppingEndsWhatIsStillAsked(t *testing.T) {
	reached := make(chan struct{})
	release := make(chan struct{})
	defer close(release)
	client := fake(t, func(http.ResponseWriter, string, string) {
		close(reached)
		<-release
	})
	server, err := Listen(Options{Listen: "127.0.0.1:0", Prometheus: client})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	go func() {
		if res, err := http.Get(server.URL() + "api/panel/leader?range=1h"); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-reached
	stop()
	require.NoError(t, <-ended)
	_, err = net.Dial("tcp", server.listener.Addr().String())
	require.ErrorContains(t, err, "refused")
}
