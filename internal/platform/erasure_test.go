package platform

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/erasure"
)

// cluster answers for kubectl: two pods of the service, of which one is another
// stack's and one older than the command, and collectors on one of two nodes.
const cluster = `#!/bin/sh
echo "$@" >>$DIR/said
case "$*" in
*name=api*) echo '{"items":[
 {"metadata":{"namespace":"slipway-api","name":"api-going","deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"namespace":"slipway-api","name":"api-unready"},"status":{"conditions":[{"type":"Ready","status":"False"}]}},
 {"metadata":{"namespace":"pr-1-api","name":"api-other"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"namespace":"slipway-api","name":"api-old"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"namespace":"slipway-api","name":"api-new"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}';;
*name=collector*) echo '{"items":[
 {"metadata":{"namespace":"slipway-logging","name":"collector-1"},"spec":{"nodeName":"node-1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}';;
*"get nodes"*) printf 'node-1\nnode-2\n';;
*exec*api-old*) cat >>$DIR/heard; echo "No module named slipway_api.erase" >&2; exit 1;;
*exec*api-new*) cat >>$DIR/heard; echo '{"items":{"found":2,"erased":0}}';;
*exec*collector-1*) cat >>$DIR/heard; echo '{"access":{"found":3,"erased":1}}'; echo "collector: erasing from segment X" >&2; exit 1;;
*) echo "unexpected $*" >&2; exit 1;;
esac
`

func erasable(t *testing.T, output string) (found *Erasable, dir string, err error) {
	t.Helper()
	stack := checkout(t, "config:\n  slipway:foundation: local\n")
	dir = t.TempDir()
	t.Setenv("DIR", dir)
	tools := scripts{"kubectl": filepath.Join(dir, "kubectl"), "pulumi": filepath.Join(dir, "pulumi")}
	require.NoError(t, os.WriteFile(tools["kubectl"], []byte(cluster), 0o700))
	require.NoError(t, os.WriteFile(tools["pulumi"], []byte("#!/bin/sh\ncat <<'END'\n"+output+"\nEND\n"), 0o700))
	stack.tools = tools
	found, err = stack.Erasable(t.Context())
	return found, dir, err
}

const declares = `{"namespaces":["slipway-api","slipway-logging"],
 "erasure":{"classes":["access","system"],"left":[{"what":"Backups","where":"a bucket","kept":"7 days","why":"whole or none"}]}}`

func TestErasureFindsTheDatabaseAndEveryNode(t *testing.T) {
	const sought = "jane-4711"
	found, dir, err := erasable(t, declares)
	require.NoError(t, err)
	defer found.Close()
	require.Equal(t, []erasure.Left{{What: "Backups", Where: "a bucket", Kept: "7 days", Why: "whole or none"}}, found.Left)
	require.Len(t, found.Places, 3)
	database, first, second := found.Places[0], found.Places[1], found.Places[2]

	counts, err := database.Run(t.Context(), sought, true)
	require.NoError(t, err, "a newer pod was not tried")
	require.Equal(t, map[string]erasure.Count{"items": {Found: 2}}, counts)

	require.Equal(t, "log archive on node-1", first.Name())
	counts, err = first.Run(t.Context(), sought, false)
	require.ErrorContains(t, err, "pod collector-1: exit status 1: collector: erasing from segment X")
	require.Equal(t, map[string]erasure.Count{"access": {Found: 3, Erased: 1}}, counts, "what was done before a failure counts")

	require.Equal(t, "log archive on node-2", second.Name())
	_, err = second.Run(t.Context(), sought, true)
	require.ErrorContains(t, err, "no collector is ready on it")

	said, err := os.ReadFile(filepath.Join(dir, "said"))
	require.NoError(t, err)
	require.Contains(t, string(said), "exec -i -n slipway-api api-new -- python -m slipway_api.erase --search\n")
	require.Contains(t, string(said), "exec -i -n slipway-logging collector-1 -- /collector erase\n")
	for _, absent := range []string{sought, "api-other", "api-going", "api-unready"} {
		require.NotContains(t, string(said), absent)
	}
	heard, err := os.ReadFile(filepath.Join(dir, "heard"))
	require.NoError(t, err)
	require.Equal(t, sought+sought+sought, string(heard))
}

func TestAStackWithoutArchivesHasItsDatabase(t *testing.T) {
	found, _, err := erasable(t, `{"namespaces":["slipway-api"],"erasure":{"classes":[],"left":[]}}`)
	require.NoError(t, err)
	defer found.Close()
	require.Len(t, found.Places, 1)
}

func TestAStackThatDoesNotSayWhatItHoldsIsRefused(t *testing.T) {
	_, _, err := erasable(t, `{"namespaces":["slipway-api"]}`)
	require.ErrorContains(t, err, "stack local has no output erasure")
	require.ErrorContains(t, err, "update it first")
}

func TestErasureSaysThatNoPodIsThere(t *testing.T) {
	found, _, err := erasable(t, `{"namespaces":["elsewhere"],"erasure":{"classes":[],"left":[]}}`)
	require.NoError(t, err)
	defer found.Close()
	_, err = found.Places[0].Run(t.Context(), "jane-4711", true)
	require.ErrorContains(t, err, "no pod of the service is ready")
}
