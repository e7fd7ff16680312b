package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
)

// A new passphrase is drawn where nothing was encrypted yet, and nowhere else.
func TestAPassphraseIsDrawnOnce(t *testing.T) {
	for name, left := range map[string]string{
		"salt": "local.salt", "preview's salt": "pr-1.salt", "state": ".pulumi/stacks/slipway/local.json", "compressed state": ".pulumi/stacks/slipway/local.json.gz",
	} {
		t.Run(name, func(t *testing.T) {
			s := checkout(t, "config: {}\n")
			file := filepath.Join(paths.Pulumi(), left)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
			err := s.Prepare(t.Context(), os.Stderr)
			require.ErrorIs(t, err, ErrNoPassphrase)
			require.ErrorContains(t, err, passphraseFile())
			require.ErrorContains(t, err, file)
			require.NoFileExists(t, passphraseFile())
		})
	}
	s := checkout(t, "config: {}\n")
	require.ErrorContains(t, s.Prepare(t.Context(), os.Stderr), "no pulumi")
	drawn, err := os.ReadFile(passphraseFile())
	require.NoError(t, err)
	require.ErrorContains(t, s.Prepare(t.Context(), os.Stderr), "no pulumi")
	again, err := os.ReadFile(passphraseFile())
	require.NoError(t, err)
	require.Equal(t, drawn, again)
}

// Elsewhere the environment has it, and what is missing is named before pulumi
// is asked anything.
func TestAPassphraseElsewhere(t *testing.T) {
	here := t.TempDir()
	there := filepath.Join(here, "passphrase")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	const salted = "config: {}\nencryptionsalt: v1:abc\n"
	for name, tc := range map[string]struct {
		config   string
		variable map[string]string
		want     string
	}{
		"none":         {salted, nil, "PULUMI_CONFIG_PASSPHRASE_FILE"},
		"no file":      {salted, map[string]string{passphraseFileVariable: filepath.Join(here, "none")}, filepath.Join(here, "none")},
		"a file":       {salted, map[string]string{passphraseFileVariable: there}, ""},
		"an empty one": {salted, map[string]string{passphraseVariable: ""}, ""},
		"a key":        {"secretsprovider: awskms://alias/slipway\nencryptedkey: abc\n", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := checkout(t, "config: {}\n").Checkout
			require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.prod.yaml"), []byte(tc.config), 0o600))
			s, err := OpenStack(dir, "prod", noTools{})
			require.NoError(t, err)
			for _, name := range []string{passphraseVariable, passphraseFileVariable} {
				t.Setenv(name, "")
				require.NoError(t, os.Unsetenv(name))
				if value, given := tc.variable[name]; given {
					t.Setenv(name, value)
				}
			}
			err = s.Prepare(t.Context(), os.Stderr)
			if tc.want == "" {
				require.ErrorContains(t, err, "no pulumi", "it was not asked")
				return
			}
			require.ErrorIs(t, err, ErrNoPassphrase)
			require.ErrorContains(t, err, tc.want)
		})
	}
}
