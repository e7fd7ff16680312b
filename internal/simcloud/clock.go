package simcloud

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// clock is the time of a cloud in which nobody waits: it stands still while
// something happens, and jumps to the end of the shortest wait once nothing
// does. What an update takes on it depends on what waits for what, not on how
// fast the machine is.
type clock struct {
	// Now is how many simulated seconds have passed.
	Now float64 `json:"now"`
	// Waits are when the operations that are under way end.
	Waits []float64 `json:"waits"`
	// Stirred is when something happened last, in real nanoseconds.
	Stirred int64 `json:"stirred"`
}

// Quiet is how long, in real time, nothing must have happened before the clock
// jumps. The engine and the program need a part of it to begin what an ended
// operation was waited for by.
var Quiet = 400 * time.Millisecond

// How often a waiting operation looks at the clock, and how many times in a row
// it must have found the engine idle before the clock jumps.
const (
	look  = 100 * time.Millisecond
	looks = 3
)

// clock reads the clock; a cloud that never had one begins at 0.
func (tx *Tx) clock() (clock, error) {
	c := clock{}
	if err := readJSON(filepath.Join(tx.world.dir, "clock.json"), &c); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	return c, nil
}

func (tx *Tx) setClock(c clock) error { return writeJSON(filepath.Join(tx.world.dir, "clock.json"), c) }

// Stir keeps the clock from jumping for a while.
func (h *Host) Stir() error {
	if !h.Settings.Jumps {
		return nil
	}
	return h.World.Do(func(tx *Tx) error {
		c, err := tx.clock()
		if err != nil {
			return err
		}
		c.Stirred = time.Now().UnixNano()
		return tx.setClock(c)
	})
}

// enter begins a wait of so many seconds and tells when it begins.
func (h *Host) enter(seconds float64) (began float64, err error) {
	return began, h.World.Do(func(tx *Tx) error {
		c, err := tx.clock()
		if err != nil {
			return err
		}
		began, c.Stirred = c.Now, time.Now().UnixNano()
		if seconds > 0 {
			c.Waits = append(c.Waits, c.Now+seconds)
		}
		return tx.setClock(c)
	})
}

// until returns once the clock has come to the time that a wait began for.
func (h *Host) until(ctx context.Context, due float64) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for idle := 0; ; {
		came := false
		if err := h.World.Do(func(tx *Tx) error {
			c, err := tx.clock()
			if err != nil {
				return err
			}
			if c.Now < due && due == slices.Min(c.Waits) && time.Since(time.Unix(0, c.Stirred)) > Quiet {
				if idle++; busy() {
					idle = 0
				}
				if idle >= looks {
					c.Now = due
				}
			}
			if came = c.Now >= due; came {
				h.leave(&c, due)
				return tx.setClock(c)
			}
			return nil
		}); err != nil || came {
			return err
		}
		select {
		case <-ticker.C:
		case <-h.stopped:
			return h.abandon(due)
		case <-ctx.Done():
			return h.abandon(due)
		}
	}
}

// leave ends a wait.
func (*Host) leave(c *clock, due float64) {
	if i := slices.Index(c.Waits, due); i >= 0 {
		c.Waits = slices.Delete(c.Waits, i, i+1)
	}
	c.Stirred = time.Now().UnixNano()
}

// abandon ends a wait that was cancelled.
func (h *Host) abandon(due float64) error {
	return errors.Join(errCancelled, h.World.Do(func(tx *Tx) error {
		c, err := tx.clock()
		if err != nil {
			return err
		}
		h.leave(&c, due)
		return tx.setClock(c)
	}))
}
