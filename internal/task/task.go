// Package task runs steps that depend on each other, as many at once as the
// machine bears, and keeps a person informed while they run.
//
// Every step writes to a log of its own. What is printed is only what a
// person waits for: each start and end with its time, and at least every
// Options.Every a line saying what is running and how much is left.
package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Task is one step.
type Task struct {
	// Name is unique within a run; it is printed and names the log file.
	Name string
	// Needs names the tasks that must have succeeded first.
	Needs []string
	// Weight is the number of slots the task holds while it runs. Zero is for
	// steps that mostly wait; they are never held back. More than
	// Options.Slots means alone.
	Weight int
	// Run does the work. What it writes to log is kept in a file and shown,
	// the last lines of it, when Run fails.
	Run func(ctx context.Context, log io.Writer) error
}

// Options set how a run shares the machine and where it reports.
type Options struct {
	// Slots bounds the summed Weight of running tasks. Zero means 1.
	Slots int
	// LogDir receives one file per task. Empty means no files: only the tail
	// is kept, for the error.
	LogDir string
	// Every is the longest silence. Zero means 10 seconds.
	Every time.Duration
	// KeepGoing runs every task whose needs succeeded even after another
	// failed, and reports all failures.
	KeepGoing bool
}

// ErrPlan is returned, before anything runs, for tasks that cannot be ordered.
var ErrPlan = errors.New("tasks cannot be ordered")

// Failed reports the first task that failed, with the end of its log.
type Failed struct {
	Task string
	Log  string // path of the whole log, empty when none is kept
	Tail string
	Err  error
}

func (f *Failed) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", f.Task, f.Err)
	if tail := strings.TrimRight(f.Tail, "\n"); tail != "" {
		fmt.Fprintf(&b, "\n  | %s", strings.ReplaceAll(tail, "\n", "\n  | "))
	}
	if f.Log != "" {
		fmt.Fprintf(&b, "\n  whole log: %s", f.Log)
	}
	return b.String()
}

func (f *Failed) Unwrap() error { return f.Err }

// tailBytes is how much of a failing task's log its error shows.
const tailBytes = 2000

type run struct {
	out     io.Writer
	opts    Options
	started time.Time

	mu      sync.Mutex
	spoke   time.Time
	waiting map[string]Task
	running map[string]time.Time
	done    map[string]bool
	free    int
	failed  []error
}

