package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, lockCommand) }

func lockCommand() *cobra.Command {
	asJSON, breakDead := false, false
	cmd := recordCommand("lock", "Show who holds a stack, since when, from where, and whether they live",
		`Commands that write break the locks of the dead by themselves; --break does so
without writing anything else. A lock is broken only when its process ran on
this machine and is not there any more.`,
		func(cmd *cobra.Command, s *platform.Stack, files *backend.Stack, _ []string) error {
			locks, err := lock.List(cmd.Context(), files)
			if err != nil {
				return err
			}
			if asJSON {
				if locks == nil {
					locks = []lock.Lock{}
				}
				if err := printJSON(cmd.OutOrStdout(), locks); err != nil {
					return err
				}
			} else {
				for _, l := range locks {
					fmt.Fprintln(cmd.OutOrStdout(), l)
				}
				if len(locks) == 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "nobody holds stack %s\n", s.Name)
				}
			}
			if !breakDead {
				return nil
			}
			dead, err := lock.Held(cmd.Context(), files)
			if err != nil {
				return err
			}
			return lock.Break(cmd.Context(), files, dead)
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&breakDead, "break", false, "break the locks of the dead")
	return cmd
}
