package rollback

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// exclusive keeps two rollbacks from sharing a worktree. The kernel releases
// the lock when the process ends, however it ends.
func exclusive(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", filepath.Dir(path), err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%w from this checkout; wait for it to end", ErrBusy)
	}
	return func() { _ = file.Close() }, nil
}
