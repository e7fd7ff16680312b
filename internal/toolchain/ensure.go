package toolchain

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"

	"slipway.dev/slipway/internal/task"
)

// TaskName is the name of the task that brings the tool providing name.
func TaskName(name string) string {
	if t, err := lookup(name); err == nil {
		name = t.name
	}
	return "tool " + name
}

// Weight is what one build holds of as many slots as there are cores, so that
// Lanes of them run at once.
func Weight() int { return (runtime.NumCPU() + Lanes() - 1) / Lanes() }

// Tasks returns one task for each tool that is not there, in building order;
// links of one tool share a task, and tools that share packages follow each
// other, so that these are compiled once. The weights keep as many running at
// once, in a run with as many slots as there are cores, as memory allows.
func (c *Chain) Tasks(ctx context.Context, names ...string) ([]task.Task, error) {
	tools, err := c.absent(ctx, names)
	if err != nil {
		return nil, err
	}
	weight := Weight()
	var tasks []task.Task
	for _, t := range tools {
		var needs []string
		for _, other := range t.after {
			if slices.ContainsFunc(tools, func(b tool) bool { return b.name == other }) {
				needs = append(needs, TaskName(other))
			}
		}
		tasks = append(tasks, task.Task{
			Name: TaskName(t.name), Needs: needs, Weight: weight,
			Run: func(ctx context.Context, log io.Writer) error { return c.make(ctx, log, t) },
		})
	}
	return tasks, nil
}

// absent returns the tools behind names that have to be built, each once.
func (c *Chain) absent(ctx context.Context, names []string) ([]tool, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		t, err := lookup(name)
		if err != nil {
			return nil, err
		}
		wanted[t.name] = true
	}
	var absent []tool
	for _, t := range catalog {
		if !wanted[t.name] {
			continue
		}
		p, err := c.locate(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", t.name, err)
		}
		if p.Source == Missing {
			absent = append(absent, t)
		}
	}
	return absent, nil
}

// Ensure brings every named tool that is not there; with nothing to do it
// prints nothing. Progress goes to Out, what the compiler says to a log per
// tool. It may be stopped at any time and run again: what was compiled is kept.
func (c *Chain) Ensure(ctx context.Context, names ...string) error {
	if err := c.CheckRoom(ctx, names...); err != nil {
		return err
	}
	tasks, err := c.Tasks(ctx, names...)
	if err != nil || len(tasks) == 0 {
		return err
	}
	return task.Run(ctx, c.Out, task.Options{Slots: runtime.NumCPU(), LogDir: c.Logs()}, tasks)
}

// CheckRoom reports, before anything is built, whether the machine has the disk
// and memory to build what is missing of the named tools. The error is
// ErrNoRoom.
func (c *Chain) CheckRoom(ctx context.Context, names ...string) error {
	absent, err := c.absent(ctx, names)
	if err != nil || len(absent) == 0 {
		return err
	}
	return c.checkRoom(ctx, absent...)
}

// Logs is the directory of the logs of builds.
func (c *Chain) Logs() string { return filepath.Join(c.cache, "logs", "tools") }
