package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/check"
	"slipway.dev/slipway/internal/gate"
	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/toolchain"
)

func init() {
	commands = append(commands, upCommand, updateCommand, previewCommand, refreshCommand, smokeCommand, outputCommand,
		envCommand, downCommand, destroyCommand, checkCommand)
}

// workplace is what every command about a stack needs.
type workplace struct {
	checkout string
	tools    *toolchain.Chain
}

func openWorkplace() (*workplace, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the checkout: %w", err)
	}
	checkout, err := paths.Checkout(here)
	if err != nil {
		return nil, err
	}
	tools, err := toolchain.Open(checkout)
	if err != nil {
		return nil, err
	}
	return &workplace{checkout: checkout, tools: tools}, nil
}

// site assembles what `up` and `down` act on.
func (w *workplace) site(stack string) (*platform.Site, error) {
	s, err := platform.OpenStack(w.checkout, stack, w.tools)
	if err != nil {
		return nil, err
	}
	images, err := image.Open(w.checkout, w.tools)
	if err != nil {
		return nil, err
	}
	cluster, err := lab.Open(w.tools, "")
	if err != nil {
		return nil, err
	}
	return &platform.Site{Stack: s, Tools: w.tools, Images: images, Lab: cluster}, nil
}

// stackCommand is a command with --stack whose work needs a Site.
func stackCommand(use, short, long string, run func(cmd *cobra.Command, site *platform.Site) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	stack := cmd.Flags().StringP("stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		w, err := openWorkplace()
		if err != nil {
			return err
		}
		site, err := w.site(*stack)
		if err != nil {
			return err
		}
		return run(cmd, site)
	}
	return cmd
}

func upCommand() *cobra.Command {
	nodes, wait := 0, time.Duration(0)
	cmd := stackCommand("up", "Bring a stack up, from whatever is there to an answering platform",
		`Builds what is missing, starts the lab when the local stack names no
kubeconfig, updates the stack and waits for the first verified answer.
Stopping it at any moment is safe: run it again to continue. Stack prod takes
updates by a plan only: see "slipway update".`,
		func(cmd *cobra.Command, site *platform.Site) error {
			if err := held(site.Stack.Name, "", false); err != nil {
				return err
			}
			site.Wait = wait
			return site.Up(cmd.Context(), cmd.OutOrStdout(), nodes)
		})
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for another update of the stack to end")
	cmd.Flags().IntVar(&nodes, "nodes", 0, "nodes of the lab, 1 to 5 (0 keeps what the lab has, 3 at first)")
	return cmd
}

func updateCommand() *cobra.Command {
	wait, expect := time.Duration(0), ""
	cmd := stackCommand("update", "Run pulumi up on a stack whose machine is ready",
		`With --expect-plan it updates only when it would do what the preview with that
hash said, and is held to it. Stack prod is updated in no other way.`,
		func(cmd *cobra.Command, site *platform.Site) error {
			if err := held(site.Stack.Name, expect, cmd.Flags().Changed("expect-plan")); err != nil {
				return err
			}
			if err := site.Stack.Prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			if err := site.Stack.Recover(cmd.Context(), cmd.ErrOrStderr(), wait); err != nil {
				return err
			}
			if expect != "" {
				return updateAsPlanned(cmd.Context(), cmd.OutOrStdout(), site.Stack, expect)
			}
			return site.Stack.Update(cmd.Context(), cmd.OutOrStdout())
		})
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for another update of the stack to end")
	cmd.Flags().StringVar(&expect, "expect-plan", "", "the hash of the plan, from slipway preview --markdown")
	return cmd
}

// reviewed is the stack that nothing happens to which nobody has read before.
const reviewed = "prod"

// held refuses an update that is held to nothing although it should be. An empty
// hash is what is left of a preview that failed.
func held(stack, expect string, asked bool) error {
	if expect != "" || !asked && stack != reviewed {
		return nil
	}
	return fmt.Errorf("updating stack %s: no plan holds it, and nothing was changed; preview it with `make preview-comment STACK=%s`, "+
		"read that, and give the hash in the column plan of its first table: make deploy STACK=%s PLAN=HASH", stack, stack, stack)
}

