package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func nothing(context.Context, io.Writer) error { return nil }

func TestTasksRunAfterWhatTheyNeed(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(name string) func(context.Context, io.Writer) error {
		return func(context.Context, io.Writer) error {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return nil
		}
	}
	err := Run(t.Context(), io.Discard, Options{Slots: 4}, []Task{
		{Name: "c", Needs: []string{"b"}, Run: note("c")},
		{Name: "b", Needs: []string{"a"}, Run: note("b")},
		{Name: "a", Run: note("a")},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, order)
}

func TestPlansThatCannotBeOrderedRunNothing(t *testing.T) {
	ran := false
	work := func(context.Context, io.Writer) error { ran = true; return nil }
	for name, tasks := range map[string][]Task{
		"twice":   {{Name: "a", Run: work}, {Name: "a", Run: work}},
		"unknown": {{Name: "a", Needs: []string{"z"}, Run: work}},
		"cycle":   {{Name: "a", Needs: []string{"b"}, Run: work}, {Name: "b", Needs: []string{"a"}, Run: work}},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, Run(t.Context(), io.Discard, Options{}, tasks), ErrPlan)
			require.False(t, ran)
		})
	}
}

func TestSlotsBoundWhatRunsAtOnce(t *testing.T) {
	var mu sync.Mutex
	held, most := 0, 0
	gate := make(chan struct{})
	work := func(weight int) func(context.Context, io.Writer) error {
		return func(context.Context, io.Writer) error {
			mu.Lock()
			held += weight
			most = max(most, held)
			mu.Unlock()
			<-gate
			mu.Lock()
			held -= weight
			mu.Unlock()
			return nil
		}
	}
	var tasks []Task
	for i := range 6 {
		tasks = append(tasks, Task{Name: fmt.Sprint(i), Weight: 1 + i%2, Run: work(1 + i%2)})
	}
	go func() {
		for range tasks {
			gate <- struct{}{}
		}
	}()
	require.NoError(t, Run(t.Context(), io.Discard, Options{Slots: 3}, tasks))
	require.LessOrEqual(t, most, 3)
	require.GreaterOrEqual(t, most, 2, "two must have run together")
}

func TestFailureStopsTheRestAndShowsTheLog(t *testing.T) {
	dir := t.TempDir()
	boom := errors.New("boom")
	ran := false
	var out bytes.Buffer
	err := Run(t.Context(), &out, Options{Slots: 2, LogDir: dir}, []Task{
		{Name: "tool x/y", Run: func(_ context.Context, log io.Writer) error {
			for i := range 1000 {
				_, _ = fmt.Fprintf(log, "line %d\n", i)
			}
			return boom
		}},
		{Name: "cancelled", Run: func(ctx context.Context, _ io.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		}},
		{Name: "after", Needs: []string{"tool x/y"}, Run: func(context.Context, io.Writer) error { ran = true; return nil }},
	})
	var failed *Failed
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, boom)
	require.False(t, ran)
	require.Equal(t, "tool x/y", failed.Task)
	require.True(t, strings.HasPrefix(failed.Tail, "line "), "the tail begins at a line's start")
	require.Contains(t, err.Error(), "line 999")
	require.Equal(t, filepath.Join(dir, "tool-x-y.log"), failed.Log)
	whole, err := os.ReadFile(failed.Log)
	require.NoError(t, err)
	require.Contains(t, string(whole), "line 0\n")
	require.Contains(t, out.String(), "FAILED tool x/y")
}

func TestKeepGoingRunsTheRestAndReportsAll(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	ran := map[string]bool{}
	err := Run(t.Context(), io.Discard, Options{KeepGoing: true}, []Task{
		{Name: "a", Weight: 1, Run: func(context.Context, io.Writer) error { return one }},
		{Name: "b", Weight: 1, Run: func(context.Context, io.Writer) error { ran["b"] = true; return nil }},
		{Name: "c", Weight: 1, Needs: []string{"b"}, Run: func(context.Context, io.Writer) error { return two }},
		{Name: "d", Weight: 1, Needs: []string{"a"}, Run: func(context.Context, io.Writer) error { ran["d"] = true; return nil }},
	})
	require.ErrorIs(t, err, one)
	require.ErrorIs(t, err, two)
	require.True(t, ran["b"])
	require.False(t, ran["d"], "d needs what failed")
}

func TestCancelledRunReturnsTheContextsError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := Run(ctx, io.Discard, Options{}, []Task{
		{Name: "a", Run: func(ctx context.Context, _ io.Writer) error { cancel(); <-ctx.Done(); return ctx.Err() }},
		{Name: "b", Needs: []string{"a"}, Run: nothing},
	})
	require.ErrorIs(t, err, context.Canceled)
}

func TestSilenceIsBroken(t *testing.T) {
	out := &watched{seen: make(chan struct{})}
	err := Run(t.Context(), out, Options{Every: 1}, []Task{{Name: "slow", Run: func(context.Context, io.Writer) error {
		<-out.seen
		return nil
	}}})
	require.NoError(t, err)
}

// watched closes seen at the first progress line.
type watched struct {
	once sync.Once
	seen chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("...    slow")) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}
