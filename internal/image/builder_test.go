package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// plant puts a package of one certificate into the cache, so that images with
// certificates are built without a download.
func plant(t *testing.T, b *Builder) {
	t.Helper()
	dir := filepath.Join(b.dir, "packages", b.generation())
	tree := t.TempDir()
	write(t, tree, map[string]string{
		"DEBIAN/control": "Package: ca-certificates\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@sample.test>\nDescription: sample\n",
		"usr/share/ca-certificates/mozilla/Sample.crt": "sample certificate\n",
		"usr/share/ca-certificates/other/Other.crt":    "not public\n",
	})
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dpkg-deb", "--build", tree, filepath.Join(dir, "ca-certificates.deb")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// What this machine trusts besides the public authorities stays out.
func TestOnlyPublicAuthoritiesEnter(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	plant(t, b)
	archive := ensure(t, b, "docker.io/library/traefik")[0]
	layer := parse(t, archive.Path).layers[0]
	if !bytes.Contains(layer, []byte("sample certificate")) || bytes.Contains(layer, []byte("not public")) {
		t.Error("the bundle is not the public authorities of the package")
	}
}

func TestUnchangedImageIsNotBuiltAgain(t *testing.T) {
	checkout, tools := sample(t), toolbox(t)
	b := open(t, checkout, tools)
	first := ensure(t, b, metricsServer)[0]
	was, err := os.Stat(first.Path)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	again, err := reopen(t, checkout, tools).Ensure(t.Context(), &said, metricsServer)
	if err != nil {
		t.Fatal(err)
	}
	is, err := os.Stat(first.Path)
	if err != nil {
		t.Fatal(err)
	}
	if again[0] != first || !os.SameFile(was, is) || said.Len() > 0 {
		t.Errorf("got %v after %v, and it said %q", again[0], first, said.String())
	}
}

// A cache that lost part of an archive heals.
func TestDamagedArchiveIsBuiltAgain(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	for name, damage := range map[string]func(path string) error{
		"shortened":      func(path string) error { return os.Truncate(path, 100) },
		"deleted":        os.Remove,
		"without record": func(path string) error { return os.Remove(strings.TrimSuffix(path, ".tar") + ".json") },
		"broken record": func(path string) error {
			return os.WriteFile(strings.TrimSuffix(path, ".tar")+".json", []byte("{"), 0o644)
		},
	} {
		archive := ensure(t, b, metricsServer)[0]
		if err := damage(archive.Path); err != nil {
			t.Fatal(err)
		}
		if again := ensure(t, b, metricsServer)[0]; again != archive {
			t.Errorf("%s: got %v, want %v", name, again, archive)
		}
		parse(t, archive.Path)
	}
}

// What a killed build left is gone after the next one, but never while
// somebody else builds.
func TestLeftoversAreSwept(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	left := filepath.Join(b.dir, "tmp", "build-killed")
	write(t, left, map[string]string{"archive.tar": "half"})

	other, err := openLock(mustLockPath(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := other.try(unix.LOCK_SH); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ensure(t, b, metricsServer)
	if _, err := os.Stat(left); err != nil {
		t.Errorf("another process's build was swept away: %v", err)
	}
	other.release()
	ensure(t, b, "registry.k8s.io/pause")
	rest, err := os.ReadDir(filepath.Join(b.dir, "tmp"))
	if err != nil || len(rest) > 0 {
		t.Errorf("left in tmp: %v, %v", rest, err)
	}
}

func mustLockPath(t *testing.T, b *Builder) string {
	t.Helper()
	path := b.lockPath("builds")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// giveUp stops what writes to it once it has said something.
type giveUp struct {
	text bytes.Buffer
	at   string
	stop func()
}

func (g *giveUp) Write(p []byte) (int, error) {
	n, err := g.text.Write(p)
	if strings.Contains(g.text.String(), g.at) {
		g.stop()
	}
	return n, err
}

// A build of an image waits for another build of it, and can be given up.
func TestSecondBuildWaits(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	mustLockPath(t, b)
	other, err := openLock(b.lockPath(folder(metricsServer)))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := other.try(unix.LOCK_EX); !ok || err != nil {
		t.Fatal(ok, err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	said := &giveUp{at: "waiting for another build", stop: stop}
	if _, err := b.Ensure(ctx, said, metricsServer); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that it was given up", err)
	}
	if !strings.Contains(said.text.String(), said.at) {
		t.Errorf("it said %q, not what it waited for", said.text.String())
	}
	time.AfterFunc(200*time.Millisecond, other.release)
	ensure(t, b, metricsServer)
}

// One image that fails does not take the others away, and every failure is
// reported.
func TestEveryFailureIsReported(t *testing.T) {
	tools := toolbox(t)
	write(t, string(tools), map[string]string{"metrics-server": "no program", "local-path-provisioner": "no program"})
	b := open(t, sample(t), tools)
	_, err := b.Ensure(t.Context(), io.Discard, metricsServer,
		"docker.io/rancher/local-path-provisioner", "registry.k8s.io/pause")
	for _, name := range []string{metricsServer, "docker.io/rancher/local-path-provisioner"} {
		if err == nil || !strings.Contains(err.Error(), "building image "+name) {
			t.Errorf("error %v does not name %s", err, name)
		}
	}
	spec, err := b.Select("registry.k8s.io/pause")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.Find(spec[0]); !ok || err != nil {
		t.Errorf("the image without a fault was not kept: %v, %v", ok, err)
	}
}

func TestPruneKeepsTheCurrentAndTheNewest(t *testing.T) {
	s := store{t.TempDir()}
	const ref = "example.org/app:v1"
	for i, key := range []string{"current", "older", "old", "newer", "newest"} {
		path := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(path, []byte(key), 0o644); err != nil {
			t.Fatal(err)
		}
		archive, err := s.put(ref, key, "sha256:0", path)
		if err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(archive.Path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.prune(ref, "current"); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"current": true, "newest": true, "newer": true, "old": false, "older": false} {
		if _, ok := s.find(ref, key); ok != want {
			t.Errorf("%s kept: %v, want %v", key, ok, want)
		}
	}
	left, err := os.ReadDir(filepath.Join(s.dir, folder(ref)))
	if err != nil || len(left) != 2*kept {
		t.Errorf("%d files left, %v; want %d", len(left), err, 2*kept)
	}
}

func TestTooLittleSpaceIsSaidBeforehand(t *testing.T) {
	dir := t.TempDir()
	if err := checkSpace(dir, 1); err != nil {
		t.Error(err)
	}
	err := checkSpace(dir, 1<<60)
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "SLIPWAY_CACHE") {
		t.Errorf("error %v does not say where and what to do", err)
	}
}

func TestCachesAreBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "downloads")
	for limit, want := range map[int64]bool{10: true, 9: false} {
		write(t, dir, map[string]string{"a/one": "12345", "b": "67890"})
		if err := bound(dir, limit); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("10 bytes at a limit of %d are kept: %v, want %v", limit, err == nil, want)
		}
	}
	if err := bound(filepath.Join(dir, "absent"), 1); err != nil {
		t.Errorf("a directory that is not there: %v", err)
	}
}