// updateAsPlanned previews again, and updates when that gives the same plan.
func updateAsPlanned(ctx context.Context, out io.Writer, s *platform.Stack, expect string) error {
	dir, err := os.MkdirTemp("", "slipway-plan-")
	if err != nil {
		return fmt.Errorf("making a directory for the plan: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	plan := filepath.Join(dir, "plan.json")
	p, err := s.Propose(ctx, io.Discard, platform.Proposing{Plan: plan, Policies: packs(s.Checkout)})
	if err != nil {
		return err
	}
	if len(p.Problems) > 0 || len(p.Mandatory()) > 0 {
		return fmt.Errorf("updating stack %s: its preview fails; see `slipway preview --stack %s`", s.Name, s.Name)
	}
	if err := gate.Pass(s.Checkout, s.Name, p, time.Now()); err != nil {
		return err
	}
	hash, err := planHash(plan)
	if err != nil {
		return err
	}
	if hash != expect {
		return fmt.Errorf("updating stack %s: it would do something else than was previewed (plan %s, not %s); preview it again and read it", s.Name, hash, expect)
	}
	if err := s.Apply(ctx, out, platform.Updating{Doing: "up", Plan: plan, Policies: packs(s.Checkout)}); err != nil {
		return fmt.Errorf("updating stack %s: %w", s.Name, err)
	}
	return s.WriteCA(ctx)
}

func refreshCommand() *cobra.Command {
	return stackCommand("refresh", "Take what the cluster really holds into a stack's state", "",
		func(cmd *cobra.Command, site *platform.Site) error {
			if err := site.Stack.Prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			if err := site.Stack.Recover(cmd.Context(), cmd.ErrOrStderr(), 0); err != nil {
				return err
			}
			return site.Stack.Refresh(cmd.Context(), cmd.OutOrStdout())
		})
}

func smokeCommand() *cobra.Command {
	return stackCommand("smoke", "Write a row and read it back over verified HTTPS", "",
		func(cmd *cobra.Command, site *platform.Site) error {
			return site.Stack.Smoke(cmd.Context(), cmd.OutOrStdout())
		})
}

func outputCommand() *cobra.Command {
	asJSON, secrets := false, false
	cmd := stackCommand("output", "Print a stack's outputs and what to type next", "",
		func(cmd *cobra.Command, site *platform.Site) error {
			if !asJSON {
				return site.Stack.Describe(cmd.Context(), cmd.OutOrStdout())
			}
			outputs, err := site.Stack.Outputs(cmd.Context(), secrets)
			if err != nil {
				return err
			}
			encoder := json.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(outputs)
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&secrets, "show-secrets", false, "with --json, print secrets in the clear")
	return cmd
}

func envCommand() *cobra.Command {
	cmd := stackCommand("env", "Print the exports plain pulumi needs; create and remove branch previews",
		`Prints shell exports; use: eval "$(.slipway/bin/slipway env)"`,
		func(cmd *cobra.Command, site *platform.Site) error {
			if err := site.Stack.Prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			exports, err := site.Stack.Exports()
			if err != nil {
				return err
			}
			for _, export := range exports {
				key, value, _ := strings.Cut(export, "=")
				fmt.Fprintf(cmd.OutOrStdout(), "export %s=%s\n", key, quote(value))
			}
			return nil
		})
	cmd.AddCommand(envCreate(), envList(), envRemove(), envPrune())
	return cmd
}

// quote makes value one word of a POSIX shell.
func quote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

func downCommand() *cobra.Command {
	return stackCommand("down", "Stop the lab and keep its data", "",
		func(cmd *cobra.Command, site *platform.Site) error {
			return site.Down(cmd.Context(), cmd.OutOrStdout())
		})
}

func destroyCommand() *cobra.Command {
	confirm := ""
	cmd := stackCommand("destroy", "Delete a stack's resources and data", "",
		func(cmd *cobra.Command, site *platform.Site) error {
			return site.Destroy(cmd.Context(), cmd.OutOrStdout(), confirm)
		})
	cmd.Flags().StringVar(&confirm, "confirm", "", "the stack's name, to say that its data may go")
	return cmd
}

func checkCommand() *cobra.Command {
	update := false
	cmd := &cobra.Command{
		Use: "check", Short: "Run formatting, linters, unit tests and staleness checks", Args: cobra.NoArgs,
		Long: `Runs everything that needs neither a cluster nor root, and reports all of it:
gofmt, go vet, golangci-lint, govulncheck with the pinned database, ruff and
mypy, shellcheck, actionlint, the unit and graph tests, and whether what is
generated is current.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if update {
				return check.Update(cmd.Context(), cmd.OutOrStdout(), w.checkout)
			}
			err = check.Run(cmd.Context(), cmd.OutOrStdout(), w.checkout, filepath.Join(w.checkout, ".slipway", "logs", "check"), w.tools)
			showFailures(cmd.OutOrStdout(), err)
			return err
		},
	}
	cmd.Flags().BoolVar(&update, "update", false, "accept the current output as golden and regenerate documents")
	return cmd
}
