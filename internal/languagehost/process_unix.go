//go:build unix

package languagehost

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// grace is what a program gets to end by itself after an interrupt. The engine
// kills its language host five seconds after interrupting it.
var grace = 3 * time.Second

// leftoverOutput is how long output is still read after a program ended, when
// a child it left behind holds the pipe open.
var leftoverOutput = time.Second

// outcome is how a program ended.
type outcome struct {
	// code is the exit code, -1 after a signal.
	code   int
	signal string // empty when it exited
}

func (o outcome) String() string {
	if o.signal != "" {
		return "was ended by a signal: " + o.signal
	}
	return fmt.Sprintf("exited with code %d", o.code)
}

// runTree runs cmd as the leader of a process group of its own and waits for
// it. When ctx ends, the whole group is interrupted, and killed if it does not
// listen. In any case nothing of the group survives the call. The error is
// non-nil only when cmd could not be run or ctx ended.
func runTree(ctx context.Context, cmd *exec.Cmd) (outcome, error) {
	cmd.SysProcAttr = groupAttributes()
	cmd.WaitDelay = leftoverOutput
	if err := cmd.Start(); err != nil {
		return outcome{}, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	// A group's ID is its leader's process ID; a negative one addresses all of it.
	group := -cmd.Process.Pid
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		_ = syscall.Kill(group, syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(grace):
			_ = syscall.Kill(group, syscall.SIGKILL)
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-watched
	// The leader is gone; its children may not be. No process: nothing to kill.
	_ = syscall.Kill(group, syscall.SIGKILL)

	if ctx.Err() != nil {
		return outcome{}, fmt.Errorf("%s was interrupted: %w", cmd.Path, context.Cause(ctx))
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return outcome{}, fmt.Errorf("running %s: %w", cmd.Path, err)
	}
	result := outcome{code: cmd.ProcessState.ExitCode()}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		result.signal = status.Signal().String()
	}
	return result, nil
}
