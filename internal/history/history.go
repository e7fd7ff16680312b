package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
)

// Errors of looking for an entry.
var (
	// ErrEmpty is returned for a stack that was never updated.
	ErrEmpty = errors.New("the stack has no history")
	// ErrNoEntry is returned when no entry is meant by what was asked for.
	ErrNoEntry = errors.New("no such entry")
)

// History is the listing of a stack's entries. Reading an entry is another
// request to the backend, made when it is asked for.
type History struct {
	stack *backend.Stack
	slots []slot // oldest first
	// pruned are the times of deleted entries, ascending.
	pruned []int64
	// cancelled are the times of entries that somebody stopped.
	cancelled map[int64]bool
}

// Open lists the entries.
func Open(ctx context.Context, stack *backend.Stack) (*History, error) {
	objects, err := stack.List(ctx, stack.HistoryDir())
	if err != nil {
		return nil, err
	}
	h := &History{stack: stack}
	found := make(map[int64]*slot, len(objects)/2)
	for _, object := range objects {
		nanos, kind, ok := slotName(stack.Name, object.Name())
		if !ok {
			continue
		}
		s := found[nanos]
		if s == nil {
			s = &slot{nanos: nanos}
			found[nanos] = s
		}
		if kind == "history" {
			s.entry = object.Key
		} else {
			s.checkpoint = object.Key
		}
	}
	for _, s := range found {
		// A checkpoint alone is what a crash between the two writes leaves
		// when it is read backwards; it is no entry.
		if s.entry != "" {
			h.slots = append(h.slots, *s)
		}
	}
	slices.SortFunc(h.slots, func(a, b slot) int { return cmp.Compare(a.nanos, b.nanos) })
	if h.pruned, err = readPruned(ctx, stack); err != nil {
		return nil, err
	}
	if h.cancelled, err = readCancelled(ctx, stack); err != nil {
		return nil, err
	}
	// One that was about to be deleted when the program was killed counts once.
	h.pruned = slices.DeleteFunc(h.pruned, func(nanos int64) bool { return found[nanos] != nil && found[nanos].entry != "" })
	return h, nil
}

func prunedKey(stack *backend.Stack) string { return path.Join(stack.OwnDir(), "pruned.json") }

// tombstones are the nanoseconds of entries that were deleted, as decimal
// texts: JSON readers round large numbers.
type tombstones struct {
	Pruned []string `json:"pruned"`
}

func readPruned(ctx context.Context, stack *backend.Stack) ([]int64, error) {
	raw, err := stack.Read(ctx, prunedKey(stack))
	if errors.Is(err, backend.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var stones tombstones
	if err := json.Unmarshal(raw, &stones); err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w; without it the entries' numbers are unknown", prunedKey(stack), stack.URL(), err)
	}
	times := make([]int64, 0, len(stones.Pruned))
	for _, text := range stones.Pruned {
		nanos, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading %s in %s: %w", prunedKey(stack), stack.URL(), err)
		}
		times = append(times, nanos)
	}
	slices.Sort(times)
	return slices.Compact(times), nil
}

func writePruned(ctx context.Context, stack *backend.Stack, times []int64) error {
	stones := tombstones{Pruned: make([]string, 0, len(times))}
	for _, nanos := range times {
		stones.Pruned = append(stones.Pruned, strconv.FormatInt(nanos, 10))
	}
	raw, err := json.Marshal(stones)
	if err != nil {
		return err
	}
	return stack.Write(ctx, prunedKey(stack), raw)
}

// Len is how many entries there are to read.
func (h *History) Len() int { return len(h.slots) }

// number counts the entries up to and with the i-th, deleted ones included.
func (h *History) number(i int) int {
	before, _ := slices.BinarySearch(h.pruned, h.slots[i].nanos)
	return before + i + 1
}

