package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backup"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, backupCommand) }

// member is the program in the image of the database that knows backups.
const member = "slipway-postgres"

func backupCommand() *cobra.Command {
	stack := ""
	cmd := &cobra.Command{
		Use: "backup", Short: "What is kept to get the database back, and getting it",
		Long: `Backups are taken by themselves, see database.backups in docs/settings.md, and every
change in between is archived. A drill restores the database as it was at a moment, in
the repository's pod and beside the real one, which it does not touch; query and dump
get something out of it. docs/operations.md has the way back of a whole database.`,
		Args: cobra.NoArgs,
	}
	cmd.PersistentFlags().StringVarP(&stack, "stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.AddCommand(backupList(&stack), backupNow(&stack), backupDrill(&stack), backupQuery(&stack), backupDump(&stack))
	return cmd
}

// inRepository runs a command where the stack keeps its backups.
func inRepository(cmd *cobra.Command, stack string, out io.Writer, command ...string) error {
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	s, err := platform.OpenStack(w.checkout, stack, w.tools)
	if err != nil {
		return err
	}
	repository, err := s.Repository(cmd.Context())
	if err != nil {
		return err
	}
	defer repository.Close()
	return repository.Run(cmd.Context(), out, command...)
}

func backupList(stack *string) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "list", Short: "The backups there are, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var raw bytes.Buffer
			if err := inRepository(cmd, *stack, &raw, "pgbackrest", "info", "--output=json"); err != nil {
				return err
			}
			all, err := backup.Parse(raw.Bytes())
			if err != nil {
				return err
			}
			if !asJSON {
				return backup.Write(cmd.OutOrStdout(), all)
			}
			if all == nil {
				all = []backup.Backup{}
			}
			write := json.NewEncoder(cmd.OutOrStdout())
			write.SetIndent("", "  ")
			return write.Encode(all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func backupNow(stack *string) *cobra.Command {
	full := false
	cmd := &cobra.Command{
		Use: "now", Short: "Take a backup, besides those that are due", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kind := "incr"
			if full {
				kind = "full"
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "taking a backup; the more there is to copy, the longer that takes")
			return inRepository(cmd, *stack, cmd.OutOrStdout(), member, "backup", kind)
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "copy everything, not only what changed since the last one")
	return cmd
}

// restoring is a command that restores the database beside the real one, as of --at.
func restoring(cmd *cobra.Command, stack *string, command func(moment string, args []string) []string) *cobra.Command {
	at := ""
	cmd.Flags().StringVar(&at, "at", "", "as it was then, such as 2026-11-30T14:05:00Z; left out, as far as the archive has come")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		moment, err := backup.Moment(at, time.Now())
		if err != nil {
			return fmt.Errorf("--at: %w", err)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "restoring a copy beside the database; the larger it is, the longer that takes")
		return inRepository(cmd, *stack, cmd.OutOrStdout(), command(moment, args)...)
	}
	return cmd
}

func backupDrill(stack *string) *cobra.Command {
	return restoring(&cobra.Command{
		Use: "drill", Short: "Restore a backup, read every row of it, and throw it away", Args: cobra.NoArgs,
	}, stack, func(moment string, _ []string) []string { return []string{member, "drill", moment} })
}

func backupQuery(stack *string) *cobra.Command {
	return restoring(&cobra.Command{
		Use: "query SQL", Short: "Ask what was in the database", Args: cobra.ExactArgs(1),
		Example: `  slipway backup query --at "2026-11-30 14:05:00" "select * from items where name = 'anvil'"`,
	}, stack, func(moment string, args []string) []string {
		return []string{member, "restored", moment, "query", args[0]}
	})
}

func backupDump(stack *string) *cobra.Command {
	return restoring(&cobra.Command{
		Use: "dump", Short: "Print what was in the database, as pg_dump does", Args: cobra.NoArgs,
		Example: `  slipway backup dump --at 2026-11-30T14:05:00Z > before.sql`,
	}, stack, func(moment string, _ []string) []string { return []string{member, "restored", moment, "dump"} })
}
