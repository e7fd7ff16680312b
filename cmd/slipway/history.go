package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, historyCommand) }

// recordCommand is a command about a stack's files in the backend. It needs
// neither the lab nor images.
func recordCommand(use, short, long string, run func(cmd *cobra.Command, s *platform.Stack, files *backend.Stack, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs}
	stack := cmd.Flags().StringP("stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w, err := openWorkplace()
		if err != nil {
			return err
		}
		s, err := platform.OpenStack(w.checkout, *stack, w.tools)
		if err != nil {
			return err
		}
		files, err := s.Backend(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { _ = files.Close() }()
		return run(cmd, s, files, args)
	}
	return cmd
}

func printJSON(to io.Writer, value any) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func historyCommand() *cobra.Command {
	asJSON, limit, page := false, 20, 1
	cmd := recordCommand("history", "Show what was done to a stack, newest first",
		`Numbers mean the same entry for ever. A rollback can go to those marked with
a star. An update that was cancelled is there as failed where plain pulumi ran it,
and one that was killed is not there at all. JSON has the versions of the
provider plugins too, unless more than 100 entries are asked for: each is read
from the state of its time.`,
		func(cmd *cobra.Command, _ *platform.Stack, files *backend.Stack, _ []string) error {
			if limit < 0 || page < 1 {
				return fmt.Errorf("--limit %d --page %d: the limit must not be negative, and pages count from 1", limit, page)
			}
			h, err := history.Open(cmd.Context(), files)
			if err != nil {
				return err
			}
			entries, err := h.Page(cmd.Context(), (page-1)*limit, limit)
			if err != nil {
				return err
			}
			if asJSON {
				if entries == nil {
					entries = []history.Entry{}
				}
				if len(entries) <= manyStates {
					if err := h.ReadProviders(cmd.Context(), entries); err != nil {
						return err
					}
				}
				return printJSON(cmd.OutOrStdout(), entries)
			}
			return printHistory(cmd.OutOrStdout(), entries, h.Len())
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many entries; 0 for all")
	cmd.Flags().IntVar(&page, "page", page, "which page of that many entries")
	cmd.AddCommand(historyShow(), historyPrune(), historyVerify(), historyBackup(), historyRestore())
	return cmd
}

// manyStates are more states than anybody waits for who wants a list.
const manyStates = 100

// shortCommit is enough of a hash to compare by eye, with what is known of the
// checkout.
func shortCommit(e history.Entry) string {
	if e.Commit == "" {
		return "-"
	}
	const digits = 12
	text := e.Commit[:min(digits, len(e.Commit))]
	switch e.Tree {
	case history.Dirty:
		text += " dirty"
	case history.Unknown:
		text += " ?"
	}
	return text
}

func printHistory(to io.Writer, entries []history.Entry, total int) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(to, "no entries")
		return err
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NO.\tTIME\tKIND\tRESULT\tTOOK\tCHANGES\tCOMMIT\tAUTHOR\tRAN BY\tMESSAGE")
	for _, e := range entries {
		number := fmt.Sprintf("%d", e.Number)
		if e.Good() {
			number += "*"
		}
		at := e.Recorded.Local().Format(time.DateTime)
		if e.Fault != "" {
			fmt.Fprintf(table, "%s\t%s\tunreadable\t\t\t\t\t\t\t%s\n", number, at, oneLine(e.Fault))
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%ds\t%s\t%s\t%s\t%s\t%s\n", number, at, e.Kind, e.Result, e.Seconds,
			counts(e.Changes), shortCommit(e), orDash(e.Who), orDash(e.RanBy), oneLine(e.Message))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if total > len(entries) {
		fmt.Fprintf(to, "%d of %d entries; --page and --limit show others\n", len(entries), total)
	}
	return nil
}

// counts is such as "+3 ~1 -2", resources that stay as they are left out.
func counts(changes map[string]int) string {
	var parts []string
	for _, op := range []struct{ name, sign string }{
		{"create", "+"}, {"update", "~"}, {"replace", "±"}, {"delete", "-"}, {"import", "="}, {"refresh", "r"},
	} {
		if n := changes[op.name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s%d", op.sign, n))
		}
	}
	return orDash(strings.Join(parts, " "))
}

// oneLine cuts a message to what fits into a table.
func oneLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	const width = 72
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

func historyShow() *cobra.Command {
	cmd := recordCommand("show NUMBER|COMMIT", "Show all that is known of an entry", "Secret settings are shown as such.",
		func(cmd *cobra.Command, _ *platform.Stack, files *backend.Stack, args []string) error {
			h, err := history.Open(cmd.Context(), files)
			if err != nil {
				return err
			}
			e, err := h.Find(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return showEntry(cmd.Context(), cmd.OutOrStdout(), h, e)
		})
	cmd.Args = cobra.ExactArgs(1)
	return cmd
}

func showEntry(ctx context.Context, to io.Writer, h *history.History, e history.Entry) error {
	shown := struct {
		history.Entry
		Unfit     string            `json:"unfit,omitempty"`
		Settings  map[string]string `json:"settings"`
		Resources int               `json:"resources"`
	}{Entry: e, Unfit: e.Unfit(), Settings: map[string]string{}}
	for key, value := range e.Config {
		text := checkpoint.Masked
		if !value.Secure() {
			var err error
			if text, err = value.Value(nil); err != nil {
				return fmt.Errorf("reading setting %s of entry %d: %w", key, e.Number, err)
			}
		}
		shown.Settings[key.String()] = text
	}
	// An entry without a checkpoint is shown without what that would say.
	if raw, err := h.Checkpoint(ctx, e); err == nil {
		state, err := checkpoint.Parse(raw)
		if err != nil {
			return fmt.Errorf("reading the state after entry %d: %w", e.Number, err)
		}
		shown.Providers, shown.Resources = state.Providers(), len(state.Resources)
	}
	return printJSON(to, shown)
}
