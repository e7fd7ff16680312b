package image

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// kept is how many archives of one image stay: the current one and the two
// before it, so that going back a commit or two needs no build.
const kept = 3

// store keeps finished archives, one directory per image, found by key.
type store struct {
	dir string
}

// record lies beside an archive. It is renamed into place after the archive,
// so an archive with a record is complete.
type record struct {
	Ref    string `json:"ref"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// folder is the directory of a repository's archives: the name without its
// tag, with slashes made safe.
func folder(ref string) string {
	return strings.ReplaceAll(repository(ref), "/", "_")
}

// find returns the archive built from the inputs that key stands for; ok is
// false when there is none.
func (s store) find(ref, key string) (Archive, bool) {
	base := filepath.Join(s.dir, folder(ref), key)
	raw, err := os.ReadFile(base + ".json")
	if err != nil {
		return Archive{}, false
	}
	var r record
	if json.Unmarshal(raw, &r) != nil || r.Ref != ref {
		return Archive{}, false
	}
	// A shortened archive (a full disk, a half restored cache) is built again.
	info, err := os.Stat(base + ".tar")
	if err != nil || info.Size() != r.Size {
		return Archive{}, false
	}
	return Archive{Ref: r.Ref, Path: base + ".tar", Digest: r.Digest}, true
}

// put moves the finished archive at path into the store.
func (s store) put(ref, key, digest, path string) (Archive, error) {
	dir := filepath.Join(s.dir, folder(ref))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Archive{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Archive{}, err
	}
	base := filepath.Join(dir, key)
	if err := os.Rename(path, base+".tar"); err != nil {
		return Archive{}, err
	}
	raw, err := json.Marshal(record{Ref: ref, Digest: digest, Size: info.Size()})
	if err != nil {
		return Archive{}, err
	}
	if err := replaceFile(base+".json", raw); err != nil {
		return Archive{}, err
	}
	return Archive{Ref: ref, Path: base + ".tar", Digest: digest}, nil
}

// prune deletes all but the newest archives of ref's repository; key is never
// deleted.
func (s store) prune(ref, key string) error {
	dir := filepath.Join(s.dir, folder(ref))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	type old struct {
		base string
		time time.Time
	}
	var others []old
	for _, entry := range entries {
		base, isArchive := strings.CutSuffix(entry.Name(), ".tar")
		info, err := entry.Info()
		if !isArchive || base == key || err != nil {
			continue
		}
		others = append(others, old{filepath.Join(dir, base), info.ModTime()})
	}
	slices.SortFunc(others, func(a, b old) int { return cmp.Compare(b.time.UnixNano(), a.time.UnixNano()) })
	var faults []error
	for _, o := range others[min(len(others), kept-1):] {
		// The record goes first: an archive without one is not looked at.
		for _, path := range []string{o.base + ".json", o.base + ".tar"} {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				faults = append(faults, fmt.Errorf("pruning old images: %w", err))
			}
		}
	}
	return errors.Join(faults...)
}

// replaceFile writes content to path so that a reader sees the old file or the
// whole new one.
func replaceFile(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // gone after the rename
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
