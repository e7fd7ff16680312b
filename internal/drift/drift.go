package drift

import (
	"context"
	"errors"
	"fmt"
	"io"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
)

// Errors of looking for drift and of bringing it back.
var (
	// ErrProviders is returned when a provider could not say what exists.
	ErrProviders = errors.New("not everything could be compared")
	// ErrData is returned when bringing drift back would delete data.
	ErrData = errors.New("data would be lost")
	// ErrProgram is returned when the checkout is not what the stack runs: its
	// program would not bring drift back, but go elsewhere.
	ErrProgram = errors.New("this checkout is not what the stack runs")
	// ErrPolicy is returned when a mandatory policy forbids it.
	ErrPolicy = errors.New("a policy forbids it")
	// ErrEngine is returned when the engine itself refuses.
	ErrEngine = errors.New("the engine refuses it")
)

// Look asks the providers what exists, and changes nothing.
func Look(ctx context.Context, stack *platform.Stack, out io.Writer) (*Report, error) {
	p, err := stack.Propose(ctx, out, platform.Proposing{Refresh: true})
	if err != nil {
		return nil, err
	}
	if len(p.Problems) > 0 {
		return nil, fmt.Errorf("%w:\n%s", ErrProviders, proposal.Lines(p.Problems))
	}
	return Classify(p), nil
}

// Fix brings what differs back to what the program declares, held to policies,
// which are directories of policy packs. It is refused where the checkout is not
// what the stack runs, and where something that holds data would be deleted or
// replaced.
func Fix(ctx context.Context, stack *platform.Stack, policies []string, out io.Writer) error {
	b, err := stack.Backend(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if err := runs(ctx, b, stack.Agent(ctx)); err != nil {
		return fmt.Errorf("bringing drift back: %w", err)
	}
	raw, err := b.Checkpoint(ctx)
	if err != nil {
		return err
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return err
	}
	p, err := stack.Propose(ctx, io.Discard, platform.Proposing{RefreshFirst: true, Policies: policies})
	if err != nil {
		return err
	}
	if losses := p.Losses(guard.FromState(state)); len(losses) > 0 {
		return fmt.Errorf("bringing drift back: %w:\n%s\nbring these back by hand", ErrData, proposal.Lines(losses))
	}
	if findings := p.Mandatory(); len(findings) > 0 {
		return fmt.Errorf("bringing drift back: %w:\n%s\nmend the program and run `slipway up`", ErrPolicy, proposal.Lines(findings))
	}
	if len(p.Problems) > 0 {
		return fmt.Errorf("bringing drift back: %w:\n%s", ErrEngine, proposal.Lines(p.Problems))
	}
	return stack.Apply(ctx, out, platform.Updating{Doing: "drift --fix", Refresh: true, Policies: policies})
}

// runs fails unless the newest update of the stack was of the checkout. An entry
// that names no commit says nothing.
func runs(ctx context.Context, b *backend.Stack, checkout history.Agent) error {
	h, err := history.Open(ctx, b)
	if err != nil {
		return err
	}
	newest, err := h.NewestUpdate(ctx)
	if err != nil {
		return err
	}
	way := fmt.Sprintf("`slipway rollback --to %d --overwrite-drift` brings it back with the program of that entry", newest.Number)
	switch {
	case newest.Commit == "" || checkout.Commit == "":
		return nil
	case newest.Commit != checkout.Commit:
		return fmt.Errorf("%w: it runs commit %s since entry %d, and this is %s; %s",
			ErrProgram, newest.Commit[:12], newest.Number, checkout.Commit[:12], way)
	case checkout.Dirty && newest.Tree == history.Clean:
		return fmt.Errorf("%w: it has changes that entry %d had not; put them aside, or %s", ErrProgram, newest.Number, way)
	}
	return nil
}
