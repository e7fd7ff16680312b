package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nobody is asked for a login, and none is overlooked: a stack whose state is
// somewhere must never be shown as if there were none.
func TestWhetherABackendIsKnown(t *testing.T) {
	dir := checkout(t, "config: {}\n").Checkout
	logins, nobody := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.prod.yaml"), []byte("config: {}\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(logins, "credentials.json"), []byte(`{"current":"s3://somewhere"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(nobody, "credentials.json"), []byte(`{"current":""}`), 0o600))
	for name, tc := range map[string]struct {
		stack, project string
		env            map[string]string
		want           bool
	}{
		"nothing":        {"prod", "", nil, false},
		"logged out":     {"prod", "", map[string]string{"PULUMI_CREDENTIALS_PATH": nobody}, false},
		"logged in":      {"prod", "", map[string]string{"PULUMI_CREDENTIALS_PATH": logins}, true},
		"home of a tool": {"prod", "", map[string]string{"PULUMI_HOME": logins}, true},
		"environment":    {"prod", "", map[string]string{"PULUMI_BACKEND_URL": "s3://somewhere"}, true},
		"a token":        {"prod", "", map[string]string{"PULUMI_ACCESS_TOKEN": "pul-x"}, true},
		"the project":    {"prod", "backend: {url: s3://somewhere}\n", nil, true},
		"this machine":   {"local", "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CREDENTIALS_PATH", "PULUMI_HOME"} {
				t.Setenv(variable, tc.env[variable])
			}
			t.Setenv("HOME", t.TempDir())
			require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: slipway\nruntime: go\n"+tc.project), 0o600))
			stack, err := OpenStack(dir, tc.stack, scripts{"pulumi": "pulumi"})
			require.NoError(t, err)
			got, err := stack.HasBackend()
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}
