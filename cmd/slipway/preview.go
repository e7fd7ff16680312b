package main

import (
	"bytes"
	"context"
	"errors"
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
	"slipway.dev/slipway/internal/redact"
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
"pulumi login", a stack on AWS is previewed from nothing in a simulated AWS, and
the output begins by saying so; what an update of a stack that stands would change,
"slipway preview-offline" shows without an account, as a comment. Without a
backend there is no --markdown.

Fails when a preview does, when a mandatory rule is broken, and when the change
would delete or replace a cluster, node group, zone, key, bucket, StatefulSet,
volume or other data, and has no waiver of the rule data-not-replaced in
policies/waivers.yaml. With --markdown the comment is written first, and the
stack gets no hash.`,
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
				known, err := s.HasBackend()
				if err != nil {
					return err
				}
				if !known && markdown {
					return fmt.Errorf("stack %s: no backend is known (set PULUMI_BACKEND_URL, or run pulumi login); without one: slipway preview-offline --stack %s", name, name)
				}
				if !known {
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
	plan, hash := filepath.Join(out, s.Name+".plan.json"), filepath.Join(out, s.Name+".hash")
	// What an earlier preview left would hold an update to what nobody reads now.
	for _, old := range []string{plan, hash} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return section, fmt.Errorf("removing an earlier preview: %w", err)
		}
	}
	hide, unread := hiding(ctx, s)
	var said bytes.Buffer
	p, err := s.Propose(ctx, &said, platform.Proposing{Plan: plan, Policies: packs(s.Checkout)})
	if ctx.Err() != nil {
		return section, ctx.Err()
	}
	if err == nil && unread != nil {
		return section, fmt.Errorf("stack %s: what its secrets are is not known, so that nothing can be written that may hold one: %w", s.Name, unread)
	}
	if err != nil {
		section.Failed = err.Error()
	} else if err := judged(&section, s.Checkout, p); err != nil {
		return section, err
	}
	masked(&section, hide)
	if err := writeWhole(out, section, said.String(), hide); err != nil {
		return section, err
	}
	if p == nil || len(p.Problems) > 0 || len(p.Mandatory()) > 0 {
		return section, nil // pulumi saves no plan of a preview that failed
	}
	if section.Hash, err = planHash(plan); err != nil {
		return section, err
	}
	if err := os.WriteFile(hash, []byte(section.Hash+"\n"), 0o600); err != nil {
		return section, fmt.Errorf("writing the plan's hash of stack %s: %w", s.Name, err)
	}
	return section, nil
}

// judged adds to a stack's section what is said about the proposal.
func judged(section *comment.Stack, checkout string, p *proposal.Proposal) error {
	section.Proposal = p
	now := time.Now()
	kept, err := gate.Findings(checkout, section.Name, p, now)
	if err != nil {
		return err
	}
	p.Findings = append(p.Findings, kept...)
	if section.Waivers, err = gate.Waivers(checkout, section.Name, p, now); err != nil {
		return err
	}
	section.Cost, err = costDelta(checkout, p)
	return err
}

// hiding knows the stack's secrets, or as many of them as could be read. Where
// none can, neither can the engine read them, and its preview fails: most often
// there is no passphrase, which is what the preview then says.
func hiding(ctx context.Context, s *platform.Stack) (redact.Text, error) {
	secrets, err := s.Secrets(ctx)
	return redact.New(secrets, os.Environ()), err
}

// masked takes secrets out of what others have written into a section: in an
// error nothing marks them.
func masked(section *comment.Stack, hide redact.Text) {
	section.Failed = hide.In(section.Failed)
	if section.Proposal == nil {
		return
	}
	for i := range section.Proposal.Findings {
		section.Proposal.Findings[i].Message = hide.In(section.Proposal.Findings[i].Message)
	}
	for i := range section.Proposal.Problems {
		section.Proposal.Problems[i].Message = hide.In(section.Proposal.Problems[i].Message)
	}
}

// writeWhole writes what the comment has no room for: the engine's own words,
// and each property that changes.
func writeWhole(dir string, section comment.Stack, said string, hide redact.Text) error {
	text := hide.In(said + "\nEvery change with its properties, as the engine's events have them:\n\n" + section.Whole())
	if err := os.WriteFile(filepath.Join(dir, section.Name+".txt"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the preview of stack %s: %w", section.Name, err)
	}
	return nil
}

// conclude writes the comment, and then fails for what must not be.
func conclude(out io.Writer, sections []comment.Stack, artifact string) error {
	if _, err := io.WriteString(out, comment.Write(sections, artifact)); err != nil {
		return err
	}
	return refused(sections)
}

// refused fails, once the comment is written, when an update of a stack in it
// would not be allowed, or nobody knows what it would do. A broken rule decides
// the exit code: that a stack could not be asked says nothing against it.
func refused(sections []comment.Stack) error {
	var broken, unknown []error
	for _, s := range sections {
		switch {
		case s.Proposal == nil:
			unknown = append(unknown, fmt.Errorf("stack %s: its preview failed; the comment says why", s.Name))
		case len(s.Proposal.Mandatory()) > 0:
			for _, f := range s.Proposal.Mandatory() {
				err := fmt.Errorf("stack %s: %w: %s: %s", s.Name, errBroken, f.Policy, f.Message)
				if f.Policy == gate.Rule {
					err = fmt.Errorf("stack %s: %w: %s", s.Name, gate.ErrRefused, f.Message)
				}
				broken = append(broken, err)
			}
		case len(s.Proposal.Problems) > 0:
			unknown = append(unknown, fmt.Errorf("stack %s: the engine reports %d errors; the comment says which", s.Name, len(s.Proposal.Problems)))
		}
	}
	switch all := errors.Join(append(broken, unknown...)...); {
	case len(broken) > 0:
		return &exitError{violated, all}
	default:
		return all
	}
}

// errBroken is what a change is refused for that breaks a mandatory rule.
var errBroken = errors.New("a mandatory rule is broken")

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
