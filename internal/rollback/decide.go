package rollback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway.dev/slipway/internal/drift"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/internal/revision"
)

// decide lays the old program out and asks what it would do, and meanwhile looks
// for drift and at the database's schema: none needs to know what another found.
// What is found first there ends the others. When the engine complains as well,
// these are what has to be mended first.
func (a *run) decide(ctx context.Context, place string) (old *platform.Stack, plan string, err error) {
	work, ctx := errgroup.WithContext(ctx)
	var asked error
	var comparing, looking time.Duration
	work.Go(func() error {
		begun := time.Now()
		defer func() { comparing = time.Since(begun) }()
		if a.Schema == nil {
			return nil
		}
		return a.Schema(ctx, a.result.Target.Commit)
	})
	work.Go(func() error {
		begun := time.Now()
		defer func() { looking = time.Since(begun) }()
		return a.lookForDrift(ctx)
	})
	work.Go(func() error {
		old, plan, asked = a.ask(ctx, place)
		// Without this, a preview's refusal would stop the search for drift.
		return nil
	})
	err = work.Wait()
	if a.Schema != nil {
		a.result.Phases = append(a.result.Phases, Phase{Name: "schema", Took: comparing, Beside: true})
	}
	if !a.OverwriteDrift {
		a.result.Phases = append(a.result.Phases, Phase{Name: "drift", Took: looking, Beside: true})
	}
	a.phase("waiting")
	if err != nil {
		return nil, "", err
	}
	return old, plan, asked
}

// ask lays the old program out at place, brings what it needs, and has the
// engine propose, which needs none of it.
func (a *run) ask(ctx context.Context, place string) (*platform.Stack, string, error) {
	target := a.result.Target
	if err := revision.LayOut(ctx, a.Stack.Checkout, target.Commit, place); err != nil {
		return nil, "", fmt.Errorf("going back to entry %d: %w", target.Number, err)
	}
	old, err := a.Stack.At(place, target.Config)
	if err != nil {
		return nil, "", fmt.Errorf("going back to entry %d: %w", target.Number, err)
	}
	if _, err := a.Stack.LendProgram(old, target.Commit); err != nil {
		return nil, "", fmt.Errorf("going back to entry %d: %w", target.Number, err)
	}
	a.phase("worktree")
	plan := filepath.Join(place, ".slipway", "plan.json")
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return a.propose(ctx, old, plan) })
	if a.Prepare != nil && !a.DryRun {
		begun := time.Now()
		var bringing time.Duration
		work.Go(func() error {
			defer func() { bringing = time.Since(begun) }()
			if err := a.Prepare(ctx, place, a.out); err != nil {
				return fmt.Errorf("preparing what entry %d needs: %w", target.Number, err)
			}
			return nil
		})
		defer func() {
			a.result.Phases = append(a.result.Phases, Phase{Name: "images", Took: bringing, Beside: true})
		}()
	}
	return old, plan, work.Wait()
}

func (a *run) lookForDrift(ctx context.Context) error {
	if a.OverwriteDrift {
		return nil
	}
	report, err := drift.Look(ctx, a.Stack, io.Discard)
	if err != nil {
		return fmt.Errorf("comparing the state with what exists: %w", err)
	}
	if real := report.Foreign(); len(real) > 0 {
		var lines bytes.Buffer
		drift.Write(&lines, real)
		return fmt.Errorf("%w:\n%sbring it back with `slipway drift --fix`, or overwrite it with --overwrite-drift", ErrDrift, lines.String())
	}
	return nil
}

// propose asks the engine, and judges its answer.
func (a *run) propose(ctx context.Context, old *platform.Stack, plan string) error {
	p, err := old.Propose(ctx, io.Discard, platform.Proposing{Plan: plan, Policies: a.Policies, RefreshFirst: a.OverwriteDrift})
	if err != nil {
		return fmt.Errorf("asking what going back to entry %d would do: %w", a.result.Target.Number, err)
	}
	a.result.Proposal = p
	a.phase("preview")
	return a.judge(p)
}

// judge refuses what must not be done.
func (a *run) judge(p *proposal.Proposal) error {
	// The old program may lack today's refusal to move, and every other reason
	// follows from this one.
	if moves := p.Moves(); len(moves) > 0 {
		m := moves[0]
		return fmt.Errorf("going back to entry %d: %w: its %s is %s, but the stack stands in %s; nothing was changed; choose an entry of %s",
			a.result.Target.Number, ErrPlace, m.Setting, m.To, m.From, m.From)
	}
	// Then what would be lost: the engine's own refusal to delete something
	// protected is one of the problems below, and says less.
	if losses := p.Losses(guard.FromState(a.state)); len(losses) > 0 {
		return fmt.Errorf("going back to entry %d: %w:\n%s\nundo the change by hand in the program, keep what holds data, and run `slipway up`",
			a.result.Target.Number, ErrData, proposal.Lines(losses))
	}
	if findings := p.Mandatory(); len(findings) > 0 {
		return fmt.Errorf("going back to entry %d: %w:\n%s\nundo the change by hand in a program that keeps to it, and run `slipway up`",
			a.result.Target.Number, ErrPolicy, proposal.Lines(findings))
	}
	if len(p.Problems) > 0 {
		return fmt.Errorf("going back to entry %d: %w:\n%s", a.result.Target.Number, ErrEngine, proposal.Lines(p.Problems))
	}
	return nil
}
