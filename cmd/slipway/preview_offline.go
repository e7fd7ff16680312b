//go:build full

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/comment"
	"slipway.dev/slipway/internal/redact"
	"slipway.dev/slipway/internal/rehearsal"
)

func init() { commands = append(commands, offlineCommand) }

func offlineCommand() *cobra.Command {
	var stacks []string
	out := ""
	cmd := &cobra.Command{
		Use: "preview-offline", Args: cobra.NoArgs,
		Short: "Show what an update would change since the last release, without account or state",
		Long: `Previews cloud stacks in a simulated AWS, against the state that the last
release left behind in ` + rehearsal.Releases + `, and prints one
comment for all of them, as "slipway preview --markdown" does. It needs no
credentials, so it is what a pull request's code may run. The whole text of each
preview is written to --out.

Fails as "slipway preview --markdown" does, once the comment is written.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if out == "" {
				out = filepath.Join(w.checkout, ".slipway", "preview")
			}
			if err := os.MkdirAll(out, 0o700); err != nil {
				return fmt.Errorf("making %s: %w", out, err)
			}
			var sections []comment.Stack
			for _, name := range stacks {
				var log bytes.Buffer
				r := &rehearsal.Rehearsal{Project: w.checkout, Stack: name, Log: &log, Progress: io.Discard}
				if err := r.Meant(); err != nil {
					return err
				}
				if _, err := simulate(cmd, w, r); err != nil {
					return err
				}
				section, err := offlineSection(cmd.Context(), r)
				if err != nil {
					return err
				}
				// The secrets are the simulation's; what is left is this process's own.
				hide := redact.New(nil, os.Environ())
				masked(&section, hide)
				if err := writeWhole(out, section, log.String(), hide); err != nil {
					return err
				}
				sections = append(sections, section)
			}
			return conclude(cmd.OutOrStdout(), sections, "")
		},
	}
	cmd.Flags().StringSliceVarP(&stacks, "stack", "s", nil, "the stacks, as in Pulumi.<stack>.yaml")
	cmd.Flags().StringVar(&out, "out", "", "the directory for the previews (default .slipway/preview)")
	_ = cmd.MarkFlagRequired("stack")
	return cmd
}

// offlineSection previews one stack. A preview that fails is part of the
// comment, because the other stacks are worth reading.
func offlineSection(ctx context.Context, r *rehearsal.Rehearsal) (comment.Stack, error) {
	section := comment.Stack{Name: r.Stack}
	recorded, err := r.Release()
	if err != nil {
		return section, err
	}
	version := strings.TrimSuffix(filepath.Base(recorded), "."+r.Stack+".json.gz")
	section.Against = "what release " + version + " left behind, SIMULATED"
	proposed, err := r.Propose(ctx, recorded, packs(r.Project)...)
	if ctx.Err() != nil {
		return section, ctx.Err()
	}
	if err != nil {
		section.Failed = err.Error()
		return section, nil
	}
	section.Guard = proposed.Guard
	return section, judged(&section, r.Project, proposed.Proposal)
}
