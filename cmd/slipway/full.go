package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/gobuild"
)

// errElsewhere is returned by the commands that only the full CLI has.
var errElsewhere = errors.New("this command is in the full CLI")

// inFull runs the same command again in the full CLI, built with the tag full.
// That one has what takes longer to compile than all the rest, and what no
// `make up` needs: the driver for S3 and the rehearsal. So it is compiled when
// it is first asked for. Nothing has been done by then but to look
// for the stack's backend.
func inFull(ctx context.Context) error {
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	program := filepath.Join(w.checkout, ".slipway", "bin", "slipway-full")
	if err := buildFull(ctx, w, program); err != nil {
		return fmt.Errorf("compiling the full CLI: %w", err)
	}
	return fmt.Errorf("running %s: %w", program, unix.Exec(program, os.Args, os.Environ()))
}

// buildFull leaves a program alone that is current already.
func buildFull(ctx context.Context, w *workplace, program string) error {
	golang, _, err := w.tools.Go(ctx)
	if err != nil {
		return err
	}
	// Beside the program, so that go puts it in place by a rename.
	temp := program + ".tmp"
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(program+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(program); err != nil {
		fmt.Fprintln(os.Stderr, "slipway: compiling the full CLI, with S3 and rehearsal; this takes a while the first time")
	}
	build := exec.CommandContext(ctx, golang, "build", "-buildvcs=false", "-tags", "full", "-o", program, "./cmd/slipway")
	build.Dir, build.Stdout, build.Stderr = w.checkout, os.Stderr, os.Stderr
	build.Env = append(gobuild.Environment(os.Environ()), "GOTOOLCHAIN=local", "GOTMPDIR="+temp)
	return build.Run()
}
