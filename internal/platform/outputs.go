package platform

import (
	"context"
	"errors"
	"fmt"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
)

// Outputs reads the stack's outputs, secrets shown only when asked for;
// otherwise each is the text that pulumi has in its place.
func (s *Stack) Outputs(ctx context.Context, secrets bool) (map[string]any, error) {
	if !secrets {
		outputs, err := s.storedOutputs(ctx)
		if !errors.Is(err, errElsewhere) {
			return outputs, err
		}
	}
	args := []string{"stack", "output", "--json", "--stack", s.Name}
	if secrets {
		args = append(args, "--show-secrets")
	}
	outputs := map[string]any{}
	if err := s.decode(ctx, &outputs, args...); err != nil {
		return nil, fmt.Errorf("reading the outputs of stack %s: %w", s.Name, err)
	}
	return outputs, nil
}

// errElsewhere is returned where only pulumi can tell: it knows more kinds of
// backend, and what to do about a stack that is not there.
var errElsewhere = errors.New("there is no file to read")

// storedOutputs reads them from the file that the backend keeps. Pulumi takes
// half a second of processor time for the same: it opens every secret of the
// stack first.
func (s *Stack) storedOutputs(ctx context.Context) (map[string]any, error) {
	stack, err := s.Backend(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errElsewhere, err)
	}
	defer func() { _ = stack.Close() }()
	raw, err := stack.Checkpoint(ctx)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", errElsewhere, err)
	}
	if err != nil {
		return nil, err
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the outputs of stack %s: %w", s.Name, err)
	}
	return state.Outputs(), nil
}
