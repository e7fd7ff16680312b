package engine

import (
	"context"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	_ "gocloud.dev/blob/s3blob" // s3:// backends

	"slipway.dev/slipway/tests/harness"
)

// server is an S3 server that can be killed and started again.
type server struct {
	t *testing.T
	*harness.S3
}

// findServer builds the server once, when the first test wants it.
var findServer = sync.OnceValues(func() (string, error) { return findTool(bench.checkout, "versitygw") })

const bucket = "stacks"

func newServer(t *testing.T) *server {
	t.Helper()
	program, err := findServer()
	require.NoError(t, err)
	made, err := harness.NewS3(program, t.TempDir(), bucket, testWriter{t})
	require.NoError(t, err)
	for name, value := range made.Environment() {
		t.Setenv(name, value)
	}
	g := &server{t, made}
	g.start()
	t.Cleanup(g.stop)
	return g
}

// address is the backend's, as PULUMI_BACKEND_URL has it.
func (g *server) address() string {
	query := url.Values{"region": {harness.S3Region}, "endpoint": {"http://" + g.Host()}, "disableSSL": {"true"}, "s3ForcePathStyle": {"true"}}
	return "s3://" + bucket + "?" + query.Encode()
}

func (g *server) start() {
	g.t.Helper()
	require.NoError(g.t, g.Start(context.Background()))
}

func (g *server) stop() { g.Stop() }

// onEveryBackend runs a test on a directory and on S3.
func onEveryBackend(t *testing.T, test func(t *testing.T, newShop func(t *testing.T) *shop)) {
	t.Run("file", func(t *testing.T) { test(t, newShop) })
	t.Run("s3", func(t *testing.T) {
		test(t, func(t *testing.T) *shop { return newShopIn(t, newServer(t).address()) })
	})
}
