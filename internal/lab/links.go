package lab

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// linkTree fills the empty directory to with a copy of from whose files are
// hard links. Directories, which cannot be linked, keep owner, mode, times and
// extended attributes, by which a layer marks what it hides below.
func linkTree(ctx context.Context, from, to string) error {
	if file := firstFile(from); file != "" {
		// cp would copy instead of linking across file systems.
		probe := filepath.Join(to, ".slipway-link")
		if err := os.Link(file, probe); err != nil {
			return err
		}
		if err := os.Remove(probe); err != nil {
			return err
		}
	}
	_, err := output(ctx, systemTool("cp"), "--archive", "--link", "--no-target-directory", from, to)
	return err
}

// firstFile is any regular file in a tree; empty when it has none.
func firstFile(dir string) string {
	found := ""
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// linkOver replaces a file by a hard link to one of the same content, at no
// moment missing. Readers that have the old one open keep it.
func linkOver(source, target string) error {
	a, err := os.Stat(source)
	if err != nil {
		return err
	}
	b, err := os.Stat(target)
	if err != nil {
		return err
	}
	if os.SameFile(a, b) || a.Size() != b.Size() {
		return nil
	}
	temporary := target + ".slipway"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(source, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, target)
}
