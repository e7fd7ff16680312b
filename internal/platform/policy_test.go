package platform

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
)

// recordingTools has a pulumi that writes down what it is told and fails.
type recordingTools struct{ pulumi string }

func (r recordingTools) Path(string) (string, error)       { return r.pulumi, nil }
func (r recordingTools) Pulumi() (string, []string, error) { return r.pulumi, nil, nil }

func TestUpdatesAndPreviewsRunThePolicies(t *testing.T) {
	stack := checkout(t, "config: {}\n")
	require.NoError(t, os.MkdirAll(filepath.Join(paths.Pulumi(), ".pulumi"), 0o700))
	dir := t.TempDir()
	said := filepath.Join(dir, "said")
	script := filepath.Join(dir, "pulumi")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\" > "+said+"\nexit 1\n"), 0o700))
	stack.tools = recordingTools{script}
	for name, run := range map[string]func() error{
		"up":      func() error { return stack.Update(context.Background(), io.Discard) },
		"preview": func() error { return stack.Preview(context.Background(), io.Discard) },
	} {
		failure := run()
		require.Error(t, failure)
		raw, err := os.ReadFile(said)
		require.NoError(t, err, failure)
		require.True(t, strings.HasPrefix(string(raw), name+" "), string(raw))
		require.Contains(t, string(raw), "--policy-pack "+filepath.Join(stack.Checkout, "policies"))
	}
}
