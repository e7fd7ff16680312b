package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/revision"
)

func historyPrune() *cobra.Command {
	rules, dryRun := history.Retention{}, false
	cmd := recordCommand("prune", "Delete entries that no rule keeps",
		`An entry stays when any rule keeps it. The newest entry that can be restored
stays whatever the rules say, and so does what came after it. Entries whose
commit has a git tag stay. The copies of the state that pulumi makes beside its
history are thinned out to as many as --last.`,
		func(cmd *cobra.Command, s *platform.Stack, files *backend.Stack, _ []string) error {
			if rules.Last < 1 || rules.Days < 0 || rules.Weeks < 0 {
				return fmt.Errorf("--last %d --days %d --weeks %d: keep at least one, and no negative number of days or weeks", rules.Last, rules.Days, rules.Weeks)
			}
			var err error
			if rules.Tagged, err = revision.Tagged(cmd.Context(), s.Checkout); err != nil {
				return err
			}
			h, err := history.Open(cmd.Context(), files)
			if err != nil {
				return err
			}
			entries, err := h.Page(cmd.Context(), 0, 0)
			if err != nil {
				return err
			}
			verdicts := rules.Judge(entries)
			gone := 0
			for _, v := range verdicts {
				word := "keep  "
				if !v.Keep {
					word = "delete"
					gone++
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %5d  %s  %s\n", word, v.Entry.Number, v.Entry.Recorded.Local().Format(time.DateTime), v.Why)
			}
			copies, err := h.Backups(cmd.Context(), rules.Last)
			if err != nil {
				return err
			}
			if dryRun {
				fmt.Fprintf(cmd.OutOrStdout(), "would delete %d of %d entries and %d copies of the state\n", gone, len(entries), len(copies))
				return nil
			}
			if gone > 0 {
				if err := h.Prune(cmd.Context(), verdicts); err != nil {
					return err
				}
			}
			if err := h.DeleteBackups(cmd.Context(), copies); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deleted %d of %d entries and %d copies of the state\n", gone, len(entries), len(copies))
			return nil
		})
	cmd.Flags().IntVar(&rules.Last, "last", 20, "good entries that stay")
	cmd.Flags().IntVar(&rules.Days, "days", 30, "for how many days the last good entry of each stays")
	cmd.Flags().IntVar(&rules.Weeks, "weeks", 52, "for how many weeks the last good entry of each stays")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be deleted, and delete nothing")
	return cmd
}

func historyVerify() *cobra.Command {
	asJSON := false
	cmd := recordCommand("verify", "Check that every good entry can be restored",
		`Reads every entry and the state after it, and looks for its commit in this
repository. The exit code is 1 when a good entry cannot be restored.`,
		func(cmd *cobra.Command, s *platform.Stack, files *backend.Stack, _ []string) error {
			h, err := history.Open(cmd.Context(), files)
			if err != nil {
				return err
			}
			faults, err := h.Verify(cmd.Context(), func(commit string) error {
				_, err := revision.Find(cmd.Context(), s.Checkout, commit)
				return err
			})
			if err != nil {
				return err
			}
			broken := 0
			for _, f := range faults {
				if !f.Doubt {
					broken++
				}
			}
			if asJSON {
				if faults == nil {
					faults = []history.Fault{}
				}
				if err := printJSON(cmd.OutOrStdout(), faults); err != nil {
					return err
				}
			} else {
				for _, f := range faults {
					fmt.Fprintf(cmd.OutOrStdout(), "%5d  %s\n", f.Number, f.Fault)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%d entries, %d faults\n", h.Len(), len(faults))
			}
			if broken > 0 {
				return fmt.Errorf("%d entries of stack %s cannot be restored", broken, s.Name)
			}
			return nil
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func historyBackup() *cobra.Command {
	cmd := recordCommand("backup DIRECTORY", "Copy a stack's state and history into a directory",
		`The copy is a backend of its own: pulumi login file://DIRECTORY opens it. The
directory must be empty or not there. Secrets in it stay encrypted; the
passphrase or key is not copied.`,
		func(cmd *cobra.Command, _ *platform.Stack, files *backend.Stack, args []string) error {
			place, err := filepath.Abs(args[0])
			if err != nil {
				return fmt.Errorf("reading the directory's name: %w", err)
			}
			if held, err := os.ReadDir(place); err == nil && len(held) > 0 {
				return fmt.Errorf("copying the stack to %s: it holds files already; name an empty directory", place)
			}
			if err := os.MkdirAll(place, 0o700); err != nil {
				return fmt.Errorf("making %s: %w", place, err)
			}
			to, err := backend.Open(cmd.Context(), "file://"+place)
			if err != nil {
				return err
			}
			defer func() { _ = to.Close() }()
			copied, err := history.Backup(cmd.Context(), files, to)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "copied %d files to %s\nto look into it: PULUMI_BACKEND_URL=file://%s pulumi stack ls --all\n", copied, place, place)
			return nil
		})
	cmd.Args = cobra.ExactArgs(1)
	return cmd
}

func historyRestore() *cobra.Command {
	cmd := recordCommand("restore DIRECTORY", "Put a stack's state and history back from such a copy",
		`For a stack whose backend was lost. It must have no state there: one that is
broken is moved away first. Nothing but the backend is touched; what was made or
deleted after the copy is shown by "slipway drift".`,
		func(cmd *cobra.Command, s *platform.Stack, files *backend.Stack, args []string) error {
			place, err := filepath.Abs(args[0])
			if err != nil {
				return fmt.Errorf("reading the directory's name: %w", err)
			}
			copies, err := backend.Open(cmd.Context(), "file://"+place)
			if err != nil {
				return err
			}
			defer func() { _ = copies.Close() }()
			from, err := copies.Stack(files.Project, files.Name)
			if err != nil {
				return err
			}
			copied, err := history.Restore(cmd.Context(), from, files)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "put %d files back into %s\nto see what changed since: slipway drift --stack %s\n", copied, files.URL(), s.Name)
			return nil
		})
	cmd.Args = cobra.ExactArgs(1)
	return cmd
}
