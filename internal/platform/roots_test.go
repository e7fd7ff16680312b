package platform

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/stacks/trust"
)

const host = "api.slipway.test"

// authority signs for host.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	pem         []byte
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return authority{key, certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})}
}

// serve answers over TLS with a certificate for host that the authority signed.
func (a authority) serve(t *testing.T) (address string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"id": "1"})
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://")
}

// TestTheAPIIsVerifiedByWhoSignsForIt asks servers of four authorities as each
// kind of stack does, and is answered only by the one that the kind trusts.
// SSL_CERT_FILE makes one of them the system's for this test's process, which
// reads the system's roots once: no other test of this package may need them.
func TestTheAPIIsVerifiedByWhoSignsForIt(t *testing.T) {
	own, public, staging, stranger := newAuthority(t, "own"), newAuthority(t, "public"), newAuthority(t, "staging"), newAuthority(t, "stranger")
	system := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(system, public.pem, 0o600))
	t.Setenv("SSL_CERT_FILE", system)
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	published := stagingRoots
	stagingRoots = staging.pem
	t.Cleanup(func() { stagingRoots = published })

	doors := map[string]string{}
	for name, signer := range map[string]authority{"own": own, "public": public, "staging": staging, "stranger": stranger} {
		doors[name] = signer.serve(t)
	}
	stack := checkout(t, "config: {}\n")
	for kind, tc := range map[string]struct{ trusts, curl string }{
		"":            {"own", "curl --cacert .slipway/local/ca.crt --resolve "},
		trust.Own:     {"own", "curl --cacert .slipway/local/ca.crt --resolve "},
		trust.Public:  {"public", "curl --resolve "},
		trust.Staging: {"staging", "curl --cacert .slipway/local/letsencrypt-staging.crt --resolve "},
	} {
		t.Run("trust "+kind, func(t *testing.T) {
			outputs := map[string]any{trust.Own: string(own.pem)}
			if kind != "" {
				outputs[trust.Output] = kind
			}
			roots, err := stack.roots(outputs)
			require.NoError(t, err)
			require.NotEmpty(t, roots.name)
			require.Equal(t, tc.curl+host+":8443:127.0.0.1 https://"+host+":8443/v1/items", stack.curl("https://"+host+":8443", roots))
			for signer, door := range doors {
				client, err := roots.client(door)
				require.NoError(t, err)
				_, err = exchange(t.Context(), client, http.MethodGet, "https://"+host+"/", nil, http.StatusOK)
				if signer == tc.trusts {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, "certificate signed by unknown authority", signer)
				}
				_, err = exchange(t.Context(), client, http.MethodGet, "https://other.test/", nil, http.StatusOK)
				require.ErrorContains(t, err, "certificate is valid for", signer)
			}
		})
	}

	_, err := stack.roots(map[string]any{trust.Output: "notary"})
	require.ErrorContains(t, err, `"notary" in its output apiTrust`)
	_, err = stack.roots(map[string]any{})
	require.ErrorContains(t, err, "update it first")
	_, err = Client([]byte("no pem"), "")
	require.ErrorContains(t, err, "not PEM")
}

// TestStagingRootsAreThePublishedOnes holds them to the fingerprints that
// others have written down.
func TestStagingRootsAreThePublishedOnes(t *testing.T) {
	want := map[string]string{
		"(STAGING) Pretend Pear X1":   "e70570a989f8565aabdf7cae27abd1621872d6a3f811e3fef27e3dba02912198",
		"(STAGING) Bogus Broccoli X2": "9b2a339fe6a3e85585c4cd75536cb8c1cf7cd603b9a64bec2521858ae48da85d",
	}
	got := map[string]string{}
	for block, rest := pem.Decode(stagingRoots); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		sum := sha256.Sum256(certificate.Raw)
		got[certificate.Subject.CommonName] = hex.EncodeToString(sum[:])
	}
	require.Equal(t, want, got)
}

// An update leaves beside the checkout what the printed curl needs.
func TestFilesForCurlAreLeftBehind(t *testing.T) {
	stack := checkout(t, "config: {}\n")
	own := newAuthority(t, "own")
	for kind, want := range map[string]bool{trust.Own: false, trust.Public: false, trust.Staging: true} {
		t.Run(kind, func(t *testing.T) {
			t.Cleanup(func() { _ = os.RemoveAll(stack.scratch()) })
			writeOutputs(t, map[string]any{trust.Own: string(own.pem), trust.Output: kind, "apiUrl": "https://" + host})
			require.NoError(t, stack.WriteCA(t.Context()))
			text, err := os.ReadFile(stack.CAFile())
			require.NoError(t, err)
			require.Equal(t, own.pem, text)
			if text, err = os.ReadFile(stack.stagingFile()); want {
				require.NoError(t, err)
				require.Equal(t, stagingRoots, text)
			} else {
				require.ErrorIs(t, err, os.ErrNotExist)
			}
			var out bytes.Buffer
			require.NoError(t, stack.Describe(t.Context(), &out))
			roots, err := stack.roots(map[string]any{trust.Own: string(own.pem), trust.Output: kind})
			require.NoError(t, err)
			require.Contains(t, out.String(), "Try it (verified against "+roots.name+")")
		})
	}
}

// writeOutputs puts a state with these outputs where the local backend has it.
func writeOutputs(t *testing.T, outputs map[string]any) {
	t.Helper()
	place := filepath.Join(paths.Pulumi(), ".pulumi", "stacks", "slipway")
	require.NoError(t, os.MkdirAll(place, 0o700))
	raw, err := json.Marshal(map[string]any{"version": 3, "checkpoint": map[string]any{"latest": map[string]any{
		"resources": []any{map[string]any{"urn": "urn:pulumi:local::slipway::pulumi:pulumi:Stack::slipway-local", "type": "pulumi:pulumi:Stack", "outputs": outputs}},
	}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(place, "local.json"), raw, 0o600))
}
