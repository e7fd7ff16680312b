package history

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
	"time"

	"slipway.dev/slipway/internal/backend"
)

// Retention says which entries stay. An entry stays when any rule keeps it.
type Retention struct {
	// Last good entries that stay, at least 1.
	Last int
	// Days and Weeks are for how many days and weeks, counted back from the
	// newest entry, the last good entry of each stays.
	Days, Weeks int
	// Tagged are the commits that somebody tagged; their good entries stay.
	Tagged map[string]bool
}

// Verdict is what becomes of an entry, and why.
type Verdict struct {
	Entry Entry `json:"entry"`
	Keep  bool  `json:"keep"`
	// Why names the rule that keeps it; empty for one that goes.
	Why string `json:"why,omitempty"`
}

// Judge decides about entries, which are newest first. It keeps the newest
// good entry whatever the rules say, and what came after it: that is what a
// person looks at who wants to know why the stack is broken.
func (r Retention) Judge(entries []Entry) []Verdict {
	verdicts := make([]Verdict, len(entries))
	good := 0
	var newest time.Time
	if len(entries) > 0 {
		newest = entries[0].Recorded
	}
	days, weeks := map[string]bool{}, map[string]bool{}
	for i, e := range entries {
		v := Verdict{Entry: e}
		keep := func(why string) { v.Keep, v.Why = true, why }
		if !e.Good() {
			if good == 0 {
				keep("nothing good came after it")
			}
			verdicts[i] = v
			continue
		}
		good++
		age := newest.Sub(e.Recorded)
		const day = 24 * time.Hour
		date := e.Recorded.UTC().Format(time.DateOnly)
		year, number := e.Recorded.UTC().ISOWeek()
		week := fmt.Sprintf("%d-%d", year, number)
		switch {
		case good == 1:
			keep("the newest that can be restored")
		case good <= r.Last:
			keep("one of the last")
		case r.Tagged[e.Commit]:
			keep("its commit is tagged")
		case !days[date] && age < time.Duration(r.Days)*day:
			keep("the last of its day")
		case !weeks[week] && age < time.Duration(r.Weeks)*7*day:
			keep("the last of its week")
		}
		days[date], weeks[week] = true, true
		verdicts[i] = v
	}
	return verdicts
}

// Prune deletes the entries that are not kept, with their states. The
// tombstones are written first: whatever happens meanwhile, the numbers of the
// other entries stay.
func (h *History) Prune(ctx context.Context, verdicts []Verdict) error {
	gone, err := readPruned(ctx, h.stack)
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		if !v.Keep {
			gone = append(gone, v.Entry.slot.nanos)
		}
	}
	slices.Sort(gone)
	if err := writePruned(ctx, h.stack, slices.Compact(gone)); err != nil {
		return err
	}
	for _, v := range verdicts {
		if v.Keep {
			continue
		}
		// The state first: an entry without one is told by Verify.
		keys := []string{v.Entry.slot.checkpoint, v.Entry.slot.entry}
		if v.Entry.Result == Cancelled {
			keys = append(keys, cancelledKey(h.stack, v.Entry.slot.nanos))
		}
		for _, key := range keys {
			if key == "" {
				continue
			}
			if err := h.stack.Delete(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Backups lists the copies of the state that Pulumi makes beside the history,
// one per update, all but the newest keep.
func (h *History) Backups(ctx context.Context, keep int) ([]backend.Object, error) {
	objects, err := h.stack.List(ctx, path.Join(".pulumi/backups", h.stack.Project, h.stack.Name))
	if err != nil {
		return nil, err
	}
	objects = slices.DeleteFunc(objects, func(o backend.Object) bool { return !strings.HasPrefix(o.Name(), h.stack.Name+".") })
	sort.Slice(objects, func(i, j int) bool { return objects[i].Name() < objects[j].Name() })
	return objects[:max(0, len(objects)-keep)], nil
}

// DeleteBackups deletes what Backups listed.
func (h *History) DeleteBackups(ctx context.Context, objects []backend.Object) error {
	for _, o := range objects {
		if err := h.stack.Delete(ctx, o.Key); err != nil {
			return err
		}
	}
	return nil
}
