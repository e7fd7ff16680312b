package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Names of segments: the class, the moment of the first record, and whether it
// is open, compressed, or being written in the place of one of these. In one
// class, names sort by time.
const (
	stamp      = "20060102T150405.000000000Z"
	plain      = ".jsonl"
	compressed = ".jsonl.gz"
	temporary  = ".tmp"
)

// store keeps the segments of one class.
type store struct {
	dir, class string
	// segment is the size in bytes at which a segment ends, and age the time.
	segment int64
	age     time.Duration
	// total is the size in bytes of all segments, which the open one may exceed
	// by one batch.
	total     int64
	retention time.Duration
	now       func() time.Time
	// deleted is told of each segment that goes, and why.
	deleted func(bytes int64, reason string)
	// full is sent to when a write has ended a segment, so that one who writes much
	// is not ahead of the next sweep by more than the disk has.
	full chan struct{}

	mu    sync.Mutex
	file  *os.File
	size  int64
	begun time.Time
	// unswept is the size in bytes of the segments that writes have ended and no
	// sweep has compressed yet.
	unswept int64
	// last is the begin of the newest segment: the next begins after it, even
	// when the clock was set back.
	last time.Time
}

// open takes up where a collector before this one ended.
func (s *store) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("making the archive's directory: %w", err)
	}
	release, err := holdDirectory(s.dir)
	if err != nil {
		return err
	}
	defer release()
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, temporary) {
			if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
				return fmt.Errorf("removing what was left unfinished: %w", err)
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, temporary) })
	if len(names) == 0 {
		return nil
	}
	newest := names[len(names)-1]
	if s.last, err = s.begin(newest); err != nil {
		return err
	}
	if strings.HasSuffix(newest, plain) {
		return s.resume(newest)
	}
	return nil
}

// resume goes on with a segment, without the half line at its end.
func (s *store) resume(name string) error {
	path := filepath.Join(s.dir, name)
	begun, err := s.begin(name)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening segment %s: %w", path, err)
	}
	size, err := wholeLines(file)
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		_, err = file.Seek(size, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("taking up segment %s: %w", path, err)
	}
	s.file, s.size, s.begun = file, size, begun
	return nil
}

// wholeLines is how many bytes of a file are whole lines.
func wholeLines(file *os.File) (int64, error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	block := make([]byte, 64<<10)
	for end > 0 {
		from := max(0, end-int64(len(block)))
		part := block[:end-from]
		if _, err := file.ReadAt(part, from); err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(part, '\n'); at >= 0 {
			return from + int64(at) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// write appends whole lines. After an error none of them is there.
func (s *store) write(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.hold(); err != nil {
		return err
	}
	defer s.letGo()
	now := s.now()
	if s.file != nil && s.size > 0 && (s.size+int64(len(lines)) > s.segment || now.Sub(s.begun) >= s.age) {
		if err := s.end(); err != nil {
			return err
		}
		s.unswept += s.size
		select {
		case s.full <- struct{}{}:
		default: // told already, or nobody sweeps
		}
	}
	if s.file == nil {
		if !now.After(s.last) {
			now = s.last.Add(time.Nanosecond)
		}
		path := filepath.Join(s.dir, s.class+"-"+now.UTC().Format(stamp)+plain)
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("beginning a segment: %w", err)
		}
		s.file, s.size, s.begun, s.last = file, 0, now, now
		if err := s.hold(); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(lines); err != nil {
		return fmt.Errorf("writing to segment %s: %w", s.file.Name(), errors.Join(err, s.takeBack()))
	}
	s.size += int64(len(lines))
	return nil
}

// hold keeps erasures from the open segment, and takes up the file that one has
// put in its place.
func (s *store) hold() error {
	for s.file != nil {
		name := s.file.Name()
		if err := flock(s.file, syscall.LOCK_EX); err != nil {
			return fmt.Errorf("locking segment %s: %w", name, err)
		}
		there, err := linked(s.file)
		if err != nil {
			return fmt.Errorf("looking at segment %s: %w", name, err)
		}
		if there {
			return nil
		}
		_ = s.file.Close()
		s.file = nil
		if err := s.resume(filepath.Base(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// behind tells whether more waits for a sweep than the class may hold.
func (s *store) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unswept > s.total
}

func (s *store) letGo() {
	if s.file != nil {
		// Closing it lets go, too, and there is no other reason to fail.
		_ = flock(s.file, syscall.LOCK_UN)
	}
}

// takeBack removes what an unfinished write left behind the last whole line.
func (s *store) takeBack() error {
	if err := s.file.Truncate(s.size); err != nil {
		return err
	}
	_, err := s.file.Seek(s.size, io.SeekStart)
	return err
}

// end closes the open segment; a sweep compresses it.
func (s *store) end() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Sync(), s.file.Close())
	s.file = nil
	if err != nil {
		return fmt.Errorf("ending a segment: %w", err)
	}
	return nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end()
}

// names lists the class's segments, oldest first; of one that exists in two
// forms, the compressed one comes first.
func (s *store) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("listing the archive: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if _, err := s.begin(entry.Name()); err == nil && entry.Type().IsRegular() {
			names = append(names, entry.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		stem := func(name string) string { return name[:strings.Index(name, plain)] }
		if order := strings.Compare(stem(a), stem(b)); order != 0 {
			return order
		}
		return len(b) - len(a)
	})
	return names, nil
}

// errForeign is returned for a file that is no segment of the class.
var errForeign = errors.New("it is no segment")

// begin reads from a segment's name when it was begun.
func (s *store) begin(name string) (time.Time, error) {
	rest, ok := strings.CutPrefix(name, s.class+"-")
	at := strings.Index(rest, plain)
	if !ok || at < 0 || !slices.Contains([]string{plain, compressed}, strings.TrimSuffix(rest[at:], temporary)) {
		return time.Time{}, fmt.Errorf("%s: %w", name, errForeign)
	}
	begun, err := time.Parse(stamp, rest[:at])
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, errForeign)
	}
	return begun, nil
}
