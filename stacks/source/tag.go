// Package source names an image by what it is built from.
//
// The program and the image builder both compute the tag from the checkout, so
// a commit decides its images: nobody types a tag, and a rollback to an older
// commit asks for that commit's image again.
package source

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// digits is how much of the hash a tag carries. Twelve hex digits tell apart
// more trees than a repository will ever have.
const digits = 12

// ignored directories hold what a tool leaves behind or what never enters an
// image.
var ignored = map[string]bool{
	"tests": true, ".venv": true, "__pycache__": true,
	".pytest_cache": true, ".ruff_cache": true, ".hypothesis": true,
}

// Tag returns "src-" and the first twelve hex digits of a SHA-256 over every
// file below dir: relative path, whether it is executable, and content. Where
// the checkout lies, who owns it, and when it was made do not matter. A
// symbolic link counts as its target's text. Directories that tests and caches
// use are left out, and so are compiled Python files.
func Tag(dir string) (string, error) {
	return tag(dir, ".")
}

// Part is Tag over the named files and directories below dir alone. Their order
// matters.
func Part(dir string, names ...string) (string, error) { return tag(dir, names...) }

func tag(dir string, names ...string) (string, error) {
	sum := sha256.New()
	files := 0
	for _, name := range names {
		before := files
		top := filepath.Join(dir, filepath.FromSlash(name))
		// WalkDir visits in lexical order, so the hash is stable.
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if path != top && ignored[entry.Name()] {
					return filepath.SkipDir
				}
				return nil
			}
			if strings.HasSuffix(entry.Name(), ".pyc") {
				return nil
			}
			files++
			return add(sum, dir, path, entry)
		})
		if err != nil {
			return "", fmt.Errorf("hashing %s: %w", top, err)
		}
		if files == before {
			return "", fmt.Errorf("hashing %s: %w", top, ErrEmpty)
		}
	}
	return "src-" + hex.EncodeToString(sum.Sum(nil))[:digits], nil
}

// ErrEmpty is returned for a directory without a single file: the checkout is
// incomplete, and every incomplete checkout would share one tag.
var ErrEmpty = errors.New("it holds no files")

// add feeds one file to the hash. Lengths come before contents, so that no two
// trees run together into the same bytes.
func add(sum io.Writer, dir, path string, entry fs.DirEntry) error {
	relative, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	kind, content := "file", []byte(nil)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		kind = "link"
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		content = []byte(target)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a link", relative)
	default:
		if info.Mode()&0o111 != 0 {
			kind = "executable"
		}
		if content, err = os.ReadFile(path); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(sum, "%s %d:%s %d:", kind, len(relative), filepath.ToSlash(relative), len(content)); err != nil {
		return err
	}
	_, err = sum.Write(content)
	return err
}
