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
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/task"
)

// clearing is how long an interrupted suite may take to clear away after itself.
const clearing = 2 * time.Minute

// suite is one part of `make test`, as the commands that a person would type.
type suite struct {
	name string
	// after is a suite that must have passed first, or empty.
	after string
	// yields says that others go before it where there is not enough for all.
	yields   bool
	commands [][]string
}

// lanes is how many suites run at once. The lab is a single one and mostly
// waits; with one other suite beside it two cores are idle for two fifths of the
// time.
const lanes = 3

// yielding is the niceness of suites for which the end does not wait. The lab's
// follow each other and seldom use every core, but at one priority they would be
// left over at the end.
const yielding = "5"

// everything is what CI runs, in the order in which suites start. The lab's suites
// follow each other and take longest, so they begin first; the linters and unit
// tests, which keep every core busy, wait until little else does.
func everything(slipway, checkout string) []suite {
	own := func(args ...string) []string { return append([]string{slipway}, args...) }
	return []suite{
		{name: "lab-test", commands: [][]string{own("lab", "down"), own("test", "lab")}},
		{name: "engine-test", yields: true, commands: [][]string{own("test", "engine")}},
		{name: "app-test", yields: true, commands: [][]string{{filepath.Join(checkout, "scripts", "app-test")}}},
		{name: "logs-test", yields: true, commands: [][]string{own("test", "logs")}},
		{name: "dash-test", yields: true, commands: [][]string{own("test", "dash")}},
		{name: "e2e", after: "lab-test", commands: [][]string{own("test", "e2e")}},
		{name: "check", yields: true, commands: [][]string{own("check")}},
	}
}

// testAll runs every suite and shows of those that failed what failed in them.
func testAll(cmd *cobra.Command) error {
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	slipway, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	logs := filepath.Join(w.checkout, ".slipway", "results", "test")
	var tasks []task.Task
	var begun sync.Map
	all := everything(slipway, w.checkout)
	for _, s := range all {
		one := task.Task{Name: s.name, Weight: 1, Run: func(ctx context.Context, log io.Writer) error {
			begun.Store(s.name, true)
			return s.run(ctx, w.checkout, log)
		}}
		if s.after != "" {
			one.Needs = []string{s.after}
		}
		tasks = append(tasks, one)
	}
	err = task.Run(cmd.Context(), cmd.ErrOrStderr(), task.Options{Slots: lanes, LogDir: logs, KeepGoing: true}, tasks)
	showFailures(cmd.OutOrStdout(), err)
	for _, s := range all {
		if _, ran := begun.Load(s.name); !ran {
			fmt.Fprintf(cmd.OutOrStdout(), "\n%s was not run\n", s.name)
		}
	}
	return err
}

// showFailures prints, of the tasks that failed in a run of them, what their logs
// say of failing tests.
func showFailures(out io.Writer, err error) {
	for _, failed := range failures(err) {
		if failed.Log == "" {
			continue
		}
		text, unread := os.Open(failed.Log)
		if unread == nil {
			fmt.Fprintf(out, "\nwhat failed in %s:\n", failed.Task)
			unread = excerpt(out, text)
			_ = text.Close()
		}
		if unread != nil {
			fmt.Fprintf(out, "reading the log of %s: %v\n", failed.Task, unread)
		}
	}
}

func (s suite) run(ctx context.Context, checkout string, log io.Writer) error {
	for _, args := range s.commands {
		run := exec.CommandContext(ctx, args[0], args[1:]...)
		if s.yields {
			run = exec.CommandContext(ctx, "nice", append([]string{"-n", yielding}, args...)...)
		}
		run.Dir, run.Stdout, run.Stderr = checkout, log, log
		interruptAll(run)
		run.WaitDelay = clearing
		if err := run.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(append([]string{filepath.Base(args[0])}, args[1:]...), " "), err)
		}
	}
	return nil
}

// failures finds the tasks that failed in what a run of them returned.
func failures(err error) []*task.Failed {
	var one *task.Failed
	var many interface{ Unwrap() []error }
	switch {
	case errors.As(err, &many):
		var all []*task.Failed
		for _, inner := range many.Unwrap() {
			all = append(all, failures(inner)...)
		}
		return all
	case errors.As(err, &one):
		return []*task.Failed{one}
	default:
		return nil
	}
}

// before is how many lines are shown, at most, of what led to a failure.
const before = 600

// excerpt copies the failing tests of a log of go test: each from where it began,
// or as far back as is shown, to the line that says that it failed.
func excerpt(to io.Writer, from io.Reader) error {
	var last []string
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		word := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "=== RUN") && !strings.Contains(line, "/"), strings.HasPrefix(line, "ok  "), strings.HasPrefix(line, "?   "):
			last = nil
		case strings.HasPrefix(line, "--- PASS"):
			last = nil
			continue
		}
		last = append(last, line)
		if len(last) > before {
			last = last[1:]
		}
		if strings.HasPrefix(line, "--- FAIL") || strings.HasPrefix(word, "FAIL") || strings.HasPrefix(word, "panic:") {
			fmt.Fprintln(to, strings.Join(last, "\n"))
			last = nil
		}
	}
	return lines.Err()
}
