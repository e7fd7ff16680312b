package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// retryLock is how often a held lock is tried again.
const retryLock = 100 * time.Millisecond

// lock is a lock file that the kernel releases when its holder dies.
type lock struct{ file *os.File }

func openLock(path string) (*lock, error) {
	held, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock %s: %w", path, err)
	}
	return &lock{held}, nil
}

// try takes the lock when nobody stands against it: how is unix.LOCK_SH or
// unix.LOCK_EX.
func (l *lock) try(how int) (bool, error) {
	for {
		err := unix.Flock(int(l.file.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case errors.Is(err, unix.EINTR):
			continue
		default:
			return false, fmt.Errorf("locking %s: %w", l.file.Name(), err)
		}
	}
}

// wait takes the lock, calling waiting once if somebody else holds it.
func (l *lock) wait(ctx context.Context, how int, waiting func()) error {
	for first := true; ; first = false {
		ok, err := l.try(how)
		if ok || err != nil {
			return err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryLock):
		}
	}
}

// release gives the lock back. Closing is enough, and cannot leave it held.
func (l *lock) release() { _ = l.file.Close() }
