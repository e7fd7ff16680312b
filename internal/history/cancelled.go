package history

import (
	"context"
	"path"
	"strconv"
	"time"

	"slipway.dev/slipway/internal/backend"
)

// cancelledDir holds a note, named by its nanoseconds, for each entry of which
// Pulumi says that it failed and Slipway knows that it was cancelled.
func cancelledDir(stack *backend.Stack) string { return path.Join(stack.OwnDir(), "cancelled") }

func cancelledKey(stack *backend.Stack, nanos int64) string {
	return path.Join(cancelledDir(stack), strconv.FormatInt(nanos, 10))
}

// NoteCancelled notes of the newest entry recorded since a time, by this
// machine's clock, that it was cancelled. Nothing is noted of one that did not
// fail, nor where none was recorded because nothing had begun.
func NoteCancelled(ctx context.Context, stack *backend.Stack, since time.Time) error {
	h, err := Open(ctx, stack)
	if err != nil || len(h.slots) == 0 {
		return err
	}
	newest := len(h.slots) - 1
	if h.slots[newest].nanos < since.UnixNano() {
		return nil
	}
	e, err := h.read(ctx, newest)
	if err != nil || e.Result != Failed {
		return err
	}
	return stack.Write(ctx, cancelledKey(stack, e.slot.nanos), []byte("{}\n"))
}

func readCancelled(ctx context.Context, stack *backend.Stack) (map[int64]bool, error) {
	notes, err := stack.List(ctx, cancelledDir(stack))
	if err != nil {
		return nil, err
	}
	cancelled := make(map[int64]bool, len(notes))
	for _, note := range notes {
		if nanos, err := strconv.ParseInt(note.Name(), 10, 64); err == nil {
			cancelled[nanos] = true
		}
	}
	return cancelled, nil
}
