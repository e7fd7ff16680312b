package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/comment"
	"slipway.dev/slipway/internal/gate"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
)

func previewCommand() *cobra.Command {
	var stacks []string
	markdown, artifact, out := false, "", ""
	cmd := &cobra.Command{
		Use: "preview", Short: "Show what an update of a stack would change", Args: cobra.NoArgs,
		Long: `Changes nothing. With --markdown it prints one comment for all the stacks
named, at most 64 KB: what is deleted and replaced first, each change with its
risk, no values, and the hash of each plan, which
"slipway update --expect-plan HASH" holds a later update to. The plans and the
whole text of each preview are written to --out.

Where nobody has said where states are kept, by PULUMI_BACKEND_URL or by
"pulumi login", a stack on AWS is previewed from nothing in a simulated AWS, which
every part of the output says; what an update of a stack that stands would change,
"slipway preview-offline" shows without an account.

Fails when the change would delete or replace a cluster, node group, zone, key,
bucket, StatefulSet, volume or other data, and has no waiver of the rule
data-not-replaced in policies/waivers.yaml.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if !markdown && len(stacks) > 1 {
				return fmt.Errorf("--stack %q: name one stack, or ask for --markdown", stacks)
			}
			var sections []comment.Stack
			for _, name := range stacks {
				s, err := platform.OpenStack(w.checkout, name, w.tools)
				if err != nil {
					return err
				}
				if known, err := s.HasBackend(); err != nil {
					return err
				} else if !known && !markdown {
					return previewFromNothing(cmd, w, s)
				}
				if err := s.Prepare(cmd.Context(), cmd.ErrOrStderr()); err != nil {
					return err
				}
				if !markdown {
					return s.Preview(cmd.Context(), cmd.OutOrStdout())
				}
				if out == "" {
					out = filepath.Join(w.checkout, ".slipway", "preview")
				}
				section, err := previewSection(cmd.Context(), s, out)
				if err != nil {
					return err
				}
				sections = append(sections, section)
			}
			return conclude(cmd.OutOrStdout(), sections, artifact)
		},
	}
	cmd.Flags().StringSliceVarP(&stacks, "stack", "s", []string{platform.Local}, "the stacks, as in Pulumi.<stack>.yaml")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print a comment for a pull request")
	cmd.Flags().StringVar(&artifact, "artifact", "", "with --markdown, where the whole preview can be read")
	cmd.Flags().StringVar(&out, "out", "", "with --markdown, the directory for plans and previews (default .slipway/preview)")
	return cmd
}

// previewSection previews one stack. A preview that fails is part of the
// comment, because the other stacks are worth reading.
func previewSection(ctx context.Context, s *platform.Stack, out string) (comment.Stack, error) {
	section := comment.Stack{Name: s.Name}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return section, fmt.Errorf("making %s: %w", out, err)
	}
	var err error
	if section.Guard, err = guardOf(ctx, s); err != nil {
		return section, err
	}
	var said bytes.Buffer
	plan := filepath.Join(out, s.Name+".plan.json")
	p, err := s.Propose(ctx, &said, platform.Proposing{Plan: plan, Policies: packs(s.Checkout)})
	if ctx.Err() != nil {
		return section, ctx.Err()
	}
	if writing := os.WriteFile(filepath.Join(out, s.Name+".txt"), said.Bytes(), 0o600); writing != nil {
		return section, fmt.Errorf("writing the preview of stack %s: %w", s.Name, writing)
	}
	if err != nil {
		section.Failed = err.Error()
		return section, nil
	}
	section.Proposal = p
	kept, err := gate.Findings(s.Checkout, s.Name, p, time.Now())
	if err != nil {
		return section, err
	}
	p.Findings = append(p.Findings, kept...)
	if section.Cost, err = costDelta(s.Checkout, p); err != nil {
		return section, err
	}
	if len(p.Problems) > 0 || len(p.Mandatory()) > 0 {
		return section, nil // pulumi saves no plan of a preview that failed
	}
	if section.Hash, err = planHash(plan); err != nil {
		return section, err
	}
	if err := os.WriteFile(filepath.Join(out, s.Name+".hash"), []byte(section.Hash+"\n"), 0o600); err != nil {
		return section, fmt.Errorf("writing the plan's hash of stack %s: %w", s.Name, err)
	}
	return section, nil
}

// conclude writes the comment, and then fails for what must not be.
func conclude(out io.Writer, sections []comment.Stack, artifact string) error {
	if _, err := io.WriteString(out, comment.Write(sections, artifact)); err != nil {
		return err
	}
	return refused(sections)
}

// refused fails when a stack in it would lose what
// must stay.
func refused(sections []comment.Stack) error {
	for _, s := range sections {
		if s.Proposal == nil {
			continue
		}
		for _, f := range s.Proposal.Findings {
			if f.Policy == gate.Rule {
				return &exitError{violated, fmt.Errorf("stack %s: %w: %s", s.Name, gate.ErrRefused, f.Message)}
			}
		}
	}
	return nil
}

func planHash(file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the plan: %w", err)
	}
	return proposal.Hash(raw)
}

// guardOf knows the stack's state; a stack that was never updated holds no
// data.
func guardOf(ctx context.Context, s *platform.Stack) (*guard.Guard, error) {
	files, err := s.Backend(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	return guardOfFiles(ctx, files)
}

func guardOfFiles(ctx context.Context, files *backend.Stack) (*guard.Guard, error) {
	raw, err := files.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return nil, err
	}
	return guard.FromState(state), nil
}