// Run runs the tasks and returns when all have ended. After a failure it
// starts nothing more, cancels what runs, and returns the first failure, unless
// Options.KeepGoing is set; when ctx ends it returns ctx's error.
func Run(ctx context.Context, out io.Writer, opts Options, tasks []Task) error {
	if err := check(tasks); err != nil {
		return err
	}
	if opts.Slots == 0 {
		opts.Slots = 1
	}
	if opts.Every == 0 {
		opts.Every = 10 * time.Second
	}
	if opts.LogDir != "" {
		if err := os.MkdirAll(opts.LogDir, 0o755); err != nil {
			return fmt.Errorf("making the log directory: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{
		out: out, opts: opts, started: time.Now(), spoke: time.Now(), free: opts.Slots,
		waiting: map[string]Task{}, running: map[string]time.Time{}, done: map[string]bool{},
	}
	for _, t := range tasks {
		r.waiting[t.Name] = t
	}
	order := make([]string, len(tasks))
	for i, t := range tasks {
		order[i] = t.Name
	}
	ended := make(chan struct{}, len(tasks))
	tick := time.NewTicker(min(opts.Every, time.Second))
	defer tick.Stop()
	for {
		r.launch(ctx, cancel, order, ended)
		if r.idle() {
			break
		}
		select {
		case <-ended:
		case <-tick.C:
			r.breakSilence()
		}
	}
	if len(r.failed) > 0 {
		return errors.Join(r.failed...)
	}
	return ctx.Err()
}

// launch starts, in the order given, every task that may run.
func (r *run) launch(ctx context.Context, cancel func(), order []string, ended chan<- struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		clear(r.waiting)
		return
	}
	r.dropUnreachable()
	for _, name := range order {
		t, ok := r.waiting[name]
		if !ok || !r.ready(t) {
			continue
		}
		weight := min(t.Weight, r.opts.Slots)
		if weight > r.free {
			continue
		}
		delete(r.waiting, name)
		r.free -= weight
		r.running[name] = time.Now()
		r.say("start  %s", name)
		go func() {
			err := r.one(ctx, t)
			r.mu.Lock()
			took := time.Since(r.running[name]).Round(100 * time.Millisecond)
			delete(r.running, name)
			r.free += weight
			switch {
			case err == nil:
				r.done[name] = true
				r.say("done   %s (%s), %d left", name, took, len(r.waiting)+len(r.running))
			case ctx.Err() != nil:
				r.say("ended  %s (%s)", name, took)
			default:
				r.failed = append(r.failed, err)
				r.say("FAILED %s (%s)", name, took)
				if !r.opts.KeepGoing {
					cancel()
				}
			}
			r.mu.Unlock()
			ended <- struct{}{}
		}()
	}
}

// dropUnreachable forgets tasks that need one that failed or was forgotten;
// the caller holds mu.
func (r *run) dropUnreachable() {
	for changed := true; changed; {
		changed = false
		for name, t := range r.waiting {
			for _, need := range t.Needs {
				_, waits := r.waiting[need]
				_, runs := r.running[need]
				if !waits && !runs && !r.done[need] {
					delete(r.waiting, name)
					changed = true
					break
				}
			}
		}
	}
}

func (r *run) ready(t Task) bool {
	for _, need := range t.Needs {
		if !r.done[need] {
			return false
		}
	}
	return true
}

// one runs t with its log and turns its error into a Failed.
func (r *run) one(ctx context.Context, t Task) error {
	tail := &tailWriter{limit: tailBytes}
	log := io.Writer(tail)
	path := ""
	if r.opts.LogDir != "" {
		path = filepath.Join(r.opts.LogDir, fileName(t.Name))
		file, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("opening the log of %s: %w", t.Name, err)
		}
		defer func() { _ = file.Close() }()
		log = io.MultiWriter(file, tail)
	}
	if err := t.Run(ctx, log); err != nil {
		return &Failed{Task: t.Name, Log: path, Tail: tail.String(), Err: err}
	}
	return nil
}

func (r *run) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running) == 0 && len(r.waiting) == 0
}

// breakSilence says what is running when nothing has been said for Every.
func (r *run) breakSilence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.spoke) < r.opts.Every || len(r.running) == 0 {
		return
	}
	names := make([]string, 0, len(r.running))
	for name, since := range r.running {
		names = append(names, fmt.Sprintf("%s %ds", name, int(time.Since(since).Seconds())))
	}
	slices.Sort(names)
	r.say("...    %s; %d more to start", strings.Join(names, ", "), len(r.waiting))
}

// say prints one line; the caller holds mu.
func (r *run) say(format string, args ...any) {
	r.spoke = time.Now()
	_, _ = fmt.Fprintf(r.out, "%7.1fs  %s\n", time.Since(r.started).Seconds(), fmt.Sprintf(format, args...))
}

// check finds doubled names, unknown needs and cycles.
func check(tasks []Task) error {
	known := map[string]Task{}
	for _, t := range tasks {
		if _, dup := known[t.Name]; dup {
			return fmt.Errorf("%w: %q is there twice", ErrPlan, t.Name)
		}
		known[t.Name] = t
	}
	const visiting, visited = 1, 2
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		switch state[name] {
		case visiting:
			return fmt.Errorf("%w: %q needs itself", ErrPlan, name)
		case visited:
			return nil
		}
		state[name] = visiting
		for _, need := range known[name].Needs {
			if _, ok := known[need]; !ok {
				return fmt.Errorf("%w: %q needs %q, which is not there", ErrPlan, name, need)
			}
			if err := visit(need); err != nil {
				return err
			}
		}
		state[name] = visited
		return nil
	}
	for _, t := range tasks {
		if err := visit(t.Name); err != nil {
			return err
		}
	}
	return nil
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func fileName(task string) string { return unsafe.ReplaceAllString(task, "-") + ".log" }

// tailWriter keeps the last limit bytes, from a line's start.
type tailWriter struct {
	mu    sync.Mutex
	limit int
	buf   []byte
	cut   bool
}

func (w *tailWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf, p...)
	if over := len(w.buf) - w.limit; over > 0 {
		w.buf = append(w.buf[:0], w.buf[over:]...)
		w.cut = true
	}
	return len(p), nil
}

func (w *tailWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.buf
	if w.cut {
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return string(text)
}
