package platform

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Door is where the lab's loopback door to HTTPS listens.
const Door = "127.0.0.1:8443"

// Client reaches the platform as the curl line does: the name from apiUrl,
// the address of the loopback door when the stack runs on the lab, and the
// certificate verified against the platform's CA.
func Client(caPEM []byte, door string) (*http.Client, error) {
	return verifying{name: "the platform's CA certificate", pem: caPEM}.client(door)
}

// client verifies what the API shows against these roots, and nothing else.
func (v verifying) client(door string) (*http.Client, error) {
	roots, err := v.pool()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 5 * time.Second,
	}
	if door != "" {
		dialer := &net.Dialer{Timeout: 5 * time.Second}
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, door)
		}
	}
	return &http.Client{Transport: transport, Timeout: 15 * time.Second}, nil
}

// client asks this stack's API, and says by which roots it is verified.
func (s *Stack) client(ctx context.Context) (*http.Client, verifying, error) {
	outputs, err := s.Outputs(ctx, false)
	if err != nil {
		return nil, verifying{}, err
	}
	roots, err := s.roots(outputs)
	if err != nil {
		return nil, roots, err
	}
	lab, err := s.UsesLab()
	if err != nil {
		return nil, roots, err
	}
	door := ""
	if lab {
		door = Door
	}
	client, err := roots.client(door)
	return client, roots, err
}

// apiURL reads where the API answers.
func (s *Stack) apiURL(ctx context.Context) (string, error) {
	outputs, err := s.Outputs(ctx, false)
	if err != nil {
		return "", err
	}
	api, ok := outputs["apiUrl"].(string)
	if !ok || api == "" {
		return "", fmt.Errorf("stack %s has no output apiUrl: update it first", s.Name)
	}
	if _, err := url.Parse(api); err != nil {
		return "", fmt.Errorf("reading output apiUrl: %w", err)
	}
	return strings.TrimRight(api, "/"), nil
}

// Smoke stores a row, reads it back, compares the two, and prints both.
func (s *Stack) Smoke(ctx context.Context, out io.Writer) error {
	api, err := s.apiURL(ctx)
	if err != nil {
		return err
	}
	client, roots, err := s.client(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "trust   %s\n", roots.name)
	name := fmt.Sprintf("smoke %s", time.Now().UTC().Format(time.RFC3339Nano))
	body, err := json.Marshal(map[string]any{"name": name, "quantity": 7})
	if err != nil {
		return fmt.Errorf("writing the row as JSON: %w", err)
	}
	stored, err := exchange(ctx, client, http.MethodPost, api+"/v1/items", body, http.StatusCreated)
	if err != nil {
		return fmt.Errorf("storing a row: %w", err)
	}
	fmt.Fprintf(out, "stored  POST %s/v1/items\n        %s\n", api, compact(stored))
	id, ok := stored["id"].(string)
	if !ok || stored["name"] != name {
		return fmt.Errorf("storing a row: the answer names no id or another row: %s", compact(stored))
	}
	read, err := exchange(ctx, client, http.MethodGet, api+"/v1/items/"+url.PathEscape(id), nil, http.StatusOK)
	if err != nil {
		return fmt.Errorf("reading the row back: %w", err)
	}
	fmt.Fprintf(out, "read    GET  %s/v1/items/%s\n        %s\n", api, id, compact(read))
	for _, field := range []string{"id", "name", "quantity", "created_at"} {
		if read[field] != stored[field] {
			return fmt.Errorf("the row came back with another %s: stored %v, read %v", field, stored[field], read[field])
		}
	}
	return nil
}

func exchange(ctx context.Context, client *http.Client, method, target string, body []byte, want int) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", target, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	const limit = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(res.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", target, err)
	}
	if res.StatusCode != want {
		return nil, fmt.Errorf("%s %s answered %s, not %d: %s", method, target, res.Status, want, strings.TrimSpace(string(raw)))
	}
	var decoded map[string]any
	if err := json.Unmarshal(raw, &decoded); err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", target, err)
	}
	return decoded, nil
}

func compact(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}

// awaitHTTPS waits until the API is ready behind verified HTTPS.
func (s *Stack) awaitHTTPS(ctx context.Context, api string, limit time.Duration, log io.Writer) error {
	client, _, err := s.client(ctx)
	if err != nil {
		return err
	}
	client.Timeout = 3 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	const pause = 250 * time.Millisecond
	var last error
	for {
		// A read through Traefik, the API and the database: the whole line.
		if _, last = exchange(ctx, client, http.MethodGet, api+"/v1/items?limit=1", nil, http.StatusOK); last == nil {
			return nil
		}
		fmt.Fprintf(log, "%s: %v\n", time.Now().Format(time.TimeOnly), last)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer within %s (see `slipway lab status` and `kubectl get pods -A`): %w", api, limit, last)
		case <-time.After(pause):
		}
	}
}
