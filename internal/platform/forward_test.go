package platform

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// forwardWith is a port of a stack whose kubectl is a script. The script finds
// a directory of its own in $DIR.
func forwardWith(t *testing.T, script string) (f *Forward, dir string) {
	t.Helper()
	stack := checkout(t, "config:\n  slipway:foundation: local\n")
	dir = t.TempDir()
	kubectl := filepath.Join(dir, "kubectl")
	require.NoError(t, os.WriteFile(kubectl, []byte("#!/bin/sh\nDIR="+dir+"\necho run >>$DIR/runs\necho \"$@\" >$DIR/said\n"+script+"\n"), 0o700))
	stack.tools = scripts{"kubectl": kubectl}
	f = stack.Prometheus()
	t.Cleanup(f.Close)
	return f, dir
}

func runs(t *testing.T, dir string) int {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "runs"))
	require.NoError(t, err)
	return strings.Count(string(raw), "run")
}

// listen is a kubectl that goes on until it is told to end, and says so.
const listen = `trap 'touch $DIR/ended; exit 0' TERM
echo "Forwarding from 127.0.0.1:4711 -> 9090"
echo "Handling connection for 4711"
while :; do sleep 0.05; done`

func TestAPortIsOpenedOnceAndEndsWithTheProgram(t *testing.T) {
	f, dir := forwardWith(t, listen)
	for range 2 {
		at, err := f.URL(context.Background())
		require.NoError(t, err)
		assert.Equal(t, "http://127.0.0.1:4711", at.String())
	}
	assert.Equal(t, 1, runs(t, dir))
	said, err := os.ReadFile(filepath.Join(dir, "said"))
	require.NoError(t, err)
	assert.Contains(t, string(said), "--namespace slipway-monitoring port-forward --address 127.0.0.1 service/prometheus :9090")
	f.Close()
	require.FileExists(t, filepath.Join(dir, "ended"))
	_, err = f.URL(context.Background())
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, runs(t, dir), "a closed port stays closed")
}

func TestAPortOutlivesTheQuestionThatOpenedIt(t *testing.T) {
	f, dir := forwardWith(t, listen)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := f.URL(ctx)
	require.NoError(t, err)
	cancel()
	select {
	case <-f.open.ended:
		t.Fatal("kubectl ended with the question")
	case <-time.After(300 * time.Millisecond): // long enough to be told to end
	}
	_, err = f.URL(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 1, runs(t, dir))
}

func TestABrokenPortIsOpenedAgain(t *testing.T) {
	f, dir := forwardWith(t, listen)
	first, err := f.URL(context.Background())
	require.NoError(t, err)
	f.Broken(first)
	second, err := f.URL(context.Background())
	require.NoError(t, err)
	require.Equal(t, 2, runs(t, dir))
	f.Broken(first) // what is said late about the first does not end the second
	_, err = f.URL(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 2, runs(t, dir))
	assert.NotSame(t, first, second)
}

func TestAKubectlThatEndedIsStartedAgain(t *testing.T) {
	f, dir := forwardWith(t, `echo "Forwarding from 127.0.0.1:4711 -> 9090"; echo "error: lost connection to pod" >&2; exit 1`)
	_, err := f.URL(context.Background())
	require.NoError(t, err)
	<-f.open.ended
	_, err = f.URL(context.Background())
	require.NoError(t, err)
	assert.Equal(t, 2, runs(t, dir))
}

func TestAPortThatCannotBeOpenedSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		is     error
		says   string
	}{
		"no monitoring": {
			`echo 'Error from server (NotFound): namespaces "slipway-monitoring" not found' >&2; exit 1`,
			ErrNoService, "set monitoring.enabled in Pulumi.local.yaml",
		},
		"no pod": {
			`echo 'error: unable to forward port because pod is not running. Current status=Pending' >&2; exit 1`,
			ErrUnreachable, "no pod of prometheus in namespace slipway-monitoring runs",
		},
		"no cluster": {
			`echo 'The connection to the server 10.89.0.1:6443 was refused' >&2; exit 1`,
			ErrUnreachable, "make up brings it back",
		},
		"anything else": {`echo 'error: forbidden' >&2; exit 1`, nil, "opening a port to prometheus in namespace slipway-monitoring: exit status 1: error: forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			f, dir := forwardWith(t, c.script)
			for range 3 {
				_, err := f.URL(context.Background())
				require.ErrorContains(t, err, c.says)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
			}
			assert.Equal(t, 1, runs(t, dir), "many questions at once wait for one try")
		})
	}
}

func TestWhoStopsWaitingForAPortLeavesNoKubectl(t *testing.T) {
	f, dir := forwardWith(t, `trap 'touch $DIR/ended; exit 0' TERM
touch $DIR/started
while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for {
			if _, err := os.Stat(filepath.Join(dir, "started")); err == nil {
				cancel()
				return
			}
		}
	}()
	_, err := f.URL(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.FileExists(t, filepath.Join(dir, "ended"))
}

func TestTheKubeconfigOfACloudIsTheStacksOutput(t *testing.T) {
	stack := checkout(t, "config: {}\n")
	require.NoError(t, os.WriteFile(filepath.Join(stack.Checkout, "Pulumi.prod.yaml"), []byte("config:\n  slipway:foundation: aws\n"), 0o600))
	prod, err := OpenStack(stack.Checkout, "prod", noTools{})
	require.NoError(t, err)
	pulumi := filepath.Join(t.TempDir(), "pulumi")
	prod.tools = recordingTools{pulumi}
	require.NoError(t, os.WriteFile(pulumi, []byte("#!/bin/sh\necho '{\"kubeconfig\":\"apiVersion: v1\"}'\n"), 0o700))
	file, done, err := prod.access(context.Background())
	require.NoError(t, err)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "apiVersion: v1", string(raw))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	done()
	require.NoFileExists(t, file)

	require.NoError(t, os.WriteFile(pulumi, []byte("#!/bin/sh\necho '{}'\n"), 0o700))
	_, _, err = prod.access(context.Background())
	require.ErrorContains(t, err, "stack prod has no output kubeconfig")
}
