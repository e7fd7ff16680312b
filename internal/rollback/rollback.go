// Package rollback takes a stack back to an earlier entry of its history.
//
// Restoring an old state restores no infrastructure. So the program of the
// recorded commit is laid out in a worktree and run against today's state with
// the recorded configuration. What it would do is known before anything is
// done: whatever holds data stays, or the rollback is refused. The update is
// then held to that plan. It is an update like any other, with an entry of its
// own that names where it went back to, so a rollback can be rolled back, and
// one that was interrupted is continued by the next rollback or update.
package rollback

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/internal/revision"
)

// Reasons for refusing. Each refusal has changed nothing.
var (
	// ErrUnfit is returned for an entry that cannot be gone back to.
	ErrUnfit = errors.New("a rollback cannot go to this entry")
	// ErrData is returned when something that holds data would be deleted.
	ErrData = errors.New("data would be lost")
	// ErrPlace is returned when the entry is of another region or account.
	ErrPlace = errors.New("the stack stands elsewhere")
	// ErrDrift is returned when somebody changed what the stack declares.
	ErrDrift = errors.New("what exists differs from the stack's state")
	// ErrVersions is returned when the tools are too far from the entry's.
	ErrVersions = errors.New("the tools differ too much")
	// ErrPolicy is returned when a mandatory policy forbids the old program.
	ErrPolicy = errors.New("a policy forbids it")
	// ErrEngine is returned when the engine itself refuses.
	ErrEngine = errors.New("the engine refuses it")
	// ErrMoved is returned when the stack was updated while this was decided.
	ErrMoved = platform.ErrMoved
	// ErrBusy is returned while another rollback runs from this checkout.
	ErrBusy = errors.New("another rollback of this stack is running")
	// ErrDeclined is returned when the person said no.
	ErrDeclined = errors.New("not confirmed")
)

// Rollback is one attempt.
type Rollback struct {
	Stack *platform.Stack
	// Find chooses the entry to go back to.
	Find func(context.Context, *history.History) (history.Entry, error)
	// DryRun stops before anything is changed.
	DryRun bool
	// OverwriteDrift goes on when what exists was changed by hand; the update
	// then overwrites it.
	OverwriteDrift bool
	// Wait is how long to wait for another update to end.
	Wait time.Duration
	// Policies are directories of policy packs, today's.
	Policies []string
	// Confirm is asked once, when everything is known; nil is yes.
	Confirm func(*Plan) (bool, error)
	// Schema refuses when the database's schema cannot go back with the
	// program; nil does not look.
	Schema func(ctx context.Context, commit string) error
	// Prepare brings what the old program needs, such as its images, given its
	// worktree; nil brings nothing.
	Prepare func(ctx context.Context, worktree string, log io.Writer) error
	// Verify checks the running platform afterwards; nil does not.
	Verify func(ctx context.Context, log io.Writer) error
}

// Plan is what a rollback would do.
type Plan struct {
	Target   history.Entry
	Proposal *proposal.Proposal
}

// Phase is how long one part took.
type Phase struct {
	Name string
	Took time.Duration
	// Beside is true for a part that ran while others did: the total is the sum
	// of those that did not.
	Beside bool
}

// Result is what a rollback did.
type Result struct {
	Plan
	Phases []Phase
	// Applied is false for a dry run, and when there was nothing to change.
	Applied bool
}

// run is the state of one attempt.
type run struct {
	*Rollback
	out     io.Writer
	result  Result
	began   time.Time
	backend *backend.Stack
	head    []byte // today's state
	// there is true when the newest entry is of the same program and
	// configuration already.
	there bool
	state *checkpoint.State
}

