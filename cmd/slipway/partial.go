//go:build !full

package main

import (
	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/platform"
)

func init() {
	commands = append(commands,
		elsewhere("rehearse", "Live a cloud stack's whole life against a simulated AWS"),
		elsewhere("preview-offline", "Show what an update would change since the last release, without account or state"))
}

func previewFromNothing(*cobra.Command, *workplace, *platform.Stack) error { return errElsewhere }

// elsewhere stands for a command of the full CLI; see full.go.
func elsewhere(use, short string) func() *cobra.Command {
	return func() *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return errElsewhere },
		}
	}
}
