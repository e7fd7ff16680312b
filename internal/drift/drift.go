package drift

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/platform"
)

// Errors of looking for drift and of bringing it back.
var (
	// ErrProviders is returned when a provider could not say what exists.
	ErrProviders = errors.New("not everything could be compared")
	// ErrData is returned when bringing drift back would delete data.
	ErrData = errors.New("data would be lost")
)

// Look asks the providers what exists, and changes nothing.
func Look(ctx context.Context, stack *platform.Stack, out io.Writer) (*Report, error) {
	p, err := stack.Propose(ctx, out, platform.Proposing{Refresh: true})
	if err != nil {
		return nil, err
	}
	if len(p.Problems) > 0 {
		lines := make([]string, len(p.Problems))
		for i, problem := range p.Problems {
			lines[i] = "  " + strings.TrimPrefix(checkpoint.Name(problem.URN)+": ", ": ") + problem.Message
		}
		return nil, fmt.Errorf("%w:\n%s", ErrProviders, strings.Join(lines, "\n"))
	}
	return Classify(p), nil
}

// Fix brings what differs back to what the program declares, unless that would
// delete or replace something that holds data.
func Fix(ctx context.Context, stack *platform.Stack, out io.Writer) error {
	b, err := stack.Backend(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	raw, err := b.Checkpoint(ctx)
	if err != nil {
		return err
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return err
	}
	p, err := stack.Propose(ctx, io.Discard, platform.Proposing{RefreshFirst: true})
	if err != nil {
		return err
	}
	var lines []string
	for _, l := range p.Losses(guard.FromState(state)) {
		lines = append(lines, "  "+l.String())
	}
	if len(lines) > 0 {
		return fmt.Errorf("bringing drift back: %w:\n%s\nbring these back by hand", ErrData, strings.Join(lines, "\n"))
	}
	return stack.Apply(ctx, out, platform.Updating{Doing: "drift --fix", Refresh: true})
}
