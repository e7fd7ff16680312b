package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shelf is a bucket in memory, which can be away.
type shelf struct {
	objects map[string]string
	puts    int
	away    error
	// before, when set, is called in the middle of a put.
	before func()
}

func (s *shelf) put(_ context.Context, key string, content io.ReadSeeker) error {
	if s.away != nil {
		return s.away
	}
	if s.before != nil {
		s.before()
	}
	from, err := gzip.NewReader(content)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	s.objects[key] = string(text)
	s.puts++
	return nil
}

// all is what the objects hold, in the order of their keys.
func (s *shelf) all() string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		text.WriteString(s.objects[key])
	}
	return text.String()
}

// copies is a copier of a store to a shelf, and how often it failed.
func copies(s *store) (*copier, *shelf, *int) {
	to, failed := &shelf{objects: map[string]string{}}, new(int)
	return &copier{
		store: s, put: to.put, prefix: "pods", node: "node-1",
		sent: func(int64) {}, failed: func() { *failed++ },
	}, to, failed
}

func copyAll(t *testing.T, c *copier) {
	t.Helper()
	if err := c.copy(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhatHasEndedIsCopiedOnce(t *testing.T) {
	s, at, _ := made(t, t.TempDir())
	c, to, _ := copies(s)
	put(t, s, record("one"))
	swept(t, s)
	copyAll(t, c)
	if len(to.objects) > 0 {
		t.Errorf("a segment is open, and there is %v", to.objects)
	}
	at.at = at.at.Add(time.Hour)
	swept(t, s)
	put(t, s, record("two"))
	at.at = at.at.Add(time.Hour)
	swept(t, s)
	for range 3 {
		copyAll(t, c)
	}
	want := map[string]string{
		"pods/access/date=2026-01-02/hour=03/20260102T030405.000000000Z-node-1.jsonl.gz": record("one") + "\n",
		"pods/access/date=2026-01-02/hour=04/20260102T040405.000000000Z-node-1.jsonl.gz": record("two") + "\n",
	}
	if !maps.Equal(to.objects, want) || to.puts != 2 {
		t.Errorf("%d puts, and there is %v", to.puts, to.objects)
	}
}

func TestABucketThatIsAwayLosesNothing(t *testing.T) {
	s, at, _ := made(t, t.TempDir())
	c, to, failed := copies(s)
	to.away = errors.New("away")
	for _, text := range []string{"one", "two", "three"} {
		put(t, s, record(text))
		at.at = at.at.Add(time.Hour)
		swept(t, s)
		if err := c.copy(t.Context()); !errors.Is(err, to.away) {
			t.Fatalf("it says %v", err)
		}
	}
	if *failed != 3 {
		t.Errorf("%d failures are counted", *failed)
	}
	to.away = nil
	copyAll(t, c)
	if want := record("one") + "\n" + record("two") + "\n" + record("three") + "\n"; to.all() != want || to.puts != 3 {
		t.Errorf("%d puts, and there is %s", to.puts, to.all())
	}
}

// A collector that is killed between storing a copy and noting it.
func TestACopyThatWasNotNotedTakesItsOwnPlace(t *testing.T) {
	s := filled(t)
	swept(t, s)
	c, to, _ := copies(s)
	copyAll(t, c)
	before := maps.Clone(to.objects)
	files, _ := filepath.Glob(filepath.Join(s.dir, "*"+compressed))
	for _, file := range files {
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyAll(t, c)
	if !maps.Equal(before, to.objects) || to.puts != 2*len(before) || len(before) == 0 {
		t.Errorf("%d puts, and there is %v", to.puts, to.objects)
	}
}

// What is erased on the node is erased from the bucket with the next copy, also
// where the erasure came in the middle of one.
func TestAnErasureReachesTheBucket(t *testing.T) {
	for name, meanwhile := range map[string]bool{"after the copy": false, "during the copy": true} {
		t.Run(name, func(t *testing.T) {
			s := filled(t)
			swept(t, s)
			c, to, _ := copies(s)
			if meanwhile {
				to.before = func() { erased(t, s.dir, false) }
			}
			copyAll(t, c)
			if !strings.Contains(to.all(), "ser-17 a") {
				t.Fatalf("nothing to erase is in %s", to.all())
			}
			to.before = nil
			erased(t, s.dir, false)
			copyAll(t, c)
			if want := record("one") + "\n" + record("two of user-170") + "\n"; to.all() != want {
				t.Errorf("there is %s", to.all())
			}
		})
	}
}

func TestOnlyWholeSegmentsAreCopied(t *testing.T) {
	s := filled(t)
	swept(t, s)
	c, to, _ := copies(s)
	for _, name := range []string{"access-20260102T020202.000000000Z.jsonl.gz.tmp", "other-20260102T020202.000000000Z.jsonl.gz", "foreign.gz"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), bytes.Repeat([]byte{0}, 9), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyAll(t, c)
	if len(to.objects) != 3 {
		t.Errorf("there is %v", slices.Collect(maps.Keys(to.objects)))
	}
}
