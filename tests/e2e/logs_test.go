//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// stored is a record of the log archive.
type stored struct {
	Timestamp time.Time
	Resource  map[string]string
	Body      any
	class     string
}

// archived are the records that collectors wrote to segments since a moment, on
// all nodes.
func archived(t *testing.T, since time.Time) []stored {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(paths.Lab(), "nodes", "*", "collector", "archive", "*.jsonl*"))
	require.NoError(t, err)
	var all []stored
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil || info.ModTime().Before(since) || strings.HasSuffix(file, ".tmp") {
			continue
		}
		class, _, _ := strings.Cut(filepath.Base(file), "-")
		lines := bufio.NewScanner(bytes.NewReader(wholeLines(inflated(t, file))))
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			one := stored{class: class}
			require.NoError(t, json.Unmarshal(lines.Bytes(), &one), "%s: %.200s", file, lines.Bytes())
			if !one.Timestamp.Before(since) {
				all = append(all, one)
			}
		}
		require.NoError(t, lines.Err())
	}
	return all
}

// wholeLines leaves out what is being written, or what a kill left behind for the
// next collector to take back.
func wholeLines(content []byte) []byte { return content[:bytes.LastIndexByte(content, '\n')+1] }

// inflated is a file's content, decompressed where it is compressed; nothing,
// where the file is gone meanwhile.
func inflated(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	if !strings.HasSuffix(file, ".gz") {
		return content
	}
	from, err := gzip.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	content, err = io.ReadAll(from)
	require.NoError(t, err)
	return content
}

// A request that says everything a client should not have in a log arrives in
// the archive, and none of that with it. That the search would find it is what
// tests/logs shows.
func TestARequestIsArchivedWithoutWhatItSaid(t *testing.T) {
	const marks = "markedQuery markedBearer markedCookie marked.person 203.0.113.77 2001:db8:77::beef"
	began := time.Now().Add(-time.Second)
	// A size that no other request has makes the request's record known.
	size := 10_000 + int(began.UnixNano()%50_000)
	body := json.RawMessage(fmt.Sprintf("%q", "marked.person@example.org"+strings.Repeat("x", size)))
	size = len(body)
	answer := ask(t, "POST", "/v1/items?name=markedQuery&mail=marked.person@example.org", map[string]string{
		"Authorization": "Bearer markedBearer", "Cookie": "session=markedCookie", "User-Agent": "marked.person@example.org",
		"X-Forwarded-For": "203.0.113.77, 2001:db8:77::beef",
	}, body)
	require.GreaterOrEqual(t, answer.status, 400, "the body is no item")

	var access stored
	ctx := within(t, time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		for _, one := range archived(t, began) {
			if fields, _ := one.Body.(map[string]any); one.class == "access" && fields["RequestContentSize"] == float64(size) {
				access = one
				return nil
			}
		}
		return fmt.Errorf("no record of a request of %d bytes", size)
	}))
	require.Equal(t, harness.Ingress, access.Resource["k8s.namespace.name"])
	require.Contains(t, access.Resource["k8s.pod.name"], "traefik")
	require.Contains(t, access.Resource["k8s.node.name"], "node-")
	require.InDelta(t, answer.status, access.Body.(map[string]any)["DownstreamStatus"], 0)

	for _, root := range []string{"collector", "pod-logs"} {
		dirs, err := filepath.Glob(filepath.Join(paths.Lab(), "nodes", "*", root))
		require.NoError(t, err)
		require.NotEmpty(t, dirs)
		for _, dir := range dirs {
			_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() {
					return nil // rotated away meanwhile
				}
				content := inflated(t, path)
				for _, mark := range strings.Fields(marks) {
					if bytes.Contains(content, []byte(mark)) {
						t.Errorf("%s is in %s", mark, path)
					}
				}
				return nil
			})
		}
	}
}

// Every class has records, and each says whose it is.
func TestLogsOfEveryPartAreArchived(t *testing.T) {
	began := time.Now().Add(-24 * time.Hour)
	for class, namespace := range map[string]string{
		"access": harness.Ingress, "application": harness.API, "database": harness.Database, "system": "kube-system",
	} {
		t.Run(class, func(t *testing.T) {
			require.NoError(t, eventually(within(t, time.Minute), func() error {
				for _, one := range archived(t, began) {
					if one.class == class && one.Resource["k8s.namespace.name"] == namespace && one.Resource["k8s.pod.name"] != "" &&
						one.Resource["k8s.container.name"] != "" {
						return nil
					}
				}
				return fmt.Errorf("no record of %s among %s", namespace, class)
			}))
		})
	}
}

// People read the archive through the collector, which has no shell.
func TestTheArchiveCanBeRead(t *testing.T) {
	ctx := within(t, time.Minute)
	pods, err := live.Pods(ctx, harness.Logging, "app.kubernetes.io/name=collector")
	require.NoError(t, err)
	require.NotEmpty(t, pods)
	text, err := live.Kubectl(ctx, "-n", harness.Logging, "exec", pods[0].Metadata.Name, "--", "/collector", "records", "system")
	require.NoError(t, err)
	first, _, _ := strings.Cut(text, "\n")
	var one stored
	require.NoError(t, json.Unmarshal([]byte(first), &one), "%.300s", first)
	require.Equal(t, pods[0].Spec.NodeName, one.Resource["k8s.node.name"])
}
