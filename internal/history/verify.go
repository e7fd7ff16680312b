package history

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"time"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
)

// Fault is what keeps an entry from being restored, or makes it doubtful.
type Fault struct {
	Number int    `json:"number"`
	Fault  string `json:"fault"`
	// Doubt is true for what a rollback would still do, such as an entry whose
	// clock went backwards.
	Doubt bool `json:"doubt,omitempty"`
}

// Verify reads every good entry and the state after it, and reports what a
// rollback would stumble over. has tells whether the repository has a commit.
func (h *History) Verify(ctx context.Context, has func(commit string) error) ([]Fault, error) {
	var faults []Fault
	entries, err := h.Page(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	commits := map[string]error{}
	var later time.Time
	for _, e := range entries {
		report := func(doubt bool, format string, args ...any) {
			faults = append(faults, Fault{Number: e.Number, Fault: fmt.Sprintf(format, args...), Doubt: doubt})
		}
		if e.Fault != "" {
			report(false, "%s", e.Fault)
			continue
		}
		if e.Seconds < 0 || (!later.IsZero() && e.Started.After(later)) {
			report(true, "its clock differs from its neighbours': the order of these entries may not be the order of events")
		}
		later = e.Started
		if !e.Good() {
			continue
		}
		err, known := commits[e.Commit]
		if !known {
			err = has(e.Commit)
			commits[e.Commit] = err
		}
		if err != nil {
			report(false, "%v", err)
		}
		raw, err := h.Checkpoint(ctx, e)
		if errors.Is(err, backend.ErrNotFound) {
			report(false, "%v", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := sound(raw); err != nil {
			report(false, "the state after it: %v", err)
		}
	}
	return faults, nil
}

// sound checks that the engine would take a state.
func sound(raw []byte) error {
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return err
	}
	if magic := state.Manifest.NewMagic(); magic != "" && state.Manifest.Magic != magic {
		return fmt.Errorf("its seal is not that of pulumi %s: it was cut short or edited", state.Manifest.Version)
	}
	return state.Verify()
}

// ErrInPlace is returned by Restore for a stack that has a state.
var ErrInPlace = errors.New("the stack has a state, which is not written over")

// Restore copies what Backup has copied back to where the stack was. There must be
// no state: one that is there may be newer than the copy, and what was made since
// would belong to nobody.
func Restore(ctx context.Context, from, to *backend.Stack) (int, error) {
	key, err := to.CheckpointKey(ctx)
	if err == nil {
		return 0, fmt.Errorf("putting stack %s/%s back into %s: %w; when you are sure that it is of no use, move %s away and run this again",
			to.Project, to.Name, to.URL(), ErrInPlace, key)
	}
	if !errors.Is(err, backend.ErrNotFound) {
		return 0, err
	}
	return Backup(ctx, from, to.Backend)
}

// Backup copies a stack, its history and Slipway's notes into another backend,
// and returns how many objects it copied. Locks and leases are not copied. The
// copy is a backend like any other: pulumi can log in to it.
func Backup(ctx context.Context, from *backend.Stack, to *backend.Backend) (int, error) {
	keys := []string{".pulumi/meta.yaml"}
	state, err := from.CheckpointKey(ctx)
	if err != nil {
		return 0, err
	}
	for _, dir := range []string{from.HistoryDir(), from.OwnDir(), cancelledDir(from)} {
		objects, err := from.List(ctx, dir)
		if err != nil {
			return 0, err
		}
		for _, o := range objects {
			keys = append(keys, o.Key)
		}
	}
	// The state comes last: a copy without one is no copy.
	keys = append(keys, state)
	copied := 0
	for _, key := range keys {
		raw, err := from.ReadRaw(ctx, key)
		if errors.Is(err, backend.ErrNotFound) && key != state {
			continue // pruned meanwhile, or a backend older than the file
		}
		if err != nil {
			return copied, err
		}
		if key == state {
			plain, err := backend.Plain(raw)
			if err == nil {
				err = sound(plain)
			}
			if err != nil {
				return copied, fmt.Errorf("copying %s: %w", path.Base(key), err)
			}
		}
		if err := to.Write(ctx, key, raw); err != nil {
			return copied, err
		}
		again, err := to.ReadRaw(ctx, key)
		if err != nil {
			return copied, err
		}
		if sha256.Sum256(again) != sha256.Sum256(raw) {
			return copied, fmt.Errorf("copying %s: what was written reads differently", key)
		}
		copied++
	}
	return copied, nil
}
