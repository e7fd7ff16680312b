package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// build is one call of the compiler.
type build struct {
	golang golang
	// dir is the module's directory, pkg the main package as seen from there.
	dir, pkg string
	// out is where the program goes, temp a directory for what is on the way.
	out, temp string
	// flags are the compiler's and linker's, as in the recipe.
	flags []string
	// plain builds keep the user's environment.
	plain bool
	// overlay maps files that do not exist to where their content is.
	overlay map[string]string
}

// compiler makes a program; tests replace it.
type compiler func(ctx context.Context, log io.Writer, b build) error

// attempts is how often a build is tried that failed for want of the network.
const attempts = 3

// networkFault matches what go prints when a module could not be fetched for a
// reason that may pass.
var networkFault = regexp.MustCompile(
	`(?i)(dial tcp|i/o timeout|connection re(set|fused)|TLS handshake timeout|unexpected EOF|no such host|temporary failure|50[0234] [A-Z])`)

// make builds t into its directory. Whatever moment it is killed at, the
// directory is either absent or complete.
func (c *Chain) make(ctx context.Context, log io.Writer, t tool) error {
	held, err := lockFile(ctx, filepath.Join(c.toolsDir(), t.name+".lock"), func() {
		_, _ = fmt.Fprintf(log, "waiting for another process that builds %s\n", t.name)
	})
	if err != nil {
		return fmt.Errorf("waiting to build %s: %w", t.name, err)
	}
	defer held.release()
	p, err := c.locate(ctx, t)
	if err != nil {
		return err
	}
	if p.Source != Missing {
		return nil // built while this process waited
	}
	if err := c.checkRoom(ctx, t); err != nil {
		return err
	}
	g, err := c.golang(ctx)
	if err != nil {
		return err
	}
	// Only the holder of the lock makes such directories: these are of builds
	// that were killed.
	c.sweep(t.name + ".partial-*")
	partial, err := os.MkdirTemp(c.toolsDir(), t.name+".partial-")
	if err != nil {
		return fmt.Errorf("making a directory for %s: %w", t.name, err)
	}
	defer func() { _ = os.RemoveAll(partial) }()
	result := filepath.Join(partial, "result")
	if err := c.assemble(ctx, log, t, p.recipe, g, result, filepath.Join(partial, "temp")); err != nil {
		return err
	}
	if err := os.Rename(result, p.dir); err != nil {
		return fmt.Errorf("putting %s in place: %w", t.name, err)
	}
	c.prune(t.name, p.dir)
	return nil
}

// assemble fills result, a directory as it will lie in the cache.
func (c *Chain) assemble(ctx context.Context, log io.Writer, t tool, r recipe, g golang, result, temp string) error {
	bin := filepath.Join(result, "bin")
	for _, dir := range []string{bin, temp} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making a directory for %s: %w", t.name, err)
		}
	}
	b := build{
		golang: g, dir: filepath.Join(c.checkout, t.module), pkg: t.pkg, out: filepath.Join(bin, t.name), temp: temp,
		flags: r.Flags, plain: t.plain, overlay: map[string]string{},
	}
	for file, source := range t.embeds {
		module, err := c.ModuleDir(ctx, source.module)
		if err != nil {
			return err
		}
		b.overlay[filepath.Join(b.dir, t.pkg, file)] = filepath.Join(module, filepath.FromSlash(source.file))
	}
	if t.slim != nil {
		replaced, err := slimmed(ctx, c, b, t.slim)
		if err != nil {
			return err
		}
		b.flags = append(slices.Clone(b.flags), replaced...)
	}
	if err := c.compileWithRetry(ctx, log, t.name, b); err != nil {
		return err
	}
	for _, link := range t.links {
		if err := os.Symlink(t.name, filepath.Join(bin, link)); err != nil {
			return fmt.Errorf("linking %s: %w", link, err)
		}
	}
	about, err := r.describe()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(result, "recipe.json"), about, 0o644); err != nil {
		return fmt.Errorf("describing %s: %w", t.name, err)
	}
	return flush(b.out)
}