// Page reads up to limit entries, newest first, leaving out the newest skip.
// A limit of zero or less reads all. An entry that cannot be read is there
// with its Fault; a backend that does not answer is an error.
func (h *History) Page(ctx context.Context, skip, limit int) ([]Entry, error) {
	last := len(h.slots) - max(skip, 0)
	if last <= 0 {
		return nil, nil
	}
	first := 0
	if limit > 0 {
		first = max(0, last-limit)
	}
	entries := make([]Entry, last-first)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4 * runtime.NumCPU())
	for i := first; i < last; i++ {
		group.Go(func() error {
			e, err := h.read(ctx, i)
			entries[last-1-i] = e
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return entries, nil
}

func (h *History) read(ctx context.Context, i int) (Entry, error) {
	s := h.slots[i]
	raw, err := h.stack.ReadRaw(ctx, s.entry)
	e := Entry{}
	switch {
	case errors.Is(err, backend.ErrNotFound):
		e.Fault = "it was deleted meanwhile"
	case err != nil:
		return Entry{}, err
	default:
		plain, err := backend.Plain(raw)
		if err == nil {
			e, err = parse(plain)
		}
		if err != nil {
			e = Entry{Fault: fmt.Sprintf("%s: %v", s.entry, err)}
		}
	}
	if e.Result == Failed && h.cancelled[s.nanos] {
		e.Result = Cancelled
	}
	e.slot, e.Number, e.Recorded = s, h.number(i), time.Unix(0, s.nanos).UTC()
	return e, nil
}

// Newest reads the newest entry.
func (h *History) Newest(ctx context.Context) (Entry, error) {
	if len(h.slots) == 0 {
		return Entry{}, h.empty()
	}
	return h.read(ctx, len(h.slots)-1)
}

// NewestUpdate is the newest update, good or not: the last program that the
// stack was held to.
func (h *History) NewestUpdate(ctx context.Context) (Entry, error) {
	return h.search(ctx, len(h.slots), func(e *Entry) bool { return e.Kind == kindUpdate })
}

func (h *History) empty() error {
	return fmt.Errorf("reading the history of stack %s/%s in %s: %w; run an update first, or check the project's and the stack's name",
		h.stack.Project, h.stack.Name, h.stack.URL(), ErrEmpty)
}

// Entry reads the entry with a number.
func (h *History) Entry(ctx context.Context, number int) (Entry, error) {
	if len(h.slots) == 0 {
		return Entry{}, h.empty()
	}
	i := sort.Search(len(h.slots), func(i int) bool { return h.number(i) >= number })
	if i == len(h.slots) || h.number(i) != number {
		oldest, newest := h.number(0), h.number(len(h.slots)-1)
		why := fmt.Sprintf("they go from %d to %d", oldest, newest)
		if number > oldest && number < newest {
			why = "it was deleted by `slipway history prune`"
		}
		return Entry{}, fmt.Errorf("looking for entry %d of stack %s: %w: %s", number, h.stack.Name, ErrNoEntry, why)
	}
	return h.read(ctx, i)
}

var (
	numberText = regexp.MustCompile(`^#?([0-9]+)$`)
	commitText = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
)

// Find reads the entry a person means: a number, as in 7 or #7, or seven or
// more digits of a commit, which means the newest good update of that commit.
// What can be read as both is a number if there is such an entry.
func (h *History) Find(ctx context.Context, what string) (Entry, error) {
	what = strings.TrimSpace(what)
	if match := numberText.FindStringSubmatch(what); match != nil {
		number, err := strconv.Atoi(match[1])
		if err == nil {
			e, err := h.Entry(ctx, number)
			if err == nil || !errors.Is(err, ErrNoEntry) || !commitText.MatchString(what) {
				return e, err
			}
		}
	}
	if !commitText.MatchString(what) {
		return Entry{}, fmt.Errorf("looking for entry %q of stack %s: %w: give a number from `slipway history`, or seven or more digits of a commit",
			what, h.stack.Name, ErrNoEntry)
	}
	var unfit *Entry
	e, err := h.search(ctx, len(h.slots), func(e *Entry) bool {
		if !strings.HasPrefix(e.Commit, what) {
			return false
		}
		if !e.Good() && unfit == nil {
			unfit = new(Entry)
			*unfit = *e
		}
		return e.Good()
	})
	if errors.Is(err, ErrNoEntry) && unfit != nil {
		return Entry{}, fmt.Errorf("looking for commit %s in the history of stack %s: %w that a rollback can go to; the newest is %d, and %s",
			what, h.stack.Name, ErrNoEntry, unfit.Number, unfit.Unfit())
	}
	if errors.Is(err, ErrNoEntry) {
		return Entry{}, fmt.Errorf("looking for commit %s in the history of stack %s: %w", what, h.stack.Name, err)
	}
	return e, err
}

// LastGood reads what a person wants back who says that the last update was
// wrong: the newest good update before it that ran another commit or another
// configuration. When the last update failed, the newest good one will do.
// What a rollback has already undone is not gone back to: the search begins
// before the entry that the rollback went to.
func (h *History) LastGood(ctx context.Context) (Entry, error) {
	if len(h.slots) == 0 {
		return Entry{}, h.empty()
	}
	wrong, err := h.search(ctx, len(h.slots), func(e *Entry) bool { return e.Kind == kindUpdate })
	if err == nil {
		for wrong.RollbackTo > 0 && wrong.Result == Succeeded {
			gone := wrong
			if wrong, err = h.Entry(ctx, wrong.RollbackTo); err != nil {
				return Entry{}, fmt.Errorf("following the rollback in entry %d: %w", gone.Number, err)
			}
			if wrong.Number >= gone.Number {
				return Entry{}, fmt.Errorf("following the rollback in entry %d: it names entry %d, which is not older", gone.Number, wrong.Number)
			}
		}
		before := sort.Search(len(h.slots), func(i int) bool { return h.slots[i].nanos >= wrong.slot.nanos })
		wanted := func(e *Entry) bool { return e.Good() }
		if wrong.Result == Succeeded {
			wanted = func(e *Entry) bool { return e.Good() && !e.SameProgram(&wrong) }
		}
		var e Entry
		if e, err = h.search(ctx, before, wanted); err == nil {
			return e, nil
		}
	}
	if errors.Is(err, ErrNoEntry) {
		return Entry{}, fmt.Errorf("looking for the last good update of stack %s: %w; fix the program and run `slipway up` instead", h.stack.Name, err)
	}
	return Entry{}, err
}

// search reads backwards from the slot before end, in growing pages: what is
// looked for is mostly near.
func (h *History) search(ctx context.Context, end int, wanted func(*Entry) bool) (Entry, error) {
	for size := 16; end > 0; size *= 4 {
		entries, err := h.Page(ctx, len(h.slots)-end, size)
		if err != nil {
			return Entry{}, err
		}
		for i := range entries {
			if wanted(&entries[i]) {
				return entries[i], nil
			}
		}
		end -= len(entries)
	}
	return Entry{}, ErrNoEntry
}

// ReadProviders fills in the providers of entries. It reads a state for each, so
// it is for a page, not for all there are. One whose state cannot be read keeps
// none; Verify tells why.
func (h *History) ReadProviders(ctx context.Context, entries []Entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i := range entries {
		group.Go(func() error {
			raw, err := h.Checkpoint(ctx, entries[i])
			if err != nil {
				return ctx.Err()
			}
			if state, err := checkpoint.Parse(raw); err == nil {
				entries[i].Providers = state.Providers()
			}
			return nil
		})
	}
	return group.Wait()
}

// Checkpoint reads the state after an entry, uncompressed.
func (h *History) Checkpoint(ctx context.Context, e Entry) ([]byte, error) {
	if e.slot.checkpoint == "" {
		return nil, fmt.Errorf("reading the state after entry %d: %w: the update ended before it was copied", e.Number, backend.ErrNotFound)
	}
	return h.stack.Read(ctx, e.slot.checkpoint)
}
