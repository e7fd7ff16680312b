package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Try runs pulumi once on the stack in a scene of its own, with changed
// configuration and further variables, and returns what it printed. The stacks
// that go before do not stand. What was made is counted.
func (r *Rehearsal) Try(ctx context.Context, changes [][2]string, env []string, args ...string) (said string, made int, err error) {
	return r.try(ctx, func(dir string) (*scene, error) { return r.open(ctx, dir, r.Stack) }, changes, env, args...)
}

// TryStanding is Try on a stack that stands as the recorded state has it, written
// by Record. Nothing of it exists in the scene's cloud, so what is made is
// counted from nothing.
func (r *Rehearsal) TryStanding(ctx context.Context, recorded string, changes [][2]string, env []string, args ...string) (said string, made int, err error) {
	return r.try(ctx, func(dir string) (*scene, error) { return r.takeOver(ctx, dir, recorded) }, changes, env, args...)
}

func (r *Rehearsal) try(ctx context.Context, open func(dir string) (*scene, error), changes [][2]string, env []string, args ...string) (said string, made int, err error) {
	dir, err := os.MkdirTemp("", "slipway-try-")
	if err != nil {
		return "", 0, fmt.Errorf("making a place to try in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := open(filepath.Join(dir, "try"))
	if err != nil {
		return "", 0, err
	}
	if err := s.set(ctx, changes); err != nil {
		return "", 0, err
	}
	said, err = s.run(ctx, env, args...)
	things, counting := s.things()
	return said, len(things), errors.Join(err, counting)
}

// Recover updates the stack from nothing with further settings of the
// simulation, and then without them: nothing may be left to do after that,
// nothing be orphaned, and nothing be made a second time. It returns what the
// first update said when it failed, and nothing if it got through.
func (r *Rehearsal) Recover(ctx context.Context, settings ...string) (said string, err error) {
	dir, err := os.MkdirTemp("", "slipway-recover-")
	if err != nil {
		return "", fmt.Errorf("making a place to recover in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := r.prepare(ctx, filepath.Join(dir, "recover"))
	if err != nil {
		return "", err
	}
	disturbed := s.up(ctx, settings...)
	var failed *pulumiError
	if errors.As(disturbed, &failed) {
		said = failed.output
	} else if disturbed != nil {
		return "", disturbed
	}
	made, err := s.things()
	if err != nil {
		return said, err
	}
	if err := s.up(ctx); err != nil {
		return said, fmt.Errorf("the update after: %w", err)
	}
	if err := (&act{Rehearsal: r, scene: s}).unchanged(ctx); err != nil {
		return said, err
	}
	after, err := s.things()
	for thing := range made {
		if !after[thing] {
			err = errors.Join(err, fmt.Errorf("%s was there already and was not kept", thing))
		}
	}
	return said, err
}
