package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/tests/harness"
)

// entries is how long a history is that has seen years.
const entries = 10_000

// records measures what reads and goes back in a stack's history.
func (b *bench) records(ctx context.Context) error {
	if err := b.longHistory(ctx); err != nil {
		return fmt.Errorf("measuring a long history: %w", err)
	}
	drift, err := b.timed(nil, b.slipway(ctx, "drift"))
	if err != nil {
		return err
	}
	b.add("drift, nothing drifted", seconds(drift), "5 s")
	if err := b.rollbacks(ctx); err != nil {
		return fmt.Errorf("measuring rollbacks: %w", err)
	}
	return nil
}

// longHistory reads a copy of the stack's own backend whose newest entry is
// there ten thousand times.
func (b *bench) longHistory(ctx context.Context) error {
	state, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(state) }()
	if err := lengthen(paths.Pulumi(), filepath.Join(state, "pulumi"), entries); err != nil {
		return err
	}
	for _, c := range []struct {
		what, bar string
		args      []string
	}{
		{fmt.Sprintf("history, newest page of %d entries", entries), "0.5 s", []string{"history"}},
		{fmt.Sprintf("history, last page of %d entries", entries), "0.5 s", []string{"history", "--page", strconv.Itoa(entries / 20)}},
		{fmt.Sprintf("history as JSON, all %d entries", entries), "", []string{"history", "--json", "--limit", "0"}},
		{"diff of two entries", "1 s", []string{"diff", "1", "now"}},
	} {
		var took []time.Duration
		for range b.runs {
			cmd := exec.CommandContext(ctx, filepath.Join(b.platform.Checkout, ".slipway", "bin", "slipway"), c.args...)
			cmd.Dir, cmd.Env = b.platform.Checkout, append(os.Environ(), paths.StateEnv+"="+state)
			begun := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("slipway %s: %w\n%s", strings.Join(c.args, " "), err, out)
			}
			took = append(took, time.Since(begun))
		}
		b.add(c.what, seconds(took), c.bar)
	}
	return nil
}

// lengthen copies a backend with the local stack's state, and its newest entry
// as often as asked for. The states after the entries are one file: they are
// read one at a time.
func lengthen(from, to string, n int) error {
	project := "slipway"
	shelf := filepath.Join(".pulumi", "history", project, platform.Local)
	for _, dir := range []string{filepath.Join(".pulumi", "stacks", project), shelf} {
		if err := os.MkdirAll(filepath.Join(to, dir), 0o700); err != nil {
			return err
		}
	}
	name := filepath.Join(".pulumi", "stacks", project, platform.Local+".json")
	state, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(to, name), state, 0o600); err != nil {
		return err
	}
	const end = ".history.json"
	found, err := filepath.Glob(filepath.Join(from, shelf, platform.Local+"-*"+end))
	if err != nil || len(found) == 0 {
		return errors.Join(errors.New("the stack has no history"), err)
	}
	newest := slices.Max(found)
	entry, err := os.ReadFile(newest)
	if err != nil {
		return err
	}
	checkpoint, err := os.ReadFile(strings.TrimSuffix(newest, end) + ".checkpoint.json")
	if err != nil {
		return err
	}
	shared := filepath.Join(to, shelf, "shared")
	if err := os.WriteFile(shared, checkpoint, 0o600); err != nil {
		return err
	}
	begin := time.Now().Add(-time.Duration(n) * time.Hour)
	for i := range n {
		place := filepath.Join(to, shelf, fmt.Sprintf("%s-%d", platform.Local, begin.Add(time.Duration(i)*time.Hour).UnixNano()))
		if err := os.WriteFile(place+end, entry, 0o600); err != nil {
			return err
		}
		if err := os.Link(shared, place+".checkpoint.json"); err != nil {
			return err
		}
	}
	return nil
}

// rollbackRuns is how often the bench rolls back: half of them each way.
const rollbackRuns = 20

