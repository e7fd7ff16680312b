package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/erasure"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, eraseCommand) }

// erasing is what `slipway erase` is asked for.
type erasing struct {
	stack            string
	dry, yes, asJSON bool
}

func eraseCommand() *cobra.Command {
	e := erasing{}
	cmd := &cobra.Command{
		Use: "erase [SUBJECT]", Short: "Erase what a stack holds about one person, and prove it",
		Long: `Searches the database and the log archive on every node for an identifier of a
person, erases the rows and records that hold it, and searches again. It finds the
subject as a whole word, in any case, and encoded as JSON and URLs are. Copies of
the log archive in S3 follow their node's files within minutes. What it cannot
reach is listed with how long it is kept; docs/data-protection.md says the same.

Without an argument, or with -, the subject is read from standard input, which
keeps it out of the shell's history and the list of processes; add --yes or
--dry-run then. Stopped in the middle, the same command continues. The exit code
is 0 only when nothing is left.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("erase takes one subject; quote one that has spaces")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd, args) },
	}
	// The parser's own complaint may repeat a subject that begins like a flag.
	cmd.SetFlagErrorFunc(func(*cobra.Command, error) error {
		return errors.New("erase: a flag is unknown or malformed; see slipway erase --help; a subject that begins with - goes to standard input")
	})
	cmd.Flags().StringVarP(&e.stack, "stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.Flags().BoolVar(&e.dry, "dry-run", false, "search only, and change nothing")
	cmd.Flags().BoolVarP(&e.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&e.asJSON, "json", false, "print JSON; what it is doing goes to standard error")
	return cmd
}

func (e *erasing) run(cmd *cobra.Command, args []string) error {
	piped := len(args) == 0 || args[0] == "-"
	if piped && !e.yes && !e.dry {
		return errors.New("a subject on standard input leaves nobody to ask; add --yes, or --dry-run first")
	}
	subject := ""
	if !piped {
		var err error
		if subject, err = erasure.Subject(args[0]); err != nil {
			return err
		}
	}
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	s, err := platform.OpenStack(w.checkout, e.stack, w.tools)
	if err != nil {
		return err
	}
	found, err := s.Erasable(cmd.Context())
	if err != nil {
		return err
	}
	defer found.Close()
	// Not before: the full CLI, which a stack in S3 needs, reads it from the start.
	if piped {
		given, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<10))
		if err != nil {
			return fmt.Errorf("reading the subject: %w", err)
		}
		if subject, err = erasure.Subject(string(given)); err != nil {
			return err
		}
	}
	return e.erase(cmd, found.Places, found.Left, subject)
}

// erase searches, asks, erases and reports.
func (e *erasing) erase(cmd *cobra.Command, places []erasure.Place, left []erasure.Left, subject string) error {
	ctx, out, log := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	report := erasure.Search(ctx, log, places, subject)
	report.Stack = e.stack
	report.Left = append(report.Left, left...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if report.Found() > 0 && !e.dry {
		if !e.yes {
			if err := report.Write(log); err != nil {
				return err
			}
			agreed, err := ask(cmd.InOrStdin(), log, e.stack)
			if err != nil {
				return err
			}
			if !agreed {
				return errNotAgreed
			}
		}
		report.Erase(ctx, log, places, subject)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	write := report.Write
	if e.asJSON {
		write = report.JSON
	}
	return errors.Join(write(out), report.Judge())
}
