//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// TestABadKubeconfigIsNamedAndNothingIsMade previews and updates a stack of its
// own, in a clone and a state of its own, whose settings name a kubeconfig that
// is of no use.
func TestABadKubeconfigIsNamedAndNothingIsMade(t *testing.T) {
	root := t.TempDir()
	clone := filepath.Join(root, "slipway")
	out, err := exec.CommandContext(within(t, time.Minute), "git", "clone", "--quiet", live.Checkout, clone).CombinedOutput()
	require.NoError(t, err, string(out))
	// Program and policies are those of the checkout, compiled already.
	project, err := os.ReadFile(filepath.Join(clone, "Pulumi.yaml"))
	require.NoError(t, err)
	const target = ".slipway/bin/program"
	require.Contains(t, string(project), "buildTarget: "+target)
	project = []byte(strings.Replace(string(project), "buildTarget: "+target, "binary: "+filepath.Join(live.Checkout, target), 1))
	require.NoError(t, os.WriteFile(filepath.Join(clone, "Pulumi.yaml"), project, 0o600))
	require.NoError(t, os.RemoveAll(filepath.Join(clone, "policies")))
	require.NoError(t, os.Symlink(filepath.Join(live.Checkout, "policies"), filepath.Join(clone, "policies")))
	good, err := os.ReadFile(paths.Kubeconfig())
	require.NoError(t, err)
	settings, err := os.ReadFile(filepath.Join(clone, "Pulumi.local.yaml"))
	require.NoError(t, err)
	replaced := func(pattern, by string) string {
		at := regexp.MustCompile(pattern)
		require.True(t, at.Match(good), "the lab's kubeconfig has no %s", pattern)
		return at.ReplaceAllString(string(good), by)
	}
	another, expired := certificate(t, time.Now().Add(time.Hour)), certificate(t, time.Now().Add(-time.Hour))
	for name, bad := range map[string]struct {
		content string // empty for no file
		says    string
	}{
		"absent":            {"", "does not exist"},
		"no kubeconfig":     {"kind: [", "is not a kubeconfig"},
		"expired":           {replaced(`(client-certificate-data): .*`, "$1: "+expired), "have expired"},
		"another authority": {replaced(`(certificate-authority-data): .*`, "$1: "+another), "unknown authority"},
		"nobody answers":    {replaced(`(server): .*`, "$1: https://127.0.0.1:1"), "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			if bad.content != "" {
				require.NoError(t, os.WriteFile(file, []byte(bad.content), 0o600))
			}
			named := strings.Replace(string(settings), "slipway:cluster:\n", fmt.Sprintf("slipway:cluster:\n    kubeconfig: %s\n", file), 1)
			require.NotEqual(t, string(settings), named)
			require.NoError(t, os.WriteFile(filepath.Join(clone, "Pulumi.local.yaml"), []byte(named), 0o600))
			state := t.TempDir()
			for _, command := range []string{"preview", "update"} {
				cmd := exec.CommandContext(within(t, 5*time.Minute), filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), command)
				cmd.Dir, cmd.Env = clone, append(os.Environ(), paths.StateEnv+"="+state)
				out, err := cmd.CombinedOutput()
				require.Error(t, err, "%s was accepted:\n%s", command, out)
				require.Contains(t, string(out), bad.says, command)
				urns, err := harness.Resources(state)
				require.NoError(t, err)
				for _, urn := range urns {
					require.NotContains(t, urn, "::kubernetes:", "%s made something", command)
				}
			}
		})
	}
}

// certificate is one of nobody's, signed by itself, as kubeconfigs hold it.
func certificate(t *testing.T, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
