package rehearsal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Speed is how long the engine took for a stack in the simulated cloud, in which
// nothing waits: what is measured is program, engine and plugins.
type Speed struct {
	// Resources are those of the stack.
	Resources int
	// Preview is a first preview, Up the update from nothing, NoOp an update that
	// changes nothing.
	Preview, Up, NoOp time.Duration
}

// Measure measures. The program is compiled before.
func (r *Rehearsal) Measure(ctx context.Context) (Speed, error) {
	whole := *r
	whole.checkpoints = true
	r = &whole
	dir, err := os.MkdirTemp("", "slipway-speed-")
	if err != nil {
		return Speed{}, fmt.Errorf("making a place to rehearse in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := r.prepare(ctx, filepath.Join(dir, "speed"))
	if err != nil {
		return Speed{}, err
	}
	timed := func(args ...string) (time.Duration, error) {
		started := time.Now()
		_, err := s.run(ctx, nil, args...)
		return time.Since(started), err
	}
	if _, err := timed("preview"); err != nil {
		return Speed{}, err
	}
	var speed Speed
	if speed.Preview, err = timed("preview"); err != nil {
		return Speed{}, err
	}
	if speed.Up, err = timed("up", "--yes", "--skip-preview"); err != nil {
		return Speed{}, err
	}
	changes, err := s.changes(ctx)
	if err != nil {
		return Speed{}, err
	}
	speed.Resources = changes["create"]
	speed.NoOp, err = timed("up", "--yes", "--skip-preview", "--expect-no-changes")
	return speed, err
}
