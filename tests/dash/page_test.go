//go:build dash

package dash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/dash"
	"slipway.dev/slipway/tests/harness"
)

// serve serves the page from the Prometheus at an address until the test ends.
func serve(t *testing.T, address string, now func() time.Time) string {
	t.Helper()
	server, err := dash.Listen(dash.Options{
		Prometheus: ask(t, address), Stack: "local", Source: "Prometheus at " + address, Listen: "127.0.0.1:0", Now: now,
		Cost: func() dash.Cost { return dash.Cost{Note: "Nothing: the stack runs on this machine."} },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return server.URL()
}

// cards are the panels' states and texts as a person sees them.
func (b *browser) cards() map[string]card {
	var list []struct{ ID, State, Text string }
	b.run(`[...document.querySelectorAll("article.card")].map((c) => ({ID: c.id.replace("panel-", ""), State: c.dataset.state, Text: c.querySelector(".body").innerText}))`, &list)
	found := map[string]card{}
	for _, one := range list {
		found[one.ID] = card{one.State, one.Text}
	}
	return found
}

type card struct{ state, text string }

// misfits are places where the page does not fit: text that is cut off,
// overlapping labels, and content wider than the window.
const misfits = `(() => {
  const wrong = [];
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page is wider than the window");
  for (const e of document.querySelectorAll("h3, .figure, .note, .key, header *:not(legend)")) {
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== "inline" && e.clientWidth > 1) wrong.push("cut off: " + e.textContent);
  }
  for (const plot of document.querySelectorAll("svg.plot")) {
    const frame = plot.getBoundingClientRect();
    const texts = [...plot.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
    texts.forEach(([name, a], i) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1) wrong.push("outside its chart: " + name);
      for (const [other, b] of texts.slice(i + 1)) {
        if (a.left < b.right && b.left < a.right && a.top < b.bottom - 2 && b.top < a.bottom - 2) wrong.push(name + " covers " + other);
      }
    });
  }
  return wrong;
})()`

// followed stands before a Prometheus and answers for exemplars, which no import of
// samples brings along.
func followed(t *testing.T, address string) string {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query_exemplars" {
			proxy.ServeHTTP(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, `{"status":"success","data":[{"seriesLabels":{"method":"GET","route":"/v1/items/{id}"},"exemplars":[
			{"labels":{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},"value":"0.42","timestamp":%d}]}]}`, platform.end.Unix()-40)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestThePageDrawsAPlatform(t *testing.T) {
	page := serve(t, followed(t, platform.address), func() time.Time { return platform.end })
	b := startBrowser(t)
	var pictures [][]byte
	b.look(1360, 1165, "light")
	b.open(page, "drawn")
	b.shot("dash", false) // for docs/images
	for _, scheme := range []string{"light", "dark"} {
		b.look(1360, 900, scheme)
		b.open(page, "drawn")
		pictures = append(pictures, b.shot("data-"+scheme, true))
		var wrong []string
		b.run(misfits, &wrong)
		assert.Empty(t, wrong, scheme)
		assert.Empty(t, b.complaints, "the page complains")
	}
	assert.Greater(t, brightness(t, pictures[0]), brightness(t, pictures[1])+0.4, "dark is dark")

	got := b.cards()
	require.Len(t, got, len(dash.Panels()))
	for id, one := range got {
		want := "answered"
		if id == "now-cost" {
			want = "empty"
		}
		assert.Equal(t, want, one.state, "%s: %s", id, one.text)
	}
	assert.Regexp(t, `^postgres-2\s+of 3, timeline 3$`, got["now-leader"].text)
	assert.Regexp(t, `^\d\d(\.\d)?/s$`, got["now-requests"].text)
	assert.Regexp(t, `^1\s+1 about to$`, got["now-alerts"].text)
	assert.Contains(t, got["alerts"].text, "slipway-ingress/traefik has too few pods that serve")
	assert.NotContains(t, got["alerts"].text, "Watchdog")
	assert.Regexp(t, `traefik\s+3\s+3\s+2`, got["rollouts"].text)
	assert.Regexp(t, `postgres-0\s+postgres\s+1`, got["restarts"].text)
	assert.Regexp(t, `503\s`, got["requests"].text)
	assert.Regexp(t, `GET /v1/items/\{id\}\s+420 ms\s+40 s\s+4bf92f3577b34da6a3ce929d0e0e4736`, got["followed"].text)
	assert.Regexp(t, `postgres-2\s+leads`, got["leader"].text)
	assert.Regexp(t, `reserved\s+880 m`, strings.ReplaceAll(got["cpu"].text, "\n", " "))

	for selector, want := range map[string]int{
		"#panel-requests path.line": 4, "#panel-latency-ingress path.line": 3, "#panel-leader rect.band": 2, "#panel-lag path.line": 3, "#panel-cpu path.line": 3,
	} {
		number := 0
		b.run(`document.querySelectorAll("`+selector+`").length`, &number)
		assert.Equal(t, want, number, selector)
	}
	narrow(t, b, page)
	interact(t, b)
}

func narrow(t *testing.T, b *browser, page string) {
	b.look(420, 900, "light")
	b.open(page, "drawn")
	b.shot("narrow", true)
	var wrong []string
	b.run(misfits, &wrong)
	assert.Empty(t, wrong, "narrow")
}

// interact uses the page as a person does.
func interact(t *testing.T, b *browser) {
	b.look(1360, 900, "light")
	tip := ""
	// A plot that is drawn anew under the pointer takes the tip away.
	await(t, "a tip under the pointer", func() error {
		b.point("#panel-latency-ingress svg.plot", 0.6, 0.5)
		if b.run(`document.querySelector("#panel-latency-ingress .tip")?.innerText ?? ""`, &tip); tip == "" {
			return errors.New("there is none")
		}
		return nil
	})
	assert.Regexp(t, `(?s)^\d\d:\d\d:\d\d.*p50\s+[\d.]+ ms.*p99\s+[\d.]+ m?s`, tip)
	b.shot("hover", false)

	b.run(`document.querySelector("#panel-requests .key").click()`, nil)
	number := 0
	b.run(`document.querySelectorAll("#panel-requests path.line").length`, &number)
	assert.Equal(t, 3, number, "a series is switched off")

	for _, span := range []string{"15m", "6h", "24h"} {
		b.run(`document.querySelector("input[value='`+span+`']").click()`, nil)
		b.settled("drawn")
		for id, one := range b.cards() {
			if id != "now-cost" {
				assert.Equal(t, "answered", one.state, "%s: %s: %s", span, id, one.text)
			}
		}
		var wrong []string
		b.run(misfits, &wrong)
		assert.Empty(t, wrong, span)
		b.shot("data-"+span, true)
	}
	hash := ""
	b.run("location.hash", &hash)
	assert.Equal(t, "#range=24h", hash, "a reload shows the same")
	b.run(`document.querySelector("#panel-lag .help").click()`, nil)
	text := ""
	b.run(`document.querySelector("#panel-lag .explained").innerText`, &text)
	assert.Contains(t, text, "slipway:database_lag_bytes")
}

func TestThePageSaysWhyThereIsNothing(t *testing.T) {
	b := startBrowser(t)
	b.look(1360, 900, "light")
	bare, stop, err := startPrometheus(t.TempDir(), nil)
	t.Cleanup(stop)
	require.NoError(t, err)
	b.open(serve(t, bare, nil), "drawn")
	b.shot("empty", true)
	for id, one := range b.cards() {
		assert.Equal(t, "empty", one.state, "%s: %s", id, one.text)
		if id != "now-cost" && id != "now-alerts" && id != "alerts" && id != "followed" { // say it in their own words
			assert.Contains(t, one.text, "Prometheus has no such series", id)
		}
	}
	assert.Contains(t, b.cards()["lag"].text, "Patroni tells at /metrics")
	assert.Empty(t, b.complaints)

	b.look(1360, 900, "dark")
	nobody, err := harness.FreeAddress()
	require.NoError(t, err)
	b.open(serve(t, "http://"+nobody, nil), "drawn")
	b.shot("gone", true)
	said := ""
	b.run(`document.getElementById("banner").innerText`, &said)
	assert.Regexp(t, `^Prometheus cannot be reached at http://127\.0\.0\.1:\d+: .*refused`, said)
	var wrong []string
	b.run(misfits, &wrong)
	assert.Empty(t, wrong)
}

// brightness is a picture's mean, 0 to 1.
func brightness(t *testing.T, raw []byte) float64 {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)
	total, count := 0.0, 0.0
	at := func(p image.Point) {
		r, g, b, _ := picture.At(p.X, p.Y).RGBA()
		total += float64(r+g+b) / 3 / 0xffff
		count++
	}
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y += 7 {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x += 7 {
			at(image.Pt(x, y))
		}
	}
	return total / count
}
