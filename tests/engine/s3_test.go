package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	_ "gocloud.dev/blob/s3blob" // s3:// backends
)

// server is an S3 server that keeps its objects in a directory. It can be
// killed and started again, with what it held.
type server struct {
	t       *testing.T
	program string
	port    int
	dir     string
	cmd     *exec.Cmd
}

// findServer builds the server once, when the first test wants it.
var findServer = sync.OnceValues(func() (string, error) { return findTool(bench.checkout, "versitygw") })

const bucket = "stacks"

func newServer(t *testing.T) *server {
	t.Helper()
	program, err := findServer()
	require.NoError(t, err)
	g := &server{t: t, program: program, port: freePort(t), dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(g.dir, "objects", bucket), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(g.dir, "attributes"), 0o700))
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "slipway", "AWS_SECRET_ACCESS_KEY": "correct horse", "AWS_REGION": "us-east-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	g.start()
	t.Cleanup(g.stop)
	return g
}

// freePort chooses a port once, so that the server comes back where its clients
// look for it. It is below those that the kernel hands out: one of those could be
// another program's while the server is away.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 15000 + rand.IntN(15000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (g *server) host() string { return fmt.Sprintf("127.0.0.1:%d", g.port) }

// address is the backend's, as PULUMI_BACKEND_URL has it.
func (g *server) address() string {
	query := url.Values{"region": {"us-east-1"}, "endpoint": {"http://" + g.host()}, "disableSSL": {"true"}, "s3ForcePathStyle": {"true"}}
	return "s3://" + bucket + "?" + query.Encode()
}

func (g *server) start() {
	g.t.Helper()
	// The sidecar holds what other file systems would keep in attributes of
	// files, which not every one has.
	g.cmd = exec.Command(g.program, "--access", "slipway", "--secret", "correct horse", "--port", g.host(), "--quiet",
		"posix", "--sidecar", filepath.Join(g.dir, "attributes"), filepath.Join(g.dir, "objects"))
	g.cmd.Stdout, g.cmd.Stderr = testWriter{g.t}, testWriter{g.t}
	require.NoError(g.t, g.cmd.Start())
	eventually(g.t, "the S3 server to listen", func() bool {
		connection, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", g.host())
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

// stop kills it, so that what it was doing is cut off.
func (g *server) stop() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	g.cmd = nil
}

// onEveryBackend runs a test on a directory and on S3.
func onEveryBackend(t *testing.T, test func(t *testing.T, newShop func(t *testing.T) *shop)) {
	t.Run("file", func(t *testing.T) { test(t, newShop) })
	t.Run("s3", func(t *testing.T) {
		test(t, func(t *testing.T) *shop { return newShopIn(t, newServer(t).address()) })
	})
}
