package languagehost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/gobuild"
)

// Builder compiles programs and keeps the results.
type Builder struct {
	// Cache is a directory of the builder's own; it may be deleted at any time
	// when no program is being built. Each program directory has an entry in
	// it with the last few results.
	Cache string
}

// kept is how many results of one program stay: the current one, and those
// that switching back to another commit will ask for again. One is some 70 MB.
const kept = 3

// manifest records what the newest result of an entry was made of.
type manifest struct {
	// Program is the directory that was compiled.
	Program string `json:"program"`
	Inputs  inputs `json:"inputs"`
	// Sum is Inputs.sum at the time; the result is in the directory so named.
	Sum string `json:"sum"`
	// Target tells the executable that was made outside the cache, if any.
	Target string `json:"target,omitempty"`
}

// CompileError is a program that does not compile. Output is what the compiler
// said, without a final newline.
type CompileError struct {
	Dir, Output string
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("compiling %s failed:\n%s", e.Dir, e.Output)
}

// Build returns the path of the executable made from the Go package in dir. If
// target is not empty the executable is made there, relative to dir; otherwise it
// is in the cache. If nothing it was made of changed, it is only looked up. The
// build carries no
// version-control stamp, since the same sources give the same executable.
// While it waits or compiles it calls report now and then.
func (b Builder) Build(ctx context.Context, dir, target string, report func(string)) (string, error) {
	goTool, err := findGo()
	if err != nil {
		return "", err
	}
	if matches, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(matches) == 0 {
		return "", fmt.Errorf("compiling %s: there are no Go files in it; is `main` in Pulumi.yaml right?", dir)
	}
	if target != "" {
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		return target, b.targeted(ctx, goTool, dir, target, report)
	}
	return b.cached(ctx, goTool, dir, report)
}

func (b Builder) cached(ctx context.Context, goTool, dir string, report func(string)) (string, error) {
	key := sha256.Sum256([]byte(dir))
	entry := filepath.Join(b.Cache, hex.EncodeToString(key[:8]))
	if err := os.MkdirAll(entry, 0o700); err != nil {
		return "", fmt.Errorf("making the cache of compiled programs: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(entry, "lock"), func() {
		report("waiting for another run to compile " + dir)
	})
	if err != nil {
		return "", err
	}
	defer unlock()

	name := filepath.Base(dir)
	env, err := readEnvironment(ctx, goTool, dir)
	if err != nil {
		return "", err
	}
	record := filepath.Join(entry, "manifest.json")
	if path, ok := lookup(entry, record, name, env); ok {
		return path, nil
	}

	// What goes in is summed up before compiling and again after: sources that
	// changed in between are in neither result for certain, so the next run
	// must look again.
	in, err := listInputs(ctx, goTool, dir, env)
	if err != nil {
		return "", asCompileError(dir, err)
	}
	before, err := in.sum(env)
	if err != nil {
		return "", err
	}
	path := filepath.Join(entry, before, name)
	if _, err := os.Stat(path); err != nil {
		if err := compileTo(ctx, goTool, dir, path, report); err != nil {
			return "", err
		}
	}
	after, err := in.sum(env)
	if err != nil {
		return "", err
	}
	if before != after || env.unpredictable() {
		// Good for this run, and for no other. Moved aside, not deleted: the
		// caller is about to start it.
		once := filepath.Join(entry, "once-"+before)
		if err := errors.Join(os.RemoveAll(once), os.Rename(filepath.Dir(path), once)); err != nil {
			return "", fmt.Errorf("setting a compiled program aside: %w", err)
		}
		return filepath.Join(once, name), nil
	}
	if err := writeManifest(record, manifest{Program: dir, Inputs: in, Sum: before}); err != nil {
		return "", err
	}
	prune(entry, before)
	b.pruneLost()
	return path, nil
}

