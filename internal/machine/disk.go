package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Disk is a mounted file system.
type Disk struct {
	// ID is the same for two paths on the same file system.
	ID unix.Fsid
	// Free is what an ordinary write may still take, in bytes.
	Free uint64
	// ReadOnly file systems refuse every write.
	ReadOnly bool
}

// DiskOf returns the file system that dir is on, or would be on once it is
// made.
func DiskOf(dir string) (Disk, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Disk{}, fmt.Errorf("looking at the disk of %s: %w", dir, err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		var stat unix.Statfs_t
		err := unix.Statfs(at, &stat)
		// Of what this user may not look into, the disk is taken to be that of
		// the directory above.
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) && at != filepath.Dir(at) {
			continue
		}
		if err != nil {
			return Disk{}, fmt.Errorf("looking at the disk of %s: %w", dir, err)
		}
		return Disk{
			ID:       stat.Fsid,
			Free:     stat.Bavail * uint64(stat.Bsize), //nolint:gosec // a size of blocks is positive
			ReadOnly: stat.Flags&unix.ST_RDONLY != 0,
		}, nil
	}
}