// flush makes sure that a program is on disk before its directory gets its
// final name, or a power cut could leave a name with nothing behind it.
func flush(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the compiler reported success but made no program: %w", err)
	}
	return errors.Join(file.Sync(), file.Close())
}

func (c *Chain) compileWithRetry(ctx context.Context, log io.Writer, name string, b build) error {
	for attempt := 1; ; attempt++ {
		said := &ending{limit: 64 << 10}
		err := c.compile(ctx, io.MultiWriter(log, said), b)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("building %s: %w", name, ctx.Err())
		}
		if attempt < attempts && networkFault.MatchString(said.String()) {
			_, _ = fmt.Fprintf(log, "a download failed; trying again (%d of %d)\n", attempt+1, attempts)
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(attempt) * 2 * time.Second):
			}
			continue
		}
		return fmt.Errorf("building %s: %w%s", name, err, advise(said.String(), b))
	}
}

// advise turns what the compiler said into what to do about it.
func advise(said string, b build) string {
	switch {
	case strings.Contains(said, "no space left on device"):
		return fmt.Sprintf(": the disk is full; free some, or move the caches with SLIPWAY_CACHE and GOCACHE (which is %s)", b.golang.Builds)
	case strings.Contains(said, "signal: killed"), strings.Contains(said, "cannot allocate memory"):
		return ": the machine ran out of memory; close other programs or add swap, then run this again: what was compiled is kept"
	case networkFault.MatchString(said):
		return ": modules could not be downloaded; check the network and GOPROXY, then run this again"
	case strings.Contains(said, "missing go.sum entry"):
		return fmt.Sprintf(": %s/go.sum is incomplete; it is part of the repository, so restore it with git", b.dir)
	}
	return ""
}

// goBuild runs the Go compiler. It is killed with this process: an orphan would
// go on taking memory beside the next try.
func goBuild(ctx context.Context, log io.Writer, b build) error {
	args := append([]string{"build", "-mod=readonly", "-buildvcs=false", "-o", b.out}, b.flags...)
	if len(b.overlay) > 0 {
		raw, err := json.Marshal(map[string]any{"Replace": b.overlay})
		if err != nil {
			return err
		}
		file := filepath.Join(b.temp, "overlay.json")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			return err
		}
		args = append(args, "-overlay="+file)
	}
	cmd := exec.CommandContext(ctx, b.golang.path, append(args, b.pkg)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = b.dir, log, log, b.golang.environment(b.temp, b.plain)
	// A group of its own, so that the compilers go started end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	// The kernel sends Pdeathsig when the thread that started the child ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _ = fmt.Fprintf(log, "in %s: %s\n", b.dir, strings.Join(cmd.Args, " "))
	return run(cmd)
}

// sweep removes what matches pattern in the tools' directory. What cannot be
// removed is in nobody's way.
func (c *Chain) sweep(pattern string) {
	matches, _ := filepath.Glob(filepath.Join(c.toolsDir(), pattern))
	for _, path := range matches {
		_ = os.RemoveAll(path)
	}
}

// kept is how many builds of a tool stay: the newest, and those that switching
// between commits asks for again.
const kept = 3

// prune removes the oldest builds of a tool. Running programs are not
// disturbed: their file lives on until they end.
func (c *Chain) prune(name, newest string) {
	dirs, _ := filepath.Glob(filepath.Join(c.toolsDir(), name+"-"+strings.Repeat("[0-9a-f]", 12)))
	age := map[string]time.Time{}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && dir != newest {
			age[dir] = info.ModTime()
		}
	}
	for len(age) > kept-1 {
		oldest := ""
		for dir, at := range age {
			if oldest == "" || at.Before(age[oldest]) {
				oldest = dir
			}
		}
		_ = os.RemoveAll(oldest)
		delete(age, oldest)
	}
}

// ending keeps the last bytes written to it.
type ending struct {
	limit int
	kept  []byte
}

func (e *ending) Write(p []byte) (int, error) {
	e.kept = append(e.kept, p...)
	if over := len(e.kept) - e.limit; over > 0 {
		e.kept = append(e.kept[:0], e.kept[over:]...)
	}
	return len(p), nil
}

func (e *ending) String() string { return string(e.kept) }
