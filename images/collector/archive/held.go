package archive

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Two locks keep the collector and an erasure, which is a process of its own,
// apart. The kernel lets go of both when a process ends, however it ends.
//
//   - The directory's: held by whoever replaces, compresses or deletes segments.
//     Only its holder makes or finds files that are unfinished.
//   - The open segment's: held for each write, and by an erasure that replaces the
//     segment meanwhile. A writer that then finds its file without a name takes up
//     the one in its place.
//
// The directory's comes first.

// holdDirectory waits for the directory's lock.
func holdDirectory(path string) (release func(), err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the archive: %w", err)
	}
	if err := flock(dir, syscall.LOCK_EX); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("locking the archive: %w", err)
	}
	return func() { _ = dir.Close() }, nil
}

func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// linked tells whether a file that is open still has a name.
func linked(file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Nlink > 0, nil
}

// syncDirectory puts on the disk which files a directory has.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
