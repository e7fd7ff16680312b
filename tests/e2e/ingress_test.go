//go:build e2e

package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/platform"
)

// redirectDoor is the loopback door to plain HTTP.
const redirectDoor = "127.0.0.1:8080"

func handshake(t *testing.T, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	config.ServerName = live.Host
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", platform.Door, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState(), nil
}

func TestTLSChainEndsAtThePlatformsCA(t *testing.T) {
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(live.CA))
	state, err := handshake(t, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	require.NoError(t, err)
	leaf := state.PeerCertificates[0]
	require.NoError(t, leaf.VerifyHostname(live.Host))
	require.False(t, leaf.IsCA)
	require.True(t, leaf.NotAfter.After(time.Now()))

	_, err = handshake(t, &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12})
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown, "without the CA the certificate must not verify")
}

func TestTLSBelow12IsRefused(t *testing.T) {
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(live.CA))
	// Offering the old version is the point.
	_, err := handshake(t, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.ErrorContains(t, err, "protocol version")
}

func TestPlainHTTPIsRedirectedToTheSamePathOverHTTPS(t *testing.T) {
	client := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+redirectDoor+"/v1/items?limit=1", nil)
	require.NoError(t, err)
	req.Host = live.Host
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Contains(t, []int{http.StatusMovedPermanently, http.StatusPermanentRedirect}, res.StatusCode)
	require.Equal(t, live.URL+"/v1/items?limit=1", res.Header.Get("Location"))
}

func TestAnswersCarrySecurityHeaders(t *testing.T) {
	res := ask(t, http.MethodGet, "/v1/items?limit=1", nil, nil)
	require.Contains(t, res.header.Get("Strict-Transport-Security"), "max-age=")
	require.Equal(t, "nosniff", res.header.Get("X-Content-Type-Options"))
}

func TestWhatIsInternalIsNotRouted(t *testing.T) {
	require.Equal(t, http.StatusOK, ask(t, http.MethodGet, "/openapi.json", nil, nil).status, "positive control")
	for _, path := range []string{"/metrics", "/dashboard/", "/api/rawdata"} {
		require.Equal(t, http.StatusNotFound, ask(t, http.MethodGet, path, nil, nil).status, path)
	}
}

func TestDocumentationIsServedWithoutTheInternet(t *testing.T) {
	page := ask(t, http.MethodGet, "/docs", nil, nil)
	require.Equal(t, http.StatusOK, page.status)
	for _, part := range strings.Split(string(page.body), `"`) {
		if strings.HasPrefix(part, "http://") || strings.HasPrefix(part, "https://") {
			require.True(t, strings.HasPrefix(part, live.URL), "the page loads %s", part)
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	decoded := map[string]any{}
	require.NoError(t, json.Unmarshal(a.body, &decoded), "%s", a.body)
	return decoded
}

// ask sends one request through Traefik.
func ask(t *testing.T, method, path string, header map[string]string, body any) answer {
	t.Helper()
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(t, err)
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, live.URL+path, payload)
	require.NoError(t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := live.HTTP.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, raw}
}

// store writes a row and returns its id.
func store(t *testing.T, name string, quantity int) string {
	t.Helper()
	res := ask(t, http.MethodPost, "/v1/items", nil, map[string]any{"name": name, "quantity": quantity})
	require.Equal(t, http.StatusCreated, res.status, "%s", res.body)
	id, ok := res.json(t)["id"].(string)
	require.True(t, ok)
	return id
}
