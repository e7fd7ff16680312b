//go:build logs

package logs

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/tests/harness"
)

const bucket = "logs"

// archived is a node whose collector copies to a bucket.
type archived struct {
	*node
	server *harness.S3
}

func newArchived(t *testing.T, profile logging.Profile) *archived {
	t.Helper()
	return newArchivedOf(t, logging.Args{Image: "none", Profile: profile, Classes: classes})
}

func newArchivedOf(t *testing.T, args logging.Args) *archived {
	t.Helper()
	server, err := harness.NewS3(program(t, "versitygw"), t.TempDir(), bucket, t.Output())
	require.NoError(t, err)
	// Before the node, so that the collector is gone when the server goes.
	t.Cleanup(server.Stop)
	require.NoError(t, server.Start(t.Context()))
	args.S3 = &logging.S3{Bucket: bucket, Region: harness.S3Region, Minutes: 1, Role: pulumi.String("none"), RoleAnnotation: "none"}
	a := &archived{server: server, node: newNodeOf(t, args)}
	for name, value := range server.Environment() {
		a.env = append(a.env, name+"="+value)
	}
	a.hasten(len(args.Stored()))
	return a
}

// hasten makes segments end soon, and has those that have ended looked for often:
// nothing else of the configuration is changed.
func (a *archived) hasten(classes int) {
	a.t.Helper()
	text, err := os.ReadFile(a.config)
	require.NoError(a.t, err)
	var config map[string]any
	require.NoError(a.t, yaml.Unmarshal(text, &config))
	exporters, _ := config["exporters"].(map[string]any)
	require.Len(a.t, exporters, classes)
	for _, exporter := range exporters {
		e, _ := exporter.(map[string]any)
		require.Equal(a.t, "1m", e["segment_age"])
		e["segment_age"], e["sweep_interval"] = "300ms", "100ms"
	}
	text, err = yaml.Marshal(config)
	require.NoError(a.t, err)
	require.NoError(a.t, os.WriteFile(a.config, text, 0o600))
}

// key is how copies are called.
var key = regexp.MustCompile(`^pods/(access|system)/date=\d{4}-\d\d-\d\d/hour=\d\d/\d{8}T\d{6}\.\d{9}Z-node-1\.jsonl\.gz$`)

// objects are the files in which the server keeps the bucket's objects, by key.
func (a *archived) objects() map[string]string {
	a.t.Helper()
	files, root := map[string]string{}, a.server.Objects(bucket)
	require.NoError(a.t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		// What begins otherwise is the server's own, such as an upload that is not whole.
		if err == nil && entry.Type().IsRegular() && strings.HasPrefix(name, "pods"+string(filepath.Separator)) {
			files[filepath.ToSlash(name)] = path
		}
		return err
	}))
	return files
}

// copies are the records of all objects.
func (a *archived) copies() []record {
	a.t.Helper()
	var all []record
	for name, file := range a.objects() {
		parts := key.FindStringSubmatch(name)
		require.NotNil(a.t, parts, "there is an object called %s", name)
		all = append(all, parsed(a.t, file, parts[1])...)
	}
	return all
}

// copied waits until the bucket holds every number below end.
func (a *archived) copied(end int) map[int]int {
	a.t.Helper()
	return numbers(a.awaitIn("copies of all lines", a.copies, func(records []record) bool {
		return len(missing(numbers(records), end)) == 0
	}))
}

// failed waits until the collector has said that it cannot copy.
func (a *archived) failed() {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	require.NoError(a.t, harness.Eventually(ctx, 50*time.Millisecond, func(context.Context) error {
		said, err := os.ReadFile(a.said.Name())
		if err == nil && !bytes.Contains(said, []byte("Copying the archive to the bucket failed")) {
			err = errors.New("it says nothing of copies that failed")
		}
		return err
	}))
}

// The server is away while lines are written and files end, and comes back. No
// collector is killed here, so each line is in the archive once, and in the
// bucket, too.
func TestABucketThatWasAwayHasEveryLineOnce(t *testing.T) {
	const rounds, burst = 4, 2000
	a := newArchived(t, logging.Standard)
	w := newWriter(a.node)
	a.start()
	w.write(burst)
	a.copied(burst)
	a.server.Stop()
	for range rounds {
		before := len(a.segments())
		w.write(burst)
		// Each round ends a file of its own, which nobody takes.
		a.all(w.next)
		a.ended(before)
	}
	a.failed()
	require.Len(t, missing(numbers(a.copies()), w.next), rounds*burst, "the server was not away")
	require.NoError(t, a.server.Start(t.Context()))
	a.copied(w.next)
	w.write(burst)
	a.all(w.next)
	// What has not ended yet is copied by a collector that ends.
	a.stop()
	counts := numbers(a.copies())
	require.Empty(t, missing(counts, w.next))
	for number, times := range counts {
		require.Equal(t, 1, times, "line %d", number)
	}
	for _, r := range a.copies() {
		if r.Resource["k8s.pod.name"] != "traefik-abcde" || r.Resource["k8s.node.name"] != "node-1" || r.class != "access" {
			t.Fatalf("a copy does not say whose it is: %+v", r)
		}
	}
	t.Logf("%d lines in %d objects, each once", w.next, len(a.objects()))
}

