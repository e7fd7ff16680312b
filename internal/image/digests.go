package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// digests remembers the hashes of large files, so that asking whether an
// image is current costs a stat and not a read of every program.
type digests struct {
	path string

	mu    sync.Mutex
	known map[string]seen
	dirty bool
}

// seen is a file's identity when it was hashed. Any write moves at least one
// of the four, and so does replacing the file.
type seen struct {
	Size    int64  `json:"size"`
	Mtime   int64  `json:"mtime"`
	Ctime   int64  `json:"ctime"`
	Inode   uint64 `json:"inode"`
	Content string `json:"sha256"`
}

// openDigests reads what earlier runs remembered. An unreadable memory is an
// empty one: it is only ever a shortcut.
func openDigests(path string) *digests {
	d := &digests{path: path, known: map[string]seen{}}
	if raw, err := os.ReadFile(path); err == nil {
		if json.Unmarshal(raw, &d.known) != nil || d.known == nil {
			d.known = map[string]seen{}
		}
	}
	return d
}

// of returns the SHA-256 of the file at path, in hex.
func (d *digests) of(path string) (string, error) {
	source, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer source.Close() //nolint:errcheck // only read
	info, err := source.Stat()
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", fmt.Errorf("reading the identity of %s: not supported here", path)
	}
	now := seen{
		Size: info.Size(), Mtime: info.ModTime().UnixNano(),
		Ctime: stat.Ctim.Nano(), Inode: stat.Ino,
	}
	d.mu.Lock()
	old := d.known[path]
	d.mu.Unlock()
	now.Content = old.Content
	if old == now && now.Content != "" {
		return now.Content, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, source); err != nil {
		return "", fmt.Errorf("hashing %s: %w", path, err)
	}
	now.Content = hex.EncodeToString(sum.Sum(nil))
	d.mu.Lock()
	d.known[path], d.dirty = now, true
	d.mu.Unlock()
	return now.Content, nil
}

// save writes what was learnt.
func (d *digests) save() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dirty {
		return nil
	}
	for path := range d.known {
		if _, err := os.Stat(path); err != nil {
			delete(d.known, path)
		}
	}
	raw, err := json.Marshal(d.known)
	if err != nil {
		return err
	}
	d.dirty = false
	return replaceFile(d.path, raw)
}
