package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/paths"
)

// Free space that must be there before a build starts, in bytes. A build that
// fills the disk takes the cluster on the same disk down with it.
const (
	dockerfileSpace = 4 << 30
	programSpace    = 1 << 30
)

// prepare makes the directories, checks that a build can work at all, and
// cleans up after killed builds if nobody builds at the moment. The lock it
// returns tells others that somebody does.
func (b *Builder) prepare(ctx context.Context, specs []Spec, missing []int) (*lock, error) {
	for _, sub := range []string{"tmp", "locks"} {
		if err := os.MkdirAll(filepath.Join(b.dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	dockerfiles := slices.ContainsFunc(missing, func(i int) bool { return specs[i].Kind == Dockerfile })
	if dockerfiles && os.Geteuid() != 0 {
		return nil, errors.New("building images from Dockerfiles needs root: run the command again as root (sudo)")
	}
	need := int64(programSpace)
	if dockerfiles {
		need = dockerfileSpace
	}
	if err := checkSpace(b.dir, need); err != nil {
		return nil, err
	}
	held, err := openLock(b.lockPath("builds"))
	if err != nil {
		return nil, err
	}
	alone, err := held.try(unix.LOCK_EX)
	if err == nil && alone {
		err = b.sweep(ctx, dockerfiles)
	}
	if err == nil {
		err = held.wait(ctx, unix.LOCK_SH, func() {})
	}
	if err != nil {
		held.release()
		return nil, err
	}
	return held, nil
}

// sweep removes what killed builds left behind.
func (b *Builder) sweep(ctx context.Context, dockerfiles bool) error {
	left, err := os.ReadDir(filepath.Join(b.dir, "tmp"))
	if err != nil {
		return err
	}
	for _, entry := range left {
		if err := removeTree(filepath.Join(b.dir, "tmp", entry.Name())); err != nil {
			return fmt.Errorf("cleaning up after an interrupted build: %w", err)
		}
	}
	if !dockerfiles {
		return nil
	}
	tool, err := openBuildah(ctx, b.dir, b.run)
	if err != nil {
		return err
	}
	temp, err := b.tempDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	return tool.sweep(ctx, temp)
}

// checkSpace returns an error when the file system of dir has less than need
// bytes for us.
func checkSpace(dir string, need int64) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("asking for the free space of %s: %w", dir, err)
	}
	if free := int64(stat.Bavail) * stat.Bsize; free < need { //nolint:gosec // blocks of a disk fit
		return fmt.Errorf("building images needs %.0f GiB free in %s, which has %.1f GiB: "+
			"make room, or point %s elsewhere", float64(need)/(1<<30), dir, float64(free)/(1<<30), paths.CacheEnv)
	}
	return nil
}
