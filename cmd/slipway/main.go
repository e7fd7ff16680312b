// Command slipway is the helper beside pulumi: it builds the pinned tools,
// runs the lab cluster, builds images and drives a stack from an empty machine
// to an answering platform.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
)

// exitError carries a command's own exit code to main.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// interrupted is the exit code after Ctrl-C, as shells report SIGINT.
const interrupted = 130

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	if errors.Is(err, backend.ErrNoDriver) || errors.Is(err, errElsewhere) {
		err = inFull(ctx)
	}
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "slipway: interrupted; run the same command again to continue")
		os.Exit(interrupted)
	default:
		fmt.Fprintln(os.Stderr, "slipway:", err)
		var own *exitError
		if errors.As(err, &own) {
			os.Exit(own.code)
		}
		os.Exit(1)
	}
}

// commands is filled by each command's file, so that adding one touches no
// other.
var commands []func() *cobra.Command

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "slipway",
		Short:         "Build, run and look after the Slipway platform",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, command := range commands {
		cmd.AddCommand(command())
	}
	return cmd
}
