package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/drift"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, driftCommand) }

// drifted is the exit code for drift, so that a script can tell it from a
// command that failed.
const drifted = 2

func driftCommand() *cobra.Command {
	asJSON, fix := false, false
	cmd := stackCommand("drift", "Compare what exists with what a stack declared",
		`Exit code 0: nothing differs but what controllers own. 2: something does.
1: it could not be told. With --fix, what differs is brought back by the program
of this checkout, which has to be what the stack runs, unless that would delete
or replace something that holds data.`,
		func(cmd *cobra.Command, site *platform.Site) error {
			if err := site.Stack.Prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
				return err
			}
			report, err := drift.Look(cmd.Context(), site.Stack, io.Discard)
			if err != nil {
				return err
			}
			if asJSON {
				if report.Differences == nil {
					report.Differences = []drift.Difference{}
				}
				if err := printJSON(cmd.OutOrStdout(), report); err != nil {
					return err
				}
			} else {
				drift.Write(cmd.OutOrStdout(), report.Differences)
				fmt.Fprintf(cmd.OutOrStdout(), "%d resources compared, %d differ, %d of them not by design\n",
					report.Looked, len(report.Differences), len(report.Real()))
			}
			if len(report.Real()) == 0 {
				return nil
			}
			if !fix {
				return &exitError{code: drifted, err: errors.New("the stack has drifted; bring it back with `slipway drift --fix`")}
			}
			if err := site.Stack.Recover(cmd.Context(), cmd.ErrOrStderr(), site.Wait); err != nil {
				return err
			}
			return drift.Fix(cmd.Context(), site.Stack, packs(site.Stack.Checkout), cmd.ErrOrStderr())
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&fix, "fix", false, "bring what differs back")
	return cmd
}
