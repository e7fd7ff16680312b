//go:build full

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/gobuild"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/rehearsal"
)

func init() { commands = append(commands, rehearseCommand) }

// engineTools are what pulumi needs besides the simulating plugins.
var engineTools = []string{"pulumi", "pulumi-language-go", "pulumi-resource-random"}

// simulators are built from the checkout for each rehearsal.
var simulators = []string{"./cmd/pulumi-resource-aws", "./cmd/pulumi-resource-kubernetes"}

func rehearseCommand() *cobra.Command {
	r := &rehearsal.Rehearsal{}
	var changes []string
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Live a cloud stack's whole life against a simulated AWS",
		Long: `Runs the program of a stack under the real engine against a simulated AWS and
a simulated Kubernetes: first preview, update from nothing, an update that
changes nothing, a change and the way back, drift, destroy, how long the update
takes on the simulated clock, and updates and a destroy that are cut off in the
middle at every tenth operation. Account, role and the account's own stack,
which must stand first, are those of the stack's configuration.

No account, backend or cluster is touched. The result is one page, printed and
kept in .slipway/rehearsal/<stack>.md. It proves what the program does, not what
AWS does.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&r.Stack, "stack", "s", "", "the stack, as in Pulumi.<stack>.yaml")
	cmd.Flags().StringVar(&r.Account, "account", "", "number of the simulated account (default: the stack's own)")
	cmd.Flags().StringVar(&r.Role, "role", "", "name of the role that the simulated credentials are of (default: the first in aws.cluster.admins)")
	cmd.Flags().StringSliceVar(&r.Before, "before", nil, "stacks that must stand first (default: those with foundation account)")
	cmd.Flags().StringArrayVar(&changes, "set", nil, "configuration path=value that is changed and taken back; may be repeated (default: some of everything)")
	cmd.Flags().BoolVar(&r.Short, "short", false, "leave out the cuts and the critical path")
	cmd.Flags().StringVar(&r.Record, "record", "", "write the state after the update from nothing to this file, packed, as tests/engine/testdata/releases keeps it")
	cmd.Flags().IntVar(&r.Every, "every", 10, "operations between two cuts")
	cmd.Flags().Float64Var(&r.Scale, "scale", 0, "real seconds for one simulated second (0 does not wait)")
	_ = cmd.MarkFlagRequired("stack")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if r.Every < 1 {
			return fmt.Errorf("--every %d: cut at every operation or seldomer, so at least 1", r.Every)
		}
		if r.Scale < 0 || r.Scale > 1 {
			return fmt.Errorf("--scale %v: from 0, which does not wait, to 1, which is real time", r.Scale)
		}
		for _, c := range changes {
			path, value, ok := strings.Cut(c, "=")
			if !ok || path == "" {
				return fmt.Errorf("--set %s: want path=value, such as slipway:api.scaling.max=6", c)
			}
			r.Changes = append(r.Changes, [2]string{path, value})
		}
		return rehearse(cmd, r)
	}
	return cmd
}

func rehearse(cmd *cobra.Command, r *rehearsal.Rehearsal) error {
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	// The name is checked, and with it that the stack is there.
	if _, err := platform.OpenStack(w.checkout, r.Stack, w.tools); err != nil {
		return err
	}
	r.Project = w.checkout
	if err := r.Meant(); errors.Is(err, rehearsal.ErrNoCloud) {
		return fmt.Errorf("%w, so it is not simulated; for the local stack, whose lab is a real cluster, run make e2e", err)
	} else if err != nil {
		return err
	}
	kept, err := simulate(cmd, w, r)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(kept, r.Stack+".log"))
	if err != nil {
		return fmt.Errorf("keeping what pulumi prints: %w", err)
	}
	defer func() { _ = log.Close() }()
	r.Log, r.Progress = log, cmd.ErrOrStderr()
	result, failure := r.Run(cmd.Context())
	if result == nil {
		return failure
	}
	page := result.Page()
	fmt.Fprintln(cmd.OutOrStdout(), page)
	if err := os.WriteFile(filepath.Join(kept, r.Stack+".md"), []byte(page), 0o644); err != nil {
		return errors.Join(failure, fmt.Errorf("keeping the result: %w", err))
	}
	if failure != nil {
		return fmt.Errorf("rehearsing %s: %w; everything pulumi printed is in %s", r.Stack, rehearsal.ErrFailed, log.Name())
	}
	return nil
}

// simulate lets the rehearsal find the engine and the simulating plugins, which
// it builds, and returns where results are kept.
func simulate(cmd *cobra.Command, w *workplace, r *rehearsal.Rehearsal) (string, error) {
	if err := w.tools.Ensure(cmd.Context(), engineTools...); err != nil {
		return "", err
	}
	kept := filepath.Join(w.checkout, ".slipway", "rehearsal")
	bin := filepath.Join(kept, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("making a place for the simulating plugins: %w", err)
	}
	build := exec.CommandContext(cmd.Context(), "go", append([]string{"build", "-o", bin + string(filepath.Separator)}, simulators...)...)
	build.Dir, build.Stdout, build.Stderr = w.checkout, cmd.ErrOrStderr(), cmd.ErrOrStderr()
	build.Env = gobuild.Environment(os.Environ())
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("building the simulating plugins: %w", err)
	}
	env, err := w.tools.Env()
	if err != nil {
		return "", err
	}
	r.Plugins, r.Env = []string{bin}, env
	for _, name := range engineTools {
		path, err := w.tools.Path(name)
		if err != nil {
			return "", err
		}
		if name == "pulumi" {
			r.Pulumi = path
		}
		r.Plugins = append(r.Plugins, filepath.Dir(path))
	}
	return kept, nil
}
