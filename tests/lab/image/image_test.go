//go:build lab

// Package image_test builds images from Dockerfiles for real: it needs root,
// buildah, mmdebstrap and a Debian mirror.
package image_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/paths"
)

const repository = "../../.."

// helper makes this program build one image and exit, so that a test can kill
// it: its value is the checkout.
const helper = "SLIPWAY_IMAGE_TEST_CHECKOUT"

// TestMain gives all tests one cache, because making the base takes longest.
func TestMain(m *testing.M) {
	if checkout := os.Getenv(helper); checkout != "" {
		if err := buildAs(checkout, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(inOwnCache(m))
}

func buildAs(checkout, ref string) error {
	builder, err := image.Open(checkout, image.Directory("/nonexistent"))
	if err != nil {
		return err
	}
	_, err = builder.Ensure(context.Background(), os.Stderr, ref)
	return err
}

func inOwnCache(m *testing.M) int {
	dir, err := os.MkdirTemp("", "slipway-image-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	for name, sub := range map[string]string{paths.CacheEnv: "cache", paths.RunEnv: "run"} {
		if err := os.Setenv(name, filepath.Join(dir, sub)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// images is where the tests' cache keeps images.
func images() string { return filepath.Join(os.Getenv(paths.CacheEnv), "images") }

// checkout is one with the real base and Dockerfiles of the test's own; those
// not given only name the base.
func checkout(t *testing.T, dockerfiles map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	recipe, err := os.ReadFile(filepath.Join(repository, "images/base/bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "images/base/bootstrap"), recipe, 0o755)
	for _, name := range []string{"app", "images/postgres", "images/pgbouncer"} {
		content := "ARG BASE=docker.io/library/debian:bookworm-slim\nFROM ${BASE}\n" + dockerfiles[name]
		write(t, filepath.Join(dir, name, "Dockerfile"), []byte(content), 0o644)
	}
	return dir
}

func write(t *testing.T, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, checkout string) *image.Builder {
	t.Helper()
	builder, err := image.Open(checkout, image.Directory("/nonexistent"))
	if err != nil {
		t.Fatal(err)
	}
	return builder
}

func ensure(t *testing.T, checkout string, log io.Writer, refs ...string) []image.Archive {
	t.Helper()
	archives, err := open(t, checkout).Ensure(t.Context(), log, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return archives
}

// nothingLeft fails the test when a build left a mount, a directory or a
// working container behind.
func nothingLeft(t *testing.T) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(images())) {
		t.Errorf("still mounted:\n%s", mounts)
	}
	temporary, err := os.ReadDir(filepath.Join(images(), "tmp"))
	if err != nil || len(temporary) > 0 {
		t.Errorf("temporary directories left: %v, %v", temporary, err)
	}
	records, err := filepath.Glob(filepath.Join(images(), "storage-*", "*-containers", "containers.json"))
	if err != nil || len(records) == 0 {
		t.Fatalf("no record of working containers found: %v", err)
	}
	for _, path := range records {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if list := strings.TrimSpace(string(raw)); list != "[]" {
			t.Errorf("working containers left in %s: %s", path, list)
		}
	}
}

// processes counts those whose command line holds text.
func processes(t *testing.T, text string) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range lines {
		// A process may end between being listed and being read.
		if raw, err := os.ReadFile(path); err == nil && bytes.Contains(raw, []byte(text)) {
			count++
		}
	}
	return count
}

// eventually waits for what to come true.
func eventually(t *testing.T, within time.Duration, what string, is func() bool) {
	t.Helper()
	for begun := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// The code comes last in a Dockerfile, so changing it repeats no earlier step,
// and changing nothing builds nothing.
func TestOnlyChangedStepsRunAgain(t *testing.T) {
	dir := checkout(t, map[string]string{"app": "RUN date +%N > /stamp\nCOPY main.py /main.py\nUSER 10001\n"})
	write(t, filepath.Join(dir, "app/main.py"), []byte("first\n"), 0o644)
	first := ensure(t, dir, t.Output(), image.API)[0]

	var said bytes.Buffer
	if again := ensure(t, dir, &said, image.API)[0]; again != first || said.Len() > 0 {
		t.Errorf("unchanged: got %v after %v, and it said %q", again, first, said.String())
	}
	write(t, filepath.Join(dir, "app/main.py"), []byte("second\n"), 0o644)
	second := ensure(t, dir, t.Output(), image.API)[0]
	if second.Ref == first.Ref || second.Digest == first.Digest {
		t.Errorf("changed: got %v after %v", second, first)
	}
	before, after := layers(t, first.Path), layers(t, second.Path)
	if len(before) != 3 || len(after) != 3 || before[0] != after[0] || before[1] != after[1] || before[2] == after[2] {
		t.Errorf("layers were %v and are %v; want base and first step shared", before, after)
	}
	nothingLeft(t)
}

// Images of this repository share the base as their first layer.
func TestBaseIsShared(t *testing.T) {
	dir := checkout(t, map[string]string{"app": "RUN echo app > /a\n", "images/pgbouncer": "RUN echo pooler > /a\n"})
	archives := ensure(t, dir, t.Output(), image.API, image.PgBouncer)
	one, two := layers(t, archives[0].Path), layers(t, archives[1].Path)
	if one[0] != two[0] || one[1] == two[1] {
		t.Errorf("layers are %v and %v; want the first one shared", one, two)
	}
}

// A build reaches package indexes as this machine does, and none of it stays
// in the image: not the authority of a proxy, not its address, no index, no
// mirror, no name.
func TestNothingOfTheMachineIsInTheImage(t *testing.T) {
	ensure(t, checkout(t, nil), t.Output(), image.API) // the base, before the settings below
	const (
		authority = "marker-of-the-authority"
		index     = "https://marker-of-the-index.test/simple"
		proxy     = "http://marker-of-the-proxy.test:3128"
	)
	bundle := filepath.Join(t.TempDir(), "bundle.crt")
	write(t, bundle, []byte("# "+authority+"\n"), 0o600)
	t.Setenv("SSL_CERT_FILE", bundle)
	t.Setenv("PIP_INDEX_URL", index)
	t.Setenv("http_proxy", proxy)
	// The step fails, and with it the test, where the build lacks a loan.
	dir := checkout(t, map[string]string{"app": `RUN set -eu; \
 for file in "$SSL_CERT_FILE" "$REQUESTS_CA_BUNDLE" "$CURL_CA_BUNDLE" "$PIP_CERT"; do \
   grep -q marker-of-the-auth"ority" "$file"; done; \
 grep -q marker-of-the-in"dex" "$PIP_CONFIG_FILE"; \
 test "${http_proxy#*marker-of-the-}" = "proxy.test:3128"; \
 apt-cache policy | grep -q bookworm/main || apt-config dump | grep -q '/mnt/sources.list'; \
 test -s /mnt/sources.list; test "$(id -u)" = 0; touch "$PIP_CACHE_DIR/kept" /mnt/apt/kept
`})
	built := read(t, ensure(t, dir, t.Output(), image.API)[0].Path)
	sources, err := os.ReadFile(filepath.Join(images(), "build", "slipway.dev_api", "sources.list"))
	if err != nil {
		t.Fatal(err)
	}
	mirror := strings.Fields(string(sources))[1]
	// The history quotes the step above, which would be found.
	built.config.History = nil
	config, err := json.Marshal(built.config)
	if err != nil {
		t.Fatal(err)
	}
	built.files[blob(built.manifest.Config.Digest)] = config
	for _, secret := range []string{authority, index, proxy, "deb " + mirror, "/mnt/apt", "/mnt/ca-", "/mnt/pip"} {
		for name, content := range built.files {
			if at := bytes.Index(content, []byte(secret)); at >= 0 {
				t.Errorf("%s holds %q: ...%q...", name, secret, content[max(0, at-80):min(len(content), at+80)])
			}
		}
	}
	for _, layer := range built.manifest.Layers {
		for _, name := range names(t, built.files[blob(layer.Digest)]) {
			if strings.HasPrefix(name, "mnt/") && name != "mnt/" {
				t.Errorf("%s was left in the image", name)
			}
		}
	}
}

// A Dockerfile that fails is answered with the step, the reason and the log,
// and what was built before stays.
func TestFailingDockerfile(t *testing.T) {
	dir := checkout(t, map[string]string{"app": "RUN true\n"})
	good := ensure(t, dir, t.Output(), image.API)[0]
	bad := checkout(t, map[string]string{"app": "RUN echo harmless\nRUN echo the reason >&2; exit 3\nRUN echo never\n"})
	_, err := open(t, bad).Ensure(t.Context(), t.Output(), image.API)
	var failure *image.BuildError
	if !errors.As(err, &failure) {
		t.Fatalf("error is %v, want a BuildError", err)
	}
	if !strings.Contains(failure.Doing, "RUN echo the reason >&2; exit 3") || !strings.Contains(failure.Tail, "\nthe reason\n") {
		t.Errorf("failed doing %q with %q", failure.Doing, failure.Tail)
	}
	whole, err := os.ReadFile(failure.Log)
	if err != nil || !bytes.Contains(whole, []byte("harmless")) {
		t.Errorf("the log lacks the first step: %v", err)
	}
	if _, err := os.Stat(good.Path); err != nil {
		t.Errorf("the image built before is gone: %v", err)
	}
	nothingLeft(t)
}

// A build killed without warning takes its children and mounts with it, and
// the next one starts clean.
func TestKilledBuild(t *testing.T) {
	const nap = "4242.4242"
	dir := checkout(t, map[string]string{"app": "RUN touch /mnt/napping; sleep " + nap + "\n"})
	sign := filepath.Join(images(), "build", "slipway.dev_api", "napping")
	_ = os.Remove(sign)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command(self, image.API)
	build.Env = append(os.Environ(), helper+"="+dir)
	build.Stderr = t.Output()
	if err := build.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Minute, "the step runs", func() bool {
		_, err := os.Stat(sign)
		return err == nil && processes(t, "sleep\x00"+nap) > 0
	})
	if err := build.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = build.Wait() // killed
	eventually(t, 10*time.Second, "the step ends with its build", func() bool {
		return processes(t, "sleep\x00"+nap) == 0 && processes(t, images()) == 0
	})
	ensure(t, checkout(t, map[string]string{"app": "RUN echo after\n"}), t.Output(), image.API)
	nothingLeft(t)
}

// Giving up ends the build at once.
func TestCancelledBuild(t *testing.T) {
	const nap = "4343.4343"
	dir := checkout(t, map[string]string{"app": "RUN sleep " + nap + "\n"})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := open(t, dir).Ensure(ctx, io.Discard, image.API)
		done <- err
	}()
	eventually(t, 5*time.Minute, "the step runs", func() bool { return processes(t, "sleep\x00"+nap) > 0 })
	stop()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v, want that it was cancelled", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("the build goes on")
	}
	eventually(t, 5*time.Second, "no process is left", func() bool { return processes(t, "sleep\x00"+nap) == 0 })
	ensure(t, checkout(t, map[string]string{"app": "RUN echo given up\n"}), io.Discard, image.API)
	nothingLeft(t)
}

// Two commands at once, with an image in common, get what they asked for.
func TestTwoProcessesAtOnce(t *testing.T) {
	dir := checkout(t, map[string]string{
		"app":              "RUN sleep 1; echo two processes > /a\n",
		"images/postgres":  "RUN sleep 1; echo two processes > /b\n",
		"images/pgbouncer": "RUN sleep 1; echo two processes > /c\n",
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, ref := range []string{image.API, image.API, image.Postgres, image.PgBouncer} {
		all.Go(func() {
			build := exec.Command(self, ref)
			build.Env = append(os.Environ(), helper+"="+dir)
			if out, err := build.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", ref, err, out)
			}
		})
	}
	all.Wait()
	var said bytes.Buffer
	ensure(t, dir, &said, image.API, image.Postgres, image.PgBouncer)
	if said.Len() > 0 {
		t.Errorf("something was built again: %s", said.String())
	}
	nothingLeft(t)
}
