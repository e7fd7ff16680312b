package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/gobuild"
)

func init() { commands = append(commands, testCommand) }

// suites are the tests that need more than a compiler, with the tools each
// must find built.
var suites = map[string][]string{
	"engine": {"pulumi", "pulumi-language-go", "pulumi-resource-random", "pulumi-resource-kubernetes", "versitygw"},
	"e2e":    {"pulumi", "kube"},
	"lab":    {"kube"},
	"logs":   {"collector", "versitygw"},
	"dash":   nil,
	// Only with --soak: whether the tests of the policies would notice a fault.
	"mutation": nil,
}

// packages are Debian's that a suite needs besides. None of their services is
// started.
var packages = map[string][]string{"dash": {"chromium", "prometheus"}}

func testCommand() *cobra.Command {
	names := make([]string, 0, len(suites))
	for name := range suites {
		names = append(names, name)
	}
	slices.Sort(names)
	run, soak := "", false
	cmd := &cobra.Command{
		Use: "test [" + strings.Join(names, "|") + "]", Short: "Run what CI runs, or one suite that needs the engine, the lab or a browser",
		Args: cobra.MaximumNArgs(1), ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				if soak || run != "" {
					return errors.New("--soak and --run are for one suite; name it")
				}
				return testAll(cmd)
			}
			if !slices.Contains(names, args[0]) {
				return fmt.Errorf("there is no suite %q; there are: %s", args[0], strings.Join(names, ", "))
			}
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if err := w.tools.Packages(cmd.Context(), cmd.ErrOrStderr(), packages[args[0]]...); err != nil {
				return err
			}
			// A limit ends a hang; no suite comes near it.
			tags, limit := args[0], "60m"
			if soak {
				tags, limit = tags+",soak", "12h"
			}
			// One package after the other: they share the machine, and some look
			// whether anything is left on it. `slipway check` vets them.
			goArgs := []string{"test", "-vet=off", "-tags", tags, "-count=1", "-p=1", "-v", "-timeout=" + limit}
			if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
				// Those are for the compiler, not for the lab.
				goArgs = append(goArgs, "-exec", "env -u GOGC -u GOMEMLIMIT")
			}
			if run != "" {
				goArgs = append(goArgs, "-run", run)
			}
			return runGo(cmd, suites[args[0]], append(goArgs, "./tests/"+args[0]+"/...")...)
		},
	}
	cmd.Flags().BoolVar(&soak, "soak", false, "also the long ones")
	cmd.Flags().StringVar(&run, "run", "", "only tests matching this pattern")
	return cmd
}

// runGo runs the go command in the checkout with the pinned tools on PATH.
func runGo(cmd *cobra.Command, tools []string, args ...string) error {
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	if err := w.tools.Ensure(cmd.Context(), tools...); err != nil {
		return err
	}
	env, err := w.tools.Env()
	if err != nil {
		return err
	}
	run := exec.CommandContext(cmd.Context(), "go", args...)
	run.Dir, run.Stdout, run.Stderr = w.checkout, cmd.OutOrStdout(), cmd.ErrOrStderr()
	run.Env = gobuild.Environment(append(os.Environ(), env...))
	interruptAll(run)
	if err := run.Run(); err != nil {
		return fmt.Errorf("go %s: %w", args[0], err)
	}
	return nil
}

// interruptAll makes an interrupt reach all that a command has started, once:
// the go command and a shell keep it from what they run, which then could not
// clear away what it has begun.
func interruptAll(run *exec.Cmd) {
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGINT) }
}