// Run does it, and says on out what it does.
func (r *Rollback) Run(ctx context.Context, out io.Writer) (*Result, error) {
	unlock, err := exclusive(filepath.Join(r.Stack.Checkout, ".slipway", "rollback-"+r.Stack.Name+".lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	a := &run{Rollback: r, out: out, began: time.Now()}
	if a.backend, err = r.Stack.Backend(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = a.backend.Close() }()
	err = a.attempt(ctx)
	return &a.result, err
}

func (a *run) attempt(ctx context.Context) error {
	if err := a.choose(ctx); err != nil {
		return err
	}
	if err := a.settle(ctx); err != nil {
		return err
	}
	place := filepath.Join(a.Stack.Checkout, ".slipway", "worktrees", a.Stack.Name+"-"+a.result.Target.Commit[:12])
	old, plan, err := a.decide(ctx, place)
	if err != nil {
		// Refused, there is nothing to continue there.
		return errors.Join(err, revision.Remove(context.WithoutCancel(ctx), a.Stack.Checkout, place))
	}
	// A stack without a resource to change may still have other outputs.
	nothing := len(a.result.Proposal.Changes()) == 0 && a.there
	if nothing {
		fmt.Fprintln(a.out, "the stack is as it was then; there is nothing to change")
	}
	if a.DryRun || nothing {
		return revision.Remove(ctx, a.Stack.Checkout, place)
	}
	if a.Confirm != nil {
		yes, err := a.Confirm(&a.result.Plan)
		if err != nil {
			return err
		}
		if !yes {
			return fmt.Errorf("rolling back stack %s: %w; nothing was changed", a.Stack.Name, ErrDeclined)
		}
		a.phase("confirmation")
	}
	if err := a.update(ctx, old, plan); err != nil {
		return err
	}
	return revision.Remove(ctx, a.Stack.Checkout, place)
}

func (a *run) phase(name string) {
	now := time.Now()
	a.result.Phases = append(a.result.Phases, Phase{Name: name, Took: now.Sub(a.began)})
	a.began = now
}

// choose finds the entry and checks all that needs no engine.
func (a *run) choose(ctx context.Context) error {
	h, err := history.Open(ctx, a.backend)
	if err != nil {
		return err
	}
	if a.result.Target, err = a.Find(ctx, h); err != nil {
		return err
	}
	target := a.result.Target
	if reason := target.Unfit(); reason != "" {
		return fmt.Errorf("going back to entry %d: %w: %s; choose another one from `slipway history`", target.Number, ErrUnfit, reason)
	}
	newest, err := h.Newest(ctx)
	if err != nil {
		return err
	}
	a.there = newest.Good() && newest.SameProgram(&target)
	if _, err := revision.Find(ctx, a.Stack.Checkout, target.Commit); err != nil {
		return fmt.Errorf("going back to entry %d: %w", target.Number, err)
	}
	fmt.Fprintf(a.out, "going back to entry %d: commit %s of %s, %s\n",
		target.Number, target.Commit[:12], target.Recorded.Format(time.DateTime), target.Message)
	raw, err := h.Checkpoint(ctx, target)
	if err != nil {
		return fmt.Errorf("going back to entry %d: %w: %w", target.Number, ErrUnfit, err)
	}
	then, err := checkpoint.Parse(raw)
	if err != nil {
		return fmt.Errorf("going back to entry %d: %w: %w", target.Number, ErrUnfit, err)
	}
	if err := a.readState(ctx); err != nil {
		return err
	}
	if err := compatible(then, a.state); err != nil {
		return fmt.Errorf("going back to entry %d: %w", target.Number, err)
	}
	a.phase("history")
	return nil
}

func (a *run) readState(ctx context.Context) error {
	raw, err := a.backend.Checkpoint(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	if bytes.Equal(a.head, sum[:]) {
		return nil // and it takes a tenth of a second to read
	}
	if a.state, err = checkpoint.Parse(raw); err != nil {
		return err
	}
	a.head = sum[:]
	return nil
}

// settle ends what was left by a killed update.
func (a *run) settle(ctx context.Context) error {
	if a.DryRun {
		return nil
	}
	if err := a.Stack.Recover(ctx, a.out, a.Wait); err != nil {
		return err
	}
	if err := a.readState(ctx); err != nil {
		return err
	}
	a.phase("lock")
	return nil
}

func (a *run) update(ctx context.Context, old *platform.Stack, plan string) error {
	raw, err := a.backend.Checkpoint(ctx)
	if err != nil {
		return err
	}
	// The engine takes the lock only for the update. Whoever updated between
	// the preview and now has changed what the plan was made for.
	if sum := sha256.Sum256(raw); !bytes.Equal(sum[:], a.head) {
		return fmt.Errorf("rolling back stack %s: %w; nothing was changed, run it again", a.Stack.Name, ErrMoved)
	}
	target := a.result.Target
	err = old.Apply(ctx, a.out, platform.Updating{
		Doing:    fmt.Sprintf("rollback to %d", target.Number),
		Message:  fmt.Sprintf("Rollback to %d: %s", target.Number, target.Message),
		Agent:    history.Agent{Commit: target.Commit, RollbackTo: target.Number},
		Plan:     plan,
		Policies: a.stillToAsk(),
		// The state alone would not say that what it holds was changed by hand.
		Refresh: a.OverwriteDrift,
	})
	a.phase("update")
	if err != nil {
		return fmt.Errorf("going back to entry %d: %w; run the same command again to continue, or `slipway up` to go forward", target.Number, err)
	}
	a.result.Applied = true
	if a.Verify == nil {
		return nil
	}
	if err := a.Verify(ctx, a.out); err != nil {
		return fmt.Errorf("the stack went back to entry %d, but does not work: %w; see the pods' logs, or go forward with `slipway up`", target.Number, err)
	}
	a.phase("verification")
	return nil
}

// stillToAsk are the policies that the update is held to beside its plan. What
// they would be shown is what they were shown before, unless something was not
// known then, of which they would have told.
func (a *run) stillToAsk() []string {
	if len(a.result.Proposal.Advised()) == 0 {
		return nil
	}
	return a.Policies
}

// To chooses the entry that a person means; see history.History.Find.
func To(what string) func(context.Context, *history.History) (history.Entry, error) {
	return func(ctx context.Context, h *history.History) (history.Entry, error) { return h.Find(ctx, what) }
}

// ToLastGood chooses the newest good update before the current one.
func ToLastGood(ctx context.Context, h *history.History) (history.Entry, error) {
	return h.LastGood(ctx)
}
