package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// confined prefixes a command so that it runs in mount and process namespaces
// of its own. Whatever it mounts or starts ends with it, at the latest when
// this process dies, however it dies.
func confined(args ...string) []string {
	return append([]string{
		"unshare", "--mount", "--pid", "--fork", "--mount-proc",
		"--kill-child=KILL", "--propagation=private", "--",
	}, args...)
}

// require returns an error that names every program that is missing.
func require(purpose string, names ...string) error {
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s needs %s, not found on the PATH: run `slipway doctor`, it names the packages to install",
		purpose, strings.Join(missing, ", "))
}

// run runs a command to its end, writing all it says to out.
func run(ctx context.Context, out io.Writer, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, out, out
	// A child that outlives its killer keeps the pipe open; do not wait for it.
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan error, 1)
	go func() {
		// The parent-death signal follows the thread that started the child,
		// so that thread has to live as long as the child does.
		runtime.LockOSThread()
		done <- cmd.Run()
	}()
	if err := <-done; err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("running %s: %w", commandName(args), err)
	}
	return nil
}

// output runs a command and returns what it wrote to standard output; what it
// wrote to standard error becomes part of the error.
func output(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err = fmt.Errorf("running %s: %w", commandName(args), err)
		if said := strings.TrimSpace(stderr.String()); said != "" {
			err = errors.Join(err, errors.New(said))
		}
	}
	return out, err
}

// commandName is the program that a command line is about.
func commandName(args []string) string {
	for i, arg := range args {
		if arg == "--" && i+1 < len(args) && args[0] == "unshare" {
			return args[i+1]
		}
	}
	return args[0]
}
