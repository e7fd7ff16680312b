//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

var changes = regexp.MustCompile(`(?m)^\s*[+~-]+ ?\d+ (to )?(create|created|update|updated|delete|deleted|replace|replaced)`)

func TestAnUnchangedProgramChangesNothing(t *testing.T) {
	healthy(t)
	out, err := harness.Slipway(within(t, 5*time.Minute), live.Checkout, "preview")
	require.NoError(t, err, out)
	require.NotRegexp(t, changes, out)
	require.Contains(t, out, "unchanged")
}

// TestAnImageThatDoesNotBuildIsNamed breaks the service's Dockerfile: `up` says
// which image and which step, and the platform stays as it is.
func TestAnImageThatDoesNotBuildIsNamed(t *testing.T) {
	healthy(t)
	copied := copyCheckout(t)
	file := filepath.Join(copied, "app", "Dockerfile")
	recipe, err := os.ReadFile(file)
	require.NoError(t, err)
	broken := strings.Replace(string(recipe), "FROM scratch\n", "RUN echo no such thing >&2; exit 3\n\nFROM scratch\n", 1)
	require.NotEqual(t, string(recipe), broken)
	require.NoError(t, os.WriteFile(file, []byte(broken), 0o600))
	before, err := live.Pods(within(t, time.Minute), harness.API, "app.kubernetes.io/name=api")
	require.NoError(t, err)
	cmd := exec.CommandContext(within(t, 10*time.Minute), filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), "up")
	cmd.Dir = copied
	out, err := cmd.CombinedOutput()
	require.Error(t, err, string(out))
	for _, said := range []string{"slipway.dev/api", "RUN echo no such thing", "no such thing"} {
		require.Contains(t, string(out), said)
	}
	after, err := live.Pods(within(t, time.Minute), harness.API, "app.kubernetes.io/name=api")
	require.NoError(t, err)
	require.Equal(t, before, after)
	healthy(t)
}

// TestPlainPulumiWorks previews as somebody does who knows pulumi and has typed
// what the README says. Pulumi writes the stack's salt into the settings, which
// are put back.
func TestPlainPulumiWorks(t *testing.T) {
	healthy(t)
	settings := filepath.Join(live.Checkout, "Pulumi.local.yaml")
	before, err := os.ReadFile(settings)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.WriteFile(settings, before, 0o600)) })
	plain := exec.CommandContext(within(t, 5*time.Minute), "sh", "-euc",
		`eval "$(.slipway/bin/slipway env)"; exec pulumi preview --stack local --non-interactive --expect-no-changes`)
	plain.Dir = live.Checkout
	out, err := plain.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "unchanged")
}
