//go:build logs

package logs

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/internal/toolchain"
	"slipway.dev/slipway/tests/harness"
)

// patience ends a hang with a message; nothing is measured by it.
const patience = time.Minute

// node is a directory with the logs of pods, as a kubelet keeps them, and a
// collector for it.
type node struct {
	t      *testing.T
	dir    string
	places logging.Places
	config string
	// env is added to the collector's environment.
	env  []string
	cmd  *exec.Cmd
	said *os.File
}

// classes are those of the collectors here.
var classes = []logging.Class{
	{Name: "access", Namespaces: []string{"slipway-ingress"}, Days: 1, DiskMiB: 512},
	{Name: "system", Days: 1, DiskMiB: 512},
}

func newNode(t *testing.T, profile logging.Profile) *node {
	t.Helper()
	return newNodeOf(t, logging.Args{Image: "none", Profile: profile, Classes: classes})
}

func newNodeOf(t *testing.T, args logging.Args) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{t: t, dir: dir, config: filepath.Join(dir, "collector.yaml"), places: logging.Places{
		Logs: filepath.Join(dir, "pods"), State: filepath.Join(dir, "state"), Health: free(t), Metrics: free(t), Traces: free(t),
	}}
	text, err := logging.Configuration(args, n.places)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(n.config, []byte(text), 0o600))
	n.said, err = os.Create(filepath.Join(dir, "said"))
	require.NoError(t, err)
	t.Cleanup(func() {
		n.kill()
		_ = n.said.Close()
	})
	return n
}

func free(t *testing.T) string {
	t.Helper()
	address, err := harness.FreeAddress()
	require.NoError(t, err)
	return address
}

// program is a pinned program, which `slipway test logs` has built.
func program(t *testing.T, name string) string {
	t.Helper()
	checkout, err := harness.Checkout()
	require.NoError(t, err)
	tools, err := toolchain.Open(checkout)
	require.NoError(t, err)
	path, err := tools.Path(name)
	require.NoError(t, err, "run it as `slipway test logs`, which builds it")
	return path
}

// start runs a collector and waits for nothing.
func (n *node) start() {
	n.t.Helper()
	n.cmd = harness.Collector(context.Background(), program(n.t, "collector"), n.config)
	n.cmd.Env = append(n.cmd.Env, n.env...)
	n.cmd.Stdout, n.cmd.Stderr = n.said, n.said
	require.NoError(n.t, n.cmd.Start())
}

// kill ends the collector as a machine that runs out of memory does.
func (n *node) kill() { n.end(syscall.SIGKILL) }

// stop ends it as a kubelet does.
func (n *node) stop() { n.end(syscall.SIGTERM) }

func (n *node) end(signal syscall.Signal) {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(signal)
	_ = n.cmd.Wait()
	n.cmd = nil
}

// container is the log directory of one.
func (n *node) container(namespace, pod, name string) string {
	n.t.Helper()
	dir := filepath.Join(n.places.Logs, namespace+"_"+pod+"_0a1b2c3d-0000-4000-8000-000000000000", name)
	require.NoError(n.t, os.MkdirAll(dir, 0o755))
	return dir
}

// record is a line of the archive.
type record struct {
	Timestamp  time.Time
	Resource   map[string]string
	Attributes map[string]string
	Body       any
	class      string
}

// records are all that the archive holds, in the order in which it was written.
func (n *node) records() []record {
	n.t.Helper()
	var all []record
	files, err := filepath.Glob(filepath.Join(n.places.ArchiveDir(), "*.jsonl*"))
	require.NoError(n.t, err)
	slices.Sort(files)
	for _, file := range files {
		class, _, _ := strings.Cut(filepath.Base(file), "-")
		all = append(all, parsed(n.t, file, class)...)
	}
	return all
}

// parsed are the records of a file of the archive, or of a copy of one.
func parsed(t *testing.T, file, class string) []record {
	t.Helper()
	var all []record
	lines := bufio.NewScanner(bytes.NewReader(wholeLines(inflated(t, file))))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		one := record{class: class}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &one), "%s: %.200s", file, lines.Bytes())
		all = append(all, one)
	}
	require.NoError(t, lines.Err())
	return all
}

// wholeLines leaves out what is being written, or what a kill left behind for the
// next collector to take back.
func wholeLines(content []byte) []byte { return content[:bytes.LastIndexByte(content, '\n')+1] }

// inflated is a file's content, decompressed where it is compressed. A file that
// was replaced by its compressed form meanwhile is read there.
func inflated(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) && strings.HasSuffix(file, ".jsonl") {
		file += ".gz"
		content, err = os.ReadFile(file)
	}
	if os.IsNotExist(err) && strings.HasSuffix(file, ".tmp") {
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

// await waits until the archive holds what enough accepts.
func (n *node) await(what string, enough func([]record) bool) []record {
	n.t.Helper()
	return n.awaitIn(what, n.records, enough)
}

// awaitIn waits until what is found somewhere is enough.
func (n *node) awaitIn(what string, look func() []record, enough func([]record) bool) []record {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	var got []record
	err := harness.Eventually(ctx, 100*time.Millisecond, func(context.Context) error {
		if got = look(); !enough(got) {
			return fmt.Errorf("%s: there are %d records", what, len(got))
		}
		return nil
	})
	if err != nil {
		said, _ := os.ReadFile(n.said.Name())
		require.NoError(n.t, err, "the collector said:\n%.4000s", said)
	}
	return got
}

// stored is everything that the collector left anywhere, by file: the archive,
// decompressed, its offsets, and what it said.
func (n *node) stored() map[string][]byte {
	n.t.Helper()
	all := map[string][]byte{}
	for _, root := range []string{n.places.State, n.said.Name()} {
		require.NoError(n.t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				all[path] = inflated(n.t, path)
			}
			return err
		}))
	}
	return all
}

// cri writes lines as a container runtime does: with the time to the nanosecond,
// the stream, and in pieces of at most 16 KiB.
type cri struct {
	at  time.Time
	out bytes.Buffer
}

const piece = 16 << 10

func (c *cri) line(stream, text string) {
	for {
		c.at = c.at.Add(time.Microsecond)
		tag, part := "F", text
		if len(text) > piece {
			tag, part = "P", text[:piece]
		}
		fmt.Fprintf(&c.out, "%s %s %s %s\n", c.at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00"), stream, tag, part)
		if text = text[len(part):]; tag == "F" {
			return
		}
	}
}

// appendTo adds what was written to a file.
func (c *cri) appendTo(t *testing.T, file string) {
	t.Helper()
	to, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	require.NoError(t, err)
	_, err = to.Write(c.out.Bytes())
	require.NoError(t, err)
	require.NoError(t, to.Close())
	c.out.Reset()
}
