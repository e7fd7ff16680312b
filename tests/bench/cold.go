package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// fromNothing times `make up` in a clone of this checkout's commit with every
// cache empty. What only an installation of the machine can undo, Debian's
// packages, stays if it is there. The lab of this machine is stopped first,
// because there can be only one; its data stays.
func (b *bench) fromNothing(ctx context.Context, checkout string) (err error) {
	if _, err := harness.Slipway(ctx, checkout, "lab", "down"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("/var/tmp", "slipway-from-nothing-")
	if err != nil {
		return fmt.Errorf("making a directory for empty caches: %w", err)
	}
	clone := filepath.Join(dir, "slipway")
	cache, err := paths.Cache()
	if err != nil {
		return err
	}
	environment := emptyCaches(dir, cache)
	defer func() {
		_, down := run(context.WithoutCancel(ctx), clone, environment, io.Discard, "make", "destroy", "CONFIRM=local")
		err = errors.Join(err, down, os.RemoveAll(dir))
	}()
	if _, err := run(ctx, checkout, nil, os.Stderr, "git", "clone", "--quiet", checkout, clone); err != nil {
		return err
	}
	var t timeline
	start := time.Now()
	reader, writer := io.Pipe()
	read := make(chan error, 1)
	go func() { read <- t.read(start, io.TeeReader(reader, os.Stderr)) }()
	state, err := run(ctx, clone, environment, writer, "make", "up")
	_ = writer.Close()
	if err := errors.Join(err, <-read); err != nil {
		return err
	}
	for _, f := range t.figures(state.UserTime() + state.SystemTime()) {
		b.add(f.what, f.value, f.bar)
	}
	return nil
}

// emptyCaches is an environment in which nothing was ever compiled or fetched.
// The home directory stays, since it may say where packages are fetched from;
// the tools that this command was started with do not.
func emptyCaches(dir, cache string) []string {
	at := func(name string) string { return filepath.Join(dir, name) }
	search := slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), func(entry string) bool {
		return strings.HasPrefix(entry, cache+string(filepath.Separator))
	})
	return append(os.Environ(),
		"PATH="+strings.Join(search, string(filepath.ListSeparator)),
		"XDG_CACHE_HOME="+at("cache"), "GOCACHE="+at("cache/go"), "GOMODCACHE="+at("modules"), "GOFLAGS=-modcacherw",
		"SLIPWAY_CACHE="+at("cache/slipway"), "SLIPWAY_STATE="+at("state"), "SLIPWAY_RUN=/run/slipway-from-nothing")
}

// run runs a command and returns what the system counted for it and all that it
// waited for.
func run(ctx context.Context, dir string, environment []string, out io.Writer, name string, args ...string) (*os.ProcessState, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, environment, out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Minute
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return cmd.ProcessState, nil
}

// timeline is what `make up` says of itself.
type timeline struct {
	// cli is when the first step began: until then the CLI was compiled.
	cli time.Duration
	// answered is when the first answer over HTTPS came.
	answered time.Duration
	steps    []step
}

// step is one that was done, and how long it took.
type step struct {
	name string
	took time.Duration
}

// firstAnswer is the last step of `slipway up`.
const firstAnswer = "first answer over HTTPS"

var (
	begun = regexp.MustCompile(`^ *[0-9.]+s  start  `)
	done  = regexp.MustCompile(`^ *[0-9.]+s  done   (.+) \(([0-9hms.]+)\)`)
)

func (t *timeline) read(start time.Time, output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if t.cli == 0 && begun.MatchString(lines.Text()) {
			t.cli = time.Since(start)
		}
		match := done.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		took, err := time.ParseDuration(match[2])
		if err != nil {
			return fmt.Errorf("reading how long %s took: %w", match[1], err)
		}
		t.steps = append(t.steps, step{match[1], took})
		if match[1] == firstAnswer {
			t.answered = time.Since(start)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading what make up says: %w", err)
	}
	if t.cli == 0 || t.answered == 0 {
		return errors.New("make up ended without saying when it began its first step and when it had its first answer; tests/bench reads other lines than internal/task prints")
	}
	return nil
}

// longest is how many steps are shown by name.
const longest = 8

func (t *timeline) figures(processor time.Duration) []figure {
	all := []figure{
		{"make up from nothing: first 200 over HTTPS", minutes(t.answered), "20 min"},
		{"  of it, compiling the CLI", minutes(t.cli), ""},
		{"  processor time, user and system", minutes(processor), ""},
	}
	steps := slices.Clone(t.steps)
	slices.SortFunc(steps, func(a, b step) int { return int(b.took - a.took) })
	for _, s := range steps[:min(longest, len(steps))] {
		all = append(all, figure{"  step beside others: " + s.name, minutes(s.took), ""})
	}
	return all
}

func minutes(d time.Duration) string {
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}
