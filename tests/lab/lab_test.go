//go:build lab

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/internal/paths"
)

// site is a lab in temporary directories, driven by the slipway command.
type site struct {
	cli, state, run, checkout string
	env                       []string
	before                    picture
}

var here site

func TestMain(m *testing.M) {
	code, err := prepare(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests of the lab:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// prepare makes the site, runs the tests and clears away whatever they left.
func prepare(m *testing.M) (int, error) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "SKIPPED: tests of the lab need root")
		return 0, nil
	}
	if err := alone(); err != nil {
		return 1, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return 1, err
	}
	checkout, err := paths.Checkout(wd)
	if err != nil {
		return 1, err
	}
	// Socket paths are short: the kernel takes 107 characters.
	root, err := os.MkdirTemp("/var/tmp", "lab")
	if err != nil {
		return 1, err
	}
	here = site{cli: filepath.Join(root, "slipway"), state: filepath.Join(root, "s"), run: filepath.Join(root, "r"), checkout: checkout}
	here.env = append(os.Environ(), paths.StateEnv+"="+here.state, paths.RunEnv+"="+here.run)
	build := exec.Command("go", "build", "-o", here.cli, "./cmd/slipway")
	build.Dir, build.Stderr = checkout, os.Stderr
	if err := build.Run(); err != nil {
		return 1, fmt.Errorf("building the command: %w", err)
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stopped
		fmt.Fprintln(os.Stderr, "tests of the lab: interrupted; clearing away")
		// For good: a command that still runs would make again what is cleared
		// away, and so would the next one.
		commands.Lock()
		if err := clearAway(root); err != nil {
			fmt.Fprintln(os.Stderr, "tests of the lab:", err)
		}
		os.Exit(130)
	}()
	code := m.Run()
	return code, clearAway(root)
}

// clearAway takes the lab down, whatever state it is in, and its directories away.
func clearAway(root string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if out, err := here.command(ctx, "lab", "down", "--purge"); err != nil {
		return fmt.Errorf("clearing away: %w\n%s", err, out)
	}
	return os.RemoveAll(root)
}

// alone refuses to work beside another lab: bridge and addresses are the same
// for all.
func alone() error {
	dirs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return err
	}
	for _, file := range dirs {
		environ, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for _, pair := range bytes.Split(environ, []byte{0}) {
			if dir, ok := bytes.CutPrefix(pair, []byte("SLIPWAY_LAB=")); ok {
				return fmt.Errorf("a lab runs from %s and there can be one per machine: stop it first (slipway lab down; its data stays)", dir)
			}
		}
	}
	return nil
}

// commands is held by everybody who runs a command that changes the lab.
var commands sync.RWMutex

func (s site) slipway(ctx context.Context, args ...string) (string, error) {
	commands.RLock()
	defer commands.RUnlock()
	return s.command(ctx, args...)
}

func (s site) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.cli, args...)
	cmd.Dir, cmd.Env = s.checkout, s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must runs the command and fails the test with what it printed.
func (s site) must(t *testing.T, args ...string) string {
	t.Helper()
	begun := time.Now()
	out, err := s.slipway(t.Context(), args...)
	if err != nil {
		t.Fatalf("slipway %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("slipway %s: %.1f s", strings.Join(args, " "), time.Since(begun).Seconds())
	return out
}

// refused runs a command that must fail and returns what it printed.
func (s site) refused(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.slipway(t.Context(), args...)
	if err == nil {
		t.Fatalf("slipway %s was accepted:\n%s", strings.Join(args, " "), out)
	}
	return out
}

func (s site) kubeconfig() string { return filepath.Join(s.state, "lab", "kubeconfig") }

// kubectl runs against the lab.
func (s site) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.tryKubectl(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s site) tryKubectl(ctx context.Context, input string, args ...string) (string, error) {
	kubectl := filepath.Join(os.Getenv("SLIPWAY_TOOLS_BIN"), "kubectl")
	if os.Getenv("SLIPWAY_TOOLS_BIN") == "" {
		found, err := exec.LookPath("kubectl") // `slipway test` puts the pinned one on PATH
		if err != nil {
			return "", err
		}
		kubectl = found
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, kubectl, append([]string{"--kubeconfig", s.kubeconfig(), "--request-timeout=20s"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	// What kubectl remarks on its errors is not what was asked for.
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		out := stdout.String() + stderr.String()
		return out, fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(stdout.String()), nil
}

func (s site) apply(t *testing.T, manifest string) {
	t.Helper()
	if _, err := s.tryKubectl(t.Context(), manifest, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func (s site) status(t *testing.T) lab.Status {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.cli, "lab", "status", "-o", "json")
	cmd.Dir, cmd.Env = s.checkout, s.env
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var status lab.Status
	if err := json.Unmarshal(out, &status); err != nil {
		t.Fatalf("status: %v\n%s", err, out)
	}
	return status
}

// pids maps each component to its process.
func (s site) pids(t *testing.T) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, c := range s.status(t).Components {
		pids[c.Name] = c.PID
	}
	return pids
}

// eventually retries until check returns nil.
func eventually(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	begun := time.Now()
	for {
		err := check()
		if err == nil {
			t.Logf("%s after %.1f s", what, time.Since(begun).Seconds())
			return
		}
		if time.Since(begun) > within {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (s site) ready(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "all nodes ready", func() error {
		if status := s.status(t); !status.Running {
			return fmt.Errorf("%+v", status.Nodes)
		}
		return nil
	})
}

func changed(before, after map[string]int) []string {
	var names []string
	for name, pid := range after {
		if before[name] != pid {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
