package simcloud

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/simcloud/sdkschema"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// readSDK reads what the SDK pinned in go.mod says about the table's tokens.
func readSDK(t *testing.T) *sdkschema.Schema {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", "github.com/pulumi/pulumi-aws/sdk/v6")
	out, err := cmd.Output()
	require.NoError(t, err)
	dir, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if dir == "" {
		require.NoError(t, exec.Command("go", "mod", "download", "github.com/pulumi/pulumi-aws/sdk/v6").Run())
		out, err = exec.Command("go", "list", "-m", "-f", "{{.Dir}} {{.Version}}", "github.com/pulumi/pulumi-aws/sdk/v6").Output()
		require.NoError(t, err)
		dir, version, _ = strings.Cut(strings.TrimSpace(string(out)), " ")
	}
	require.Equal(t, "v"+Version, version, "simcloud.Version is not the SDK's in go.mod")
	resources, invokes := Tokens()
	read, err := sdkschema.Read(dir, Version, resources, invokes)
	require.NoError(t, err)
	return read
}

// The embedded schema is the SDK's: nothing in it is invented, and nothing that
// the SDK has is left out.
func TestSchemaIsTheSDKs(t *testing.T) {
	want, err := json.MarshalIndent(readSDK(t), "", " ")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("schema.json", append(want, '\n'), 0o644))
	}
	got, err := os.ReadFile(filepath.Join(".", "schema.json"))
	require.NoError(t, err)
	if diff := cmp.Diff(string(want)+"\n", string(got)); diff != "" {
		t.Errorf("schema.json is behind the SDK; run: make update\n%s", diff)
	}
}
