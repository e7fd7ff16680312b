package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// copied are the permissions of a segment that has a copy in the bucket. They
// belong to the file and not to its name: what an erasure puts in a segment's
// place is a file of its own, has no copy yet, and so takes the place of the
// older one in the bucket, too.
const copied fs.FileMode = 0o400

// copier keeps a copy of each segment that has ended in a bucket.
type copier struct {
	store *store
	// put stores an object, in the place of one that has the key already.
	put func(ctx context.Context, key string, content io.ReadSeeker) error
	// prefix and node are part of each key.
	prefix, node string
	// sent is told of each copy, and failed of each try without one.
	sent   func(bytes int64)
	failed func()
}

// run makes copies until ctx ends, and looks for what has none every so often.
func (c *copier) run(ctx context.Context, every time.Duration, complain func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := c.copy(ctx); err != nil && ctx.Err() == nil {
			complain(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// copy stores each segment that has ended and has no copy, the oldest first. It
// stops at a failure: whatever made it is likely to meet the next segment, too,
// and all of them are tried again.
func (c *copier) copy(ctx context.Context) error {
	names, err := c.store.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, compressed) {
			continue
		}
		// A sweep may have deleted it meanwhile.
		if err := c.one(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.failed()
			return fmt.Errorf("copying segment %s: %w", name, err)
		}
	}
	return nil
}

// one stores a segment unless that is done. A collector that is killed before it
// has noted so stores the same content under the same key again.
func (c *copier) one(ctx context.Context, name string) error {
	file, err := os.Open(filepath.Join(c.store.dir, name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Mode().Perm() == copied {
		return nil
	}
	key, err := c.key(name)
	if err != nil {
		return err
	}
	if err := c.put(ctx, key, file); err != nil {
		return err
	}
	if err := file.Chmod(copied); err != nil {
		return err
	}
	c.sent(info.Size())
	return nil
}

// key is a segment's in the bucket: by class, by the hour in which it was begun,
// and by node, since others begin segments at the same moment.
func (c *copier) key(name string) (string, error) {
	begun, err := c.store.begin(name)
	if err != nil {
		return "", err
	}
	begun = begun.UTC()
	return path.Join(c.prefix, c.store.class, begun.Format("date=2006-01-02"), begun.Format("hour=15"),
		begun.Format(stamp)+"-"+c.node+compressed), nil
}