// segments are the files of the archive that have ended and are whole.
func (n *node) segments() []string {
	n.t.Helper()
	files, err := filepath.Glob(filepath.Join(n.places.ArchiveDir(), "*.jsonl.gz"))
	require.NoError(n.t, err)
	return files
}

// ended waits until there are more files that have ended than before.
func (n *node) ended(before int) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	require.NoError(n.t, harness.Eventually(ctx, 50*time.Millisecond, func(context.Context) error {
		if len(n.segments()) <= before {
			return errors.New("no file has ended")
		}
		return nil
	}))
}

// A collector that is killed while it copies, and one that finds the server away:
// every line arrives, and none more often than the node's own archive has it.
func TestAKilledCollectorCopiesWhatItHadNot(t *testing.T) {
	const rounds, burst = 3, 6000
	a := newArchived(t, logging.Standard)
	w := newWriter(a.node)
	for range rounds {
		before := len(a.objects())
		a.start()
		w.write(burst)
		a.awaitIn("an object more", a.copies, func([]record) bool { return len(a.objects()) > before })
		a.kill()
		a.server.Stop()
		w.write(burst)
		a.start()
		a.all(w.next)
		a.failed()
		a.kill()
		require.NoError(t, a.said.Truncate(0))
		require.NoError(t, a.server.Start(t.Context()))
	}
	a.start()
	a.copied(w.next)
	a.stop()
	require.Equal(t, numbers(a.records()), numbers(a.copies()))
	require.Empty(t, missing(numbers(a.copies()), w.next))
}

// The control: what a node deletes before it was copied is missing, exactly that,
// and the count sees it.
func TestWhatIsDeletedBeforeItIsCopiedIsMissing(t *testing.T) {
	const burst = 500
	a := newArchived(t, logging.Standard)
	w := newWriter(a.node)
	a.start()
	w.write(burst)
	a.copied(burst)
	a.server.Stop()
	before := len(a.segments())
	w.write(burst)
	a.all(w.next)
	a.ended(before)
	a.failed()
	// One that still runs has a file open, and goes on trying to copy that.
	a.stop()
	gone := map[int]int{}
	for _, file := range a.segments() {
		info, err := os.Stat(file)
		require.NoError(t, err)
		if info.Mode().Perm() == 0o400 {
			continue // it has a copy
		}
		for number, times := range numbers(parsed(t, file, "access")) {
			gone[number] += times
		}
		require.NoError(t, os.Remove(file))
	}
	require.NotEmpty(t, gone)
	w.write(burst)
	require.NoError(t, a.server.Start(t.Context()))
	a.start()
	a.awaitIn("the last line", a.copies, func(records []record) bool { return numbers(records)[w.next-1] > 0 })
	a.stop()
	lost := missing(numbers(a.copies()), w.next)
	require.Len(t, lost, len(gone))
	for _, number := range lost {
		require.Positive(t, gone[number], "line %d was not deleted, and is missing", number)
	}
}

// inBucket is all that the bucket holds, by key, decompressed.
func (a *archived) inBucket() map[string][]byte {
	a.t.Helper()
	all := map[string][]byte{}
	for name, file := range a.objects() {
		all[name] = inflated(a.t, file)
	}
	return all
}

func TestNothingPersonalIsInTheBucket(t *testing.T) {
	a := newArchived(t, logging.Standard)
	a.collect()
	for kind, name := range found(a.inBucket()) {
		t.Errorf("%s is in %s", kind, name)
	}
	require.Len(t, a.copies(), len(a.records()), "not all of the archive is in the bucket")
}

// The control: the same stream, the same search, nothing removed.
func TestWithoutTheProfileEverythingIsInTheBucket(t *testing.T) {
	a := newArchived(t, logging.Off)
	a.collect()
	kinds := found(a.inBucket())
	for _, canary := range canaries {
		if kinds[canary.kind] == "" {
			t.Errorf("%s is not found where it was stored as written: the search cannot find it", canary.kind)
		}
	}
}

// What is erased on a node is erased from the bucket with the next copy.
func TestAnErasureReachesTheBucket(t *testing.T) {
	a := newArchived(t, logging.Standard)
	w := newWriter(a.node)
	about := func() int { return bytes.Count(bytes.Join(values(a.inBucket()), nil), []byte("customer-4711")) }
	w.cri.line("stdout", `{"level":"info","msg":"order of customer-4711"}`)
	w.write(10)
	a.start()
	a.copied(10)
	a.awaitIn("what is to be erased", a.copies, func([]record) bool { return about() > 0 })
	erase := exec.CommandContext(t.Context(), program(t, "collector"), "erase", "--directory", a.places.ArchiveDir())
	erase.Stdin = strings.NewReader("customer-4711")
	said, err := erase.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.JSONEq(t, `{"access":{"found":1,"erased":1}}`, string(said))
	a.awaitIn("the copy without it", a.copies, func([]record) bool { return about() == 0 })
	a.stop()
	require.Empty(t, missing(numbers(a.copies()), 10), "the erasure took what is about others")
}

func values(of map[string][]byte) [][]byte {
	var all [][]byte
	for _, value := range of {
		all = append(all, value)
	}
	return all
}
