package main

import (
	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/check"
	"slipway.dev/slipway/internal/vulnerability"
)

func init() { commands = append(commands, vulnerabilitiesCommand) }

func vulnerabilitiesCommand() *cobra.Command {
	database := ""
	cmd := &cobra.Command{
		Use: "vulnerabilities", Short: "Hold the Go modules compiled here against the database of known vulnerabilities",
		Long: `Looks, with govulncheck, whether a package that the program, this helper or the
log collector is compiled from has a known vulnerability, by the database as it
is now. Without an answer of the database it fails. "slipway check" looks as
well, by the database that the checkout pins.

What is lived with is in ` + vulnerability.AcceptedFile + `, with reasons.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			w.tools.Out = cmd.ErrOrStderr()
			return check.Vulnerabilities(cmd.Context(), cmd.OutOrStdout(), w.checkout, database, w.tools)
		},
	}
	cmd.Flags().StringVar(&database, "database", vulnerability.Live, "the database's `address`")
	return cmd
}
