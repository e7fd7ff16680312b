package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/trace"
)

// collectors answer for kubectl: one has spans, one of which is old, another
// something else, and one is of another stack.
const collectors = `#!/bin/sh
case "$*" in
*name=collector*) cat <<'END'
{"items":[
 {"metadata":{"namespace":"slipway-logging","name":"collector-1"},"spec":{"nodeName":"node-1"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"namespace":"slipway-logging","name":"collector-2"},"spec":{"nodeName":"node-2"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"namespace":"slipway-logging","name":"collector-3"},"spec":{"nodeName":"node-3"},"status":{"conditions":[{"type":"Ready","status":"True"}]}},
 {"metadata":{"namespace":"other","name":"collector-4"},"spec":{"nodeName":"node-4"},"status":{"conditions":[{"type":"Ready","status":"True"}]}}]}
END
;;
*"collector-1 -- /collector records --since 1h0m0s traces") cat "$DIR/spans";;
*collector-2*) echo '{"Body":"a record"}'; i=0; while [ $i -lt 20000 ]; do echo '{"Body":"one more than a pipe holds"}'; i=$((i+1)); done;;
*collector-3*) echo 'unknown flag: --since' >&2; echo 'command terminated with exit code 1' >&2; exit 1;;
*) echo "unexpected $*" >&2; exit 1;;
esac
`

func TestSpansAreReadFromEveryNodeThatAnswers(t *testing.T) {
	stack := checkout(t, "config:\n  slipway:foundation: local\n")
	dir := t.TempDir()
	t.Setenv("DIR", dir)
	tools := scripts{"kubectl": filepath.Join(dir, "kubectl"), "pulumi": filepath.Join(dir, "pulumi")}
	require.NoError(t, os.WriteFile(tools["kubectl"], []byte(collectors), 0o700))
	require.NoError(t, os.WriteFile(tools["pulumi"], []byte("#!/bin/sh\necho '{\"namespaces\":[\"slipway-logging\"]}'\n"), 0o700))
	stack.tools = tools
	line := func(name string, ago time.Duration) string {
		return fmt.Sprintf(`{"Timestamp":%q,"Trace":"t","Span":%q,"Name":%q}`+"\n", time.Now().Add(-ago).UTC().Format(time.RFC3339Nano), name, name)
	}
	text := line("old", 61*time.Minute) + line("unwanted", time.Minute) + line("wanted", time.Minute)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "spans"), []byte(text), 0o600))

	spans, missing, err := stack.Spans(t.Context(), time.Hour, func(s trace.Span) bool { return s.Name != "unwanted" })
	require.NoError(t, err)
	require.Len(t, spans, 1, "one is from before, though its file is not")
	require.Equal(t, "wanted", spans[0].Name)
	require.Equal(t, "node-1", spans[0].Node)
	require.Len(t, missing, 2)
	require.ErrorContains(t, missing[0], "the archive on node-2 has a line that is no span")
	require.EqualError(t, missing[1], "reading the spans on node-3: unknown flag: --since")

	require.NoError(t, os.WriteFile(tools["pulumi"], []byte("#!/bin/sh\necho '{\"namespaces\":[\"elsewhere\"]}'\n"), 0o700))
	_, _, err = stack.Spans(t.Context(), time.Hour, func(trace.Span) bool { return true })
	require.ErrorIs(t, err, ErrNoTraces)
	require.ErrorContains(t, err, "tracing.perThousand")
}
