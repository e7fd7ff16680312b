package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
)

// There is no pulumi here to ask instead.
func TestOutputsComeFromTheFileWithSecretsMasked(t *testing.T) {
	stack := checkout(t, "config: {}\n")
	_, err := stack.Outputs(t.Context(), false)
	require.ErrorContains(t, err, "no pulumi", "pulumi knows more backends")
	place := filepath.Join(paths.Pulumi(), ".pulumi", "stacks", "slipway")
	require.NoError(t, os.MkdirAll(place, 0o700))
	_, err = stack.Outputs(t.Context(), false)
	require.ErrorContains(t, err, "no pulumi", "a stack that is not there is pulumi's to speak of")

	write := func(resources string) {
		require.NoError(t, os.WriteFile(filepath.Join(place, "local.json"), []byte(`{"version": 3, "checkpoint": {"latest": {"resources": [`+resources+`]}}}`), 0o600))
	}
	write("")
	outputs, err := stack.Outputs(t.Context(), false)
	require.NoError(t, err)
	require.Empty(t, outputs)

	const secret = `{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}`
	write(`{"urn": "urn:pulumi:local::slipway::x::y", "type": "x", "outputs": {"other": 1}},
		{"urn": "urn:pulumi:local::slipway::pulumi:pulumi:Stack::slipway-local", "type": "pulumi:pulumi:Stack",
		"outputs": {"apiUrl": "https://api.test", "password": ` + secret + `, "nested": {"list": ["a", ` + secret + `]}}}`)
	outputs, err = stack.Outputs(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"apiUrl": "https://api.test", "password": "[secret]", "nested": map[string]any{"list": []any{"a", "[secret]"}},
	}, outputs)
	_, err = stack.Outputs(t.Context(), true)
	require.ErrorContains(t, err, "no pulumi", "only pulumi can open a secret")
}

func TestThePersonDecidesHowOftenTheEngineCollects(t *testing.T) {
	stack := checkout(t, "config: {}\n")
	stack.tools = scripts{"pulumi": "pulumi"}
	last := func(name string) string {
		cmd, err := stack.command(t.Context())
		require.NoError(t, err)
		for _, pair := range cmd.Environ() {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				return value
			}
		}
		return ""
	}
	t.Setenv("GOGC", "")
	require.NoError(t, os.Unsetenv("GOGC"))
	require.Equal(t, "400", last("GOGC"))
	t.Setenv("GOGC", "50")
	require.Equal(t, "50", last("GOGC"))
}
