package platform

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
)

func TestAClusterThatIsNotThereIsSaidBeforeAnythingRuns(t *testing.T) {
	const local = "config:\n  slipway:foundation: local\n"
	own := local + "  slipway:cluster:\n    kubeconfig: /etc/k.yaml\n"
	for name, c := range map[string]struct {
		config, kubectl string
		says            []string // nothing: pulumi is run
	}{
		"answers":              {local, "exit 0", nil},
		"the lab is down":      {local, "echo 'connection to the server was refused' >&2; exit 1", []string{"make up", "refused"}},
		"another's is not":     {own, "echo 'dial tcp: i/o timeout' >&2; exit 1", []string{"/etc/k.yaml", "cluster.kubeconfig", "i/o timeout"}},
		"another authority":    {own, "echo 'x509: certificate signed by unknown authority' >&2; exit 1", []string{"unknown authority"}},
		"not a kubeconfig":     {own, "echo 'error loading config file: yaml: line 1' >&2; exit 1", nil}, // the program says it better
		"no cluster is needed": {"config: {}\n", "echo refused >&2; exit 1", nil},
	} {
		t.Run(name, func(t *testing.T) {
			stack := checkout(t, c.config)
			require.NoError(t, os.MkdirAll(filepath.Join(paths.Pulumi(), ".pulumi"), 0o700))
			dir := t.TempDir()
			ran := filepath.Join(dir, "ran")
			tools := scripts{"kubectl": filepath.Join(dir, "kubectl"), "pulumi": filepath.Join(dir, "pulumi")}
			require.NoError(t, os.WriteFile(tools["kubectl"], []byte("#!/bin/sh\n"+c.kubectl+"\n"), 0o700))
			require.NoError(t, os.WriteFile(tools["pulumi"], []byte("#!/bin/sh\ntouch "+ran+"\nexit 1\n"), 0o700))
			stack.tools = tools
			for _, run := range []func() error{
				func() error { return stack.Preview(context.Background(), io.Discard) },
				func() error { return stack.Update(context.Background(), io.Discard) },
				func() error { _, err := stack.Propose(context.Background(), io.Discard, Proposing{}); return err },
			} {
				err := run()
				require.Error(t, err)
				if c.says == nil {
					require.NotErrorIs(t, err, ErrUnreachable)
					require.FileExists(t, ran)
					require.NoError(t, os.Remove(ran))
					continue
				}
				require.ErrorIs(t, err, ErrUnreachable)
				for _, part := range c.says {
					require.ErrorContains(t, err, part)
				}
				require.NoFileExists(t, ran)
			}
		})
	}
}

// scripts are tools by name.
type scripts map[string]string

func (s scripts) Path(name string) (string, error)  { return s[name], nil }
func (s scripts) Pulumi() (string, []string, error) { return s["pulumi"], nil, nil }

func TestAClusterThatVanishedIsNamedBesideThePluginsError(t *testing.T) {
	stack := checkout(t, "config:\n  slipway:foundation: local\n")
	require.NoError(t, os.MkdirAll(filepath.Join(paths.Pulumi(), ".pulumi"), 0o700))
	dir := t.TempDir()
	tools := scripts{"kubectl": filepath.Join(dir, "kubectl"), "pulumi": filepath.Join(dir, "pulumi")}
	gone := filepath.Join(dir, "gone")
	require.NoError(t, os.WriteFile(tools["kubectl"], []byte("#!/bin/sh\ntest ! -e "+gone+" || { echo refused >&2; exit 1; }\n"), 0o700))
	require.NoError(t, os.WriteFile(tools["pulumi"], []byte("#!/bin/sh\ntouch "+gone+"\nexit 1\n"), 0o700))
	stack.tools = tools
	err := stack.Update(context.Background(), io.Discard)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, "what was done until then is recorded")
}
