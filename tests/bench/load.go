package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/tests/harness"
)

// rounds is how often each way is measured.
const rounds = 3

// requests measures the one-row read through Traefik, closed loop at full
// speed, then at a fixed rate for the latencies, which mean something only
// below saturation. One pod is then asked directly, from where Traefik stands,
// in turns, so that both see the same noise.
func (b *bench) requests(ctx context.Context) error {
	id, err := b.row(ctx)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(b.platform.CA)
	direct, err := b.beside(ctx, "/v1/items/"+id)
	if err != nil {
		return err
	}
	const throughTraefik, toThePod = "through Traefik", "one pod directly"
	names := []string{throughTraefik, toThePod}
	ways := map[string]way{
		throughTraefik: {url: b.platform.URL + "/v1/items/" + id, door: platform.Door, tls: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		toThePod:       direct,
	}
	full := map[string][]float64{}
	paced := map[string][]vegeta.Metrics{}
	for range rounds {
		for _, name := range names {
			m, err := ways[name].attack(ctx, vegeta.Rate{}, b.load/rounds)
			if err != nil {
				return err
			}
			full[name] = append(full[name], m.Throughput)
			m, err = ways[name].attack(ctx, vegeta.Rate{Freq: pacedRate, Per: time.Second}, b.load/rounds)
			if err != nil {
				return err
			}
			paced[name] = append(paced[name], m)
		}
	}
	for _, name := range names {
		slices.Sort(full[name])
		slices.SortFunc(paced[name], func(a, b vegeta.Metrics) int { return int(a.Latencies.P99 - b.Latencies.P99) })
		mid := median(paced[name])
		b.add("one-row read, "+name+", full speed", fmt.Sprintf("%.0f requests/s", median(full[name])), "")
		b.add(fmt.Sprintf("one-row read, %s, at %d requests/s", name, pacedRate),
			fmt.Sprintf("p50 %.1f ms, p99 %.1f ms", ms(mid.Latencies.P50), ms(mid.Latencies.P99)), "")
	}
	return nil
}

// pacedRate leaves two cores, shared with the load, room to breathe.
const pacedRate = 100

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// way is one road to the API: what is asked, the address that is dialled, and
// the network namespace to dial from, this one if nil.
type way struct {
	url, door string
	inside    *harness.Inside
	tls       *tls.Config
}

// attack returns an error when any request failed: a figure for requests that
// were refused would be a fine one.
func (w way) attack(ctx context.Context, rate vegeta.Rate, duration time.Duration) (vegeta.Metrics, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	const connections = 16
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: w.tls, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			if w.inside != nil {
				return dialInside(ctx, *w.inside, w.door)
			}
			return dialer.DialContext(ctx, network, w.door)
		},
	}}
	defer client.CloseIdleConnections()
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(connections), vegeta.MaxWorkers(connections))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: w.url})
	var m vegeta.Metrics
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()
	for result := range attacker.Attack(target, rate, duration, "") {
		m.Add(result)
	}
	m.Close()
	if m.Success < 1 {
		return m, fmt.Errorf("%.2f %% of the requests to %s failed: %s", (1-m.Success)*100, w.url, strings.Join(m.Errors, "; "))
	}
	return m, ctx.Err()
}

// row stores the row that is read.
func (b *bench) row(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.platform.URL+"/v1/items",
		strings.NewReader(`{"name":"bench","quantity":1}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := b.platform.HTTP.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var row struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &row); err != nil || row.ID == "" {
		return "", fmt.Errorf("storing the row to read: %s: %s", res.Status, raw)
	}
	return row.ID, nil
}
