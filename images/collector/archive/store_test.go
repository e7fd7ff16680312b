package archive

import (
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clock is a moment that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// made is a store whose segments are small and short.
func made(t *testing.T, dir string) (*store, *clock, map[string]int) {
	t.Helper()
	at, gone := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, map[string]int{}
	s := &store{
		dir: dir, class: "access", segment: 40, age: time.Hour, total: 1 << 20, retention: 24 * time.Hour,
		now: at.now, deleted: func(_ int64, reason string) { gone[reason]++ },
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	return s, at, gone
}

func put(t *testing.T, s *store, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if err := s.write([]byte(line + "\n")); err != nil {
			t.Fatal(err)
		}
	}
}

func swept(t *testing.T, s *store) {
	t.Helper()
	if err := s.sweep(); err != nil {
		t.Fatal(err)
	}
}

// content is what all segments hold, in their order.
func content(t *testing.T, s *store) string {
	t.Helper()
	names, err := s.names()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		file, err := os.Open(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var from io.Reader = file
		if strings.HasSuffix(name, compressed) {
			if from, err = gzip.NewReader(file); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.Copy(&all, from); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
	return all.String()
}

func TestSegmentsEndBySizeAndAge(t *testing.T) {
	s, at, _ := made(t, t.TempDir())
	put(t, s, "the first line", "the second line")
	at.at = at.at.Add(time.Minute)
	put(t, s, "the third one")
	if names, _ := s.names(); len(names) != 2 {
		t.Errorf("40 bytes were exceeded, and there are %v", names)
	}
	at.at = at.at.Add(time.Hour)
	put(t, s, "fourth")
	if names, _ := s.names(); len(names) != 3 {
		t.Errorf("an hour was over, and there are %v", names)
	}
	swept(t, s)
	names, _ := s.names()
	if len(names) != 3 || !strings.HasSuffix(names[0], compressed) || !strings.HasSuffix(names[1], compressed) || !strings.HasSuffix(names[2], plain) {
		t.Errorf("after a sweep there are %v", names)
	}
	if got := content(t, s); got != "the first line\nthe second line\nthe third one\nfourth\n" {
		t.Errorf("they hold %q", got)
	}
}

func TestAClockThatGoesBackKeepsTheOrder(t *testing.T) {
	dir := t.TempDir()
	s, at, _ := made(t, dir)
	put(t, s, strings.Repeat("1", 39))
	at.at = at.at.Add(-time.Minute)
	put(t, s, strings.Repeat("2", 39))
	swept(t, s)
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	next, at, _ := made(t, dir)
	at.at = at.at.Add(-time.Hour)
	put(t, next, strings.Repeat("3", 39))
	swept(t, next)
	if got := strings.Split(content(t, next), "\n"); len(got) != 4 || got[0][0] != '1' || got[1][0] != '2' || got[2][0] != '3' {
		t.Errorf("they hold %q", got)
	}
}

func TestNothingOutlivesItsRetention(t *testing.T) {
	s, at, gone := made(t, t.TempDir())
	put(t, s, "early")
	at.at = at.at.Add(30 * time.Minute)
	put(t, s, "late")
	at.at = at.at.Add(23*time.Hour + 29*time.Minute)
	swept(t, s)
	if got := content(t, s); got != "early\nlate\n" {
		t.Errorf("before its time there is %q", got)
	}
	// Nobody writes any more; the records have to go all the same.
	at.at = at.at.Add(time.Minute)
	swept(t, s)
	if got := content(t, s); got != "" || gone[byAge] != 1 {
		t.Errorf("after its time there is %q, %v", got, gone)
	}
}

func TestTheDiskIsBounded(t *testing.T) {
	s, at, gone := made(t, t.TempDir())
	s.total = 150
	for range 20 {
		at.at = at.at.Add(time.Minute)
		put(t, s, strings.Repeat("x", 30))
		swept(t, s)
	}
	var sum int64
	names, _ := s.names()
	for _, name := range names {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	if sum > s.total || gone[bySize] == 0 || len(names) < 2 {
		t.Errorf("%d bytes in %d segments, deleted %v", sum, len(names), gone)
	}
}

func TestAHalfLineIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	s, _, _ := made(t, dir)
	put(t, s, "whole")
	path := s.file.Name()
	if _, err := s.file.WriteString(strings.Repeat("half", 40000)); err != nil {
		t.Fatal(err)
	}
	// The collector is killed here; another one starts.
	next, _, _ := made(t, dir)
	put(t, next, "next")
	if got := content(t, next); got != "whole\nnext\n" || next.file.Name() != path {
		t.Errorf("%s holds %.80q", next.file.Name(), got)
	}
}

func TestAFullDiskLeavesWholeLines(t *testing.T) {
	s, _, _ := made(t, t.TempDir())
	put(t, s, "whole")
	good := s.file
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	s.file = full
	if err := s.write([]byte("lost\n")); err == nil {
		t.Error("writing to a full disk succeeded")
	}
	s.file = good
	put(t, s, "again")
	if got := content(t, s); got != "whole\nagain\n" {
		t.Errorf("it holds %q", got)
	}
}

func TestInterruptedCompressionGoesOn(t *testing.T) {
	dir := t.TempDir()
	s, at, _ := made(t, dir)
	put(t, s, "first")
	name := filepath.Base(s.file.Name())
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	stem := strings.TrimSuffix(filepath.Join(dir, name), plain)
	if err := os.WriteFile(stem+compressed+temporary, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	next, later, _ := made(t, dir)
	later.at = at.at.Add(time.Hour)
	put(t, next, "second")
	swept(t, next)
	// Killed between the rename and the removal: both forms are there.
	if err := os.WriteFile(stem+plain, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	swept(t, next)
	if got := content(t, next); got != "first\nsecond\n" {
		t.Errorf("they hold %q", got)
	}
	if _, err := os.Stat(stem + compressed + temporary); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was half compressed is still there: %v", err)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"accesses-20200101T000000.000000000Z.jsonl", "access-x.jsonl", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _, gone := made(t, dir)
	swept(t, s)
	if entries, _ := os.ReadDir(dir); len(entries) != 3 || len(gone) > 0 {
		t.Errorf("%d files, deleted %v", len(entries), gone)
	}
}

func TestPrint(t *testing.T) {
	dir := t.TempDir()
	s, at, _ := made(t, dir)
	put(t, s, strings.Repeat("1", 39))
	at.at = at.at.Add(time.Minute)
	put(t, s, "two")
	swept(t, s)
	other, _, _ := made(t, dir)
	other.class, other.file = "system", nil
	put(t, other, "other")
	if err := os.WriteFile(filepath.Join(dir, "notes"), []byte("no record"), 0o600); err != nil {
		t.Fatal(err)
	}
	for classes, want := range map[string]string{
		"access": strings.Repeat("1", 39) + "\ntwo\n", "system": "other\n", "": strings.Repeat("1", 39) + "\ntwo\nother\n",
	} {
		var out strings.Builder
		if err := Print(&out, dir, strings.Fields(classes)); err != nil || out.String() != want {
			t.Errorf("%q: %q, %v", classes, out.String(), err)
		}
	}
	// The first segment of its class ended when the second began.
	for moment, want := range map[time.Time]string{
		at.at.Add(time.Second): "two\n", at.at.Add(-time.Second): strings.Repeat("1", 39) + "\ntwo\n",
	} {
		var out strings.Builder
		if err := PrintSince(&out, dir, []string{"access", "database"}, moment); err != nil || out.String() != want {
			t.Errorf("since %v: %q, %v", moment, out.String(), err)
		}
	}
	if err := Print(io.Discard, dir, []string{"database"}); err == nil || !strings.Contains(err.Error(), `class "database"`) {
		t.Errorf("an unknown class: %v", err)
	}
}
