package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/rollback"
)

func init() { commands = append(commands, rollbackCommand) }

func rollbackCommand() *cobra.Command {
	to, lastGood, yes := "", false, false
	r := rollback.Rollback{}
	cmd := stackCommand("rollback", "Take a stack back to an earlier entry of its history",
		`Runs the program of the entry's commit, with the configuration recorded in the
entry, against today's state. It is refused when that would delete or replace
anything that holds data, whatever the old program says about it; every refusal
says why, changes nothing, and names a way forward. An interrupted rollback is
continued by running it again, or left by "slipway up".`,
		func(cmd *cobra.Command, site *platform.Site) error {
			switch {
			case lastGood == (to != ""):
				return errors.New("say where to: --to NUMBER, --to COMMIT or --last-good")
			case lastGood:
				r.Find = rollback.ToLastGood
			default:
				r.Find = rollback.To(to)
			}
			if err := site.Stack.Prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			attempt := r
			attempt.Stack, attempt.Policies = site.Stack, packs(site.Stack.Checkout)
			attempt.Schema = site.Stack.CheckSchema
			attempt.Prepare = func(ctx context.Context, worktree string, log io.Writer) error {
				return bringImages(ctx, site, worktree, log)
			}
			attempt.Verify = func(ctx context.Context, log io.Writer) error {
				if err := site.Stack.WriteCA(ctx); err != nil {
					return err
				}
				if err := site.Stack.Await(ctx, log); err != nil {
					return err
				}
				return site.Stack.Smoke(ctx, log)
			}
			if !yes {
				attempt.Confirm = func(plan *rollback.Plan) (bool, error) {
					printPlan(cmd.OutOrStdout(), plan)
					return ask(cmd.InOrStdin(), cmd.OutOrStdout(), site.Stack.Name)
				}
			}
			result, err := attempt.Run(cmd.Context(), cmd.OutOrStdout())
			if result != nil {
				if r.DryRun && result.Proposal != nil {
					printPlan(cmd.OutOrStdout(), &result.Plan)
				}
				for _, phase := range result.Phases {
					beside := ""
					if phase.Beside {
						beside = "  beside the parts around it"
					}
					fmt.Fprintf(cmd.ErrOrStderr(), "  %-12s %6.1f s%s\n", phase.Name, phase.Took.Seconds(), beside)
				}
			}
			return err
		})
	cmd.Flags().StringVar(&to, "to", "", "a number from slipway history, or a commit")
	cmd.Flags().BoolVar(&lastGood, "last-good", false, "the newest good update before the one that is wrong")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "say what would be done, and change nothing")
	cmd.Flags().BoolVar(&r.OverwriteDrift, "overwrite-drift", false, "go on when somebody changed what the stack declares, and overwrite it")
	cmd.Flags().DurationVar(&r.Wait, "wait", 0, "how long to wait for another update of the stack to end")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// packs are today's policies, if the checkout has any: an old program is held
// to the rules of today.
func packs(checkout string) []string {
	place := filepath.Join(checkout, "policies")
	if _, err := os.Stat(filepath.Join(place, "PulumiPolicy.yaml")); err != nil {
		return nil
	}
	return []string{place}
}

func printPlan(to io.Writer, plan *rollback.Plan) {
	for _, s := range plan.Proposal.Changes() {
		fmt.Fprintf(to, "  %-8s %s %s\n", s.Operation, checkpoint.Type(s.URN), checkpoint.Name(s.URN))
	}
	fmt.Fprintf(to, "%d resources change\n", len(plan.Proposal.Changes()))
}

// ask wants the stack's name, which nobody types by habit.
func ask(in io.Reader, out io.Writer, name string) (bool, error) {
	fmt.Fprintf(out, "type the stack's name to do this (%s): ", name)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	return strings.TrimSpace(line) == name, nil
}

// bringImages builds the images of another checkout as far as the cache does
// not have them, and loads them into the lab. On any other cluster they are in
// the registry that the older release pushed them to.
func bringImages(ctx context.Context, site *platform.Site, worktree string, log io.Writer) error {
	usesLab, err := site.Stack.UsesLab()
	if err != nil || !usesLab {
		return err
	}
	builder, err := image.Open(worktree, site.Tools)
	if err != nil {
		return err
	}
	begun := time.Now()
	count, err := site.Bring(ctx, builder, log)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%d images ready after %s\n", count, time.Since(begun).Round(time.Millisecond))
	return nil
}