// lookup returns the recorded result if its inputs are what they were.
func lookup(entry, record, name string, env environment) (string, bool) {
	m, ok := readManifest(record)
	if !ok {
		return "", false
	}
	if now, err := m.Inputs.sum(env); err != nil || now != m.Sum {
		return "", false
	}
	path := filepath.Join(entry, m.Sum, name)
	info, err := os.Stat(path)
	return path, err == nil && info.Mode()&0o100 != 0
}

// asCompileError makes what go list said about a program's sources what the
// compiler would have said.
func asCompileError(dir string, err error) error {
	var failed *goError
	if errors.As(err, &failed) && failed.stderr != "" {
		return &CompileError{Dir: dir, Output: failed.stderr}
	}
	return err
}

// compileTo makes path appear complete or not at all.
func compileTo(ctx context.Context, goTool, dir, path string, report func(string)) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the cache of compiled programs: %w", err)
	}
	partial := path + ".partial"
	if err := compile(ctx, goTool, dir, partial, report); err != nil {
		_ = os.RemoveAll(filepath.Dir(path))
		return err
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("keeping the compiled program: %w", err)
	}
	return nil
}

// compile runs go build.
func compile(ctx context.Context, goTool, dir, target string, report func(string)) error {
	cmd := exec.Command(goTool, "build", "-buildvcs=false", "-o", target, ".")
	cmd.Dir, cmd.Env = dir, gobuild.Environment(os.Environ())
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output

	stop := every(ctx, "compiling "+dir, report)
	result, err := runTree(ctx, cmd)
	stop()
	if err != nil {
		return fmt.Errorf("compiling %s: %w", dir, err)
	}
	if result.code != 0 || result.signal != "" {
		said := strings.TrimSpace(output.String())
		if said == "" {
			said = "go build " + result.String()
		}
		return &CompileError{Dir: dir, Output: said}
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode()&0o111 == 0 {
		// go build writes an archive for any package but main.
		_ = os.Remove(target)
		return &CompileError{Dir: dir, Output: "the result cannot be run: the package is not called main"}
	}
	return nil
}

// every reports what, and how long it has taken, at growing intervals until
// the returned function is called.
func every(ctx context.Context, what string, report func(string)) func() {
	ctx, stop := context.WithCancel(ctx)
	start := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for wait := 2 * time.Second; ; wait = 10 * time.Second {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
				report(fmt.Sprintf("%s (go build), %s so far", what, time.Since(start).Round(time.Second)))
			}
		}
	}()
	return func() {
		stop()
		<-done
	}
}

func readManifest(path string) (manifest, bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return manifest{}, false
	}
	var m manifest
	return m, json.Unmarshal(content, &m) == nil
}

func writeManifest(path string, m manifest) error {
	content, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("recording what a program was compiled from: %w", err)
	}
	partial := path + ".partial"
	if err := errors.Join(os.WriteFile(partial, content, 0o600), os.Rename(partial, path)); err != nil {
		return fmt.Errorf("recording what a program was compiled from: %w", err)
	}
	return nil
}

// prune removes all but the newest results. An executable that still runs
// keeps its content until it ends.
func prune(entry, current string) {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(entry, current), now, now)
	dirs, err := os.ReadDir(entry)
	if err != nil {
		return
	}
	type result struct {
		path string
		used time.Time
	}
	var results []result
	for _, dir := range dirs {
		info, err := dir.Info()
		if err == nil && dir.IsDir() {
			results = append(results, result{filepath.Join(entry, dir.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(results, func(a, b result) int { return b.used.Compare(a.used) })
	for _, old := range results[min(kept, len(results)):] {
		_ = os.RemoveAll(old.path)
	}
}

// pruneLost removes the entries of programs whose directory is gone, such as
// the worktree of an old commit.
func (b Builder) pruneLost() {
	records, err := filepath.Glob(filepath.Join(escapeGlob(b.Cache), "*", "manifest.json"))
	if err != nil {
		return
	}
	for _, record := range records {
		m, ok := readManifest(record)
		if !ok || m.Program == "" {
			continue
		}
		if _, err := os.Stat(m.Program); errors.Is(err, os.ErrNotExist) {
			_ = os.RemoveAll(filepath.Dir(record))
		}
	}
}