// rollbacks goes from one image of the service to the next and back, in a
// clone of the checkout, and ends with the checkout's own version.
func (b *bench) rollbacks(ctx context.Context) (err error) {
	clone, done, err := b.clone(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	git := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", clone, "-c", "user.name=bench", "-c", "user.email=bench@example.test"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
		return nil
	}
	first, err := b.release(ctx, clone)
	if err != nil {
		return err
	}
	file := filepath.Join(clone, "app", "src", "slipway_api", "routes.py")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, "\nRELEASE = \"bench\"\n"...), 0o600); err != nil {
		return err
	}
	if err := git("commit", "--quiet", "--all", "--message", "bench"); err != nil {
		return err
	}
	second, err := b.release(ctx, clone)
	if err != nil {
		return err
	}
	var whole, answers []time.Duration
	phases := map[string][]time.Duration{}
	for i := range rollbackRuns {
		to := []int{first, second}[i%2]
		took, answered, split, err := b.rollback(ctx, clone, to)
		if err != nil {
			return err
		}
		whole, answers = append(whole, took), append(answers, answered)
		for name, d := range split {
			phases[name] = append(phases[name], d)
		}
	}
	b.add("rollback of an image change, to the last answer of what ran before", seconds(answers), "15 s")
	b.add("rollback of an image change, to the end of the command", seconds(whole), "")
	for _, name := range []string{"history", "schema", "lock", "worktree", "images", "preview", "drift", "waiting", "update", "verification"} {
		if split := phases[name]; len(split) > 0 {
			b.add("  of which "+name, seconds(split), "")
		}
	}
	return nil
}

// clone makes a clone of the checkout that shares the stack with it. Done takes it
// away and brings the checkout's own version back.
func (b *bench) clone(ctx context.Context) (dir string, done func() error, err error) {
	parent, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(parent)
		}
	}()
	dir = filepath.Join(parent, "clone")
	if out, err := exec.CommandContext(ctx, "git", "clone", "--quiet", "--no-hardlinks", b.platform.Checkout, dir).CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("git clone: %w\n%s", err, out)
	}
	bin := filepath.Join(dir, ".slipway", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", nil, err
	}
	if err := os.Symlink(filepath.Join(b.platform.Checkout, ".slipway", "bin", "slipway"), filepath.Join(bin, "slipway")); err != nil {
		return "", nil, err
	}
	return dir, func() error {
		_, back := harness.Slipway(context.WithoutCancel(ctx), b.platform.Checkout, "up")
		return errors.Join(back, os.RemoveAll(parent))
	}, nil
}

// release updates from a checkout and returns the number of its entry.
func (b *bench) release(ctx context.Context, checkout string) (int, error) {
	if _, err := harness.Slipway(ctx, checkout, "up"); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(checkout, ".slipway", "bin", "slipway"), "history", "--json", "--limit", "1")
	cmd.Dir = checkout
	raw, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("slipway history: %w", err)
	}
	var newest []struct{ Number int }
	if err := json.Unmarshal(raw, &newest); err != nil || len(newest) == 0 {
		return 0, errors.Join(errors.New("the stack has no history"), err)
	}
	return newest[0].Number, nil
}

var phaseLine = regexp.MustCompile(`(?m)^  ([a-z]+) +([0-9.]+) s(?:  beside .*)?$`)

// rollback goes to an entry, and asks all the while which version answers.
func (b *bench) rollback(ctx context.Context, checkout string, to int) (took, answered time.Duration, phases map[string]time.Duration, err error) {
	before, err := b.version(ctx)
	if err != nil {
		return 0, 0, nil, err
	}
	watching, stop := context.WithCancel(ctx)
	begun := time.Now()
	last := begun
	var watch sync.WaitGroup
	watch.Go(func() {
		const every = 50 * time.Millisecond
		for watching.Err() == nil {
			if version, err := b.version(watching); err == nil && version == before {
				last = time.Now()
			}
			time.Sleep(every)
		}
	})
	out, err := harness.Slipway(ctx, checkout, "rollback", "--to", strconv.Itoa(to), "--yes")
	took = time.Since(begun)
	stop()
	watch.Wait()
	if err != nil {
		return 0, 0, nil, err
	}
	phases = map[string]time.Duration{}
	for _, match := range phaseLine.FindAllStringSubmatch(out, -1) {
		s, err := strconv.ParseFloat(match[2], 64)
		if err != nil {
			return 0, 0, nil, err
		}
		phases[match[1]] = time.Duration(s * float64(time.Second))
	}
	return took, last.Sub(begun), phases, nil
}

// version is that of whoever answers.
func (b *bench) version(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.platform.URL+"/openapi.json", nil)
	if err != nil {
		return "", err
	}
	response, err := b.platform.HTTP.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var document struct{ Info struct{ Version string } }
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		return "", fmt.Errorf("reading /openapi.json: %w", err)
	}
	return document.Info.Version, nil
}
