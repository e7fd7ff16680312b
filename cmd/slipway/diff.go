package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/difference"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, diffCommand) }

// now names the stack's state in place of an entry of its history.
const now = "now"

func diffCommand() *cobra.Command {
	asJSON := false
	cmd := recordCommand("diff A [B|now]", "Show what changed in a stack between two entries of its history",
		`A and B are numbers from "slipway history", or commits. Without B, or with
"now", A is compared with the stack's state as it is. Secrets are never shown;
a resource that was renamed by an alias is shown as renamed.`,
		func(cmd *cobra.Command, _ *platform.Stack, files *backend.Stack, args []string) error {
			h, err := history.Open(cmd.Context(), files)
			if err != nil {
				return err
			}
			before, err := stateAt(cmd.Context(), files, h, args[0])
			if err != nil {
				return err
			}
			other := now
			if len(args) > 1 {
				other = args[1]
			}
			after, err := stateAt(cmd.Context(), files, h, other)
			if err != nil {
				return err
			}
			resources := difference.Compare(before, after)
			if asJSON {
				if resources == nil {
					resources = []difference.Resource{}
				}
				return printJSON(cmd.OutOrStdout(), resources)
			}
			difference.Write(cmd.OutOrStdout(), resources)
			return nil
		})
	cmd.Args = cobra.RangeArgs(1, 2)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func stateAt(ctx context.Context, files *backend.Stack, h *history.History, what string) (*checkpoint.State, error) {
	var raw []byte
	if what == now {
		var err error
		if raw, err = files.Checkpoint(ctx); err != nil {
			return nil, err
		}
	} else {
		e, err := h.Find(ctx, what)
		if err != nil {
			return nil, err
		}
		if raw, err = h.Checkpoint(ctx, e); err != nil {
			return nil, err
		}
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the state of %s: %w", what, err)
	}
	return state, nil
}
