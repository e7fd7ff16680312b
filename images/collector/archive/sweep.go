package archive

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Reasons for which a segment is deleted.
const (
	byAge  = "age"
	bySize = "size"
)

// sweep ends what is old, compresses what has ended, and deletes what is too
// old or too much. It goes on after a failure.
func (s *store) sweep() error {
	release, err := holdDirectory(s.dir)
	if err != nil {
		return err
	}
	defer release()
	s.mu.Lock()
	now := s.now()
	var faults []error
	if s.file != nil && s.size > 0 && now.Sub(s.begun) >= s.age {
		faults = append(faults, s.end())
	}
	current := ""
	if s.file != nil {
		current = filepath.Base(s.file.Name())
	}
	// Listed before a next segment can be begun: that is none which has ended.
	names, err := s.names()
	ended := s.unswept
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unswept -= ended
	}()
	if err != nil {
		return errors.Join(append(faults, err)...)
	}
	sizes := map[string]int64{}
	var kept []string
	var sum int64
	for _, name := range names {
		if name == current {
			faults = append(faults, s.add(name, &sum, sizes))
			continue
		}
		begun, err := s.begin(name)
		if err != nil {
			continue // not ours
		}
		if now.Sub(begun) >= s.retention {
			faults = append(faults, s.remove(name, byAge))
			continue
		}
		if strings.HasSuffix(name, plain) {
			if err := s.compress(name); err != nil {
				faults = append(faults, err)
			} else {
				name = strings.TrimSuffix(name, plain) + compressed
			}
		}
		if sizes[name] == 0 {
			faults = append(faults, s.add(name, &sum, sizes))
			kept = append(kept, name)
		}
	}
	for _, name := range kept {
		if sum <= s.total {
			break
		}
		sum -= sizes[name]
		faults = append(faults, s.remove(name, bySize))
	}
	return errors.Join(faults...)
}

// add counts the size of a segment.
func (s *store) add(name string, sum *int64, sizes map[string]int64) error {
	info, err := os.Stat(filepath.Join(s.dir, name))
	if err != nil {
		return fmt.Errorf("measuring a segment: %w", err)
	}
	sizes[name] = info.Size()
	*sum += info.Size()
	return nil
}

func (s *store) remove(name, reason string) error {
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("deleting a segment: %w", err)
	}
	s.deleted(info.Size(), reason)
	return nil
}

// compress replaces a segment that has ended. Whenever it is interrupted, one
// whole form of the segment is there, and the next sweep goes on.
func (s *store) compress(name string) error {
	from := filepath.Join(s.dir, name)
	stem := strings.TrimSuffix(from, plain)
	err := write(stem+compressed+temporary, func(to io.Writer) error {
		file, err := os.Open(from)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		archive := gzip.NewWriter(to)
		if _, err := io.Copy(archive, file); err != nil {
			return err
		}
		return archive.Close()
	})
	if err == nil {
		err = os.Rename(stem+compressed+temporary, stem+compressed)
	}
	if err == nil {
		err = os.Remove(from)
	}
	if err != nil {
		return fmt.Errorf("compressing segment %s: %w", from, err)
	}
	return nil
}

// write makes a file whose content is on the disk when it returns.
func write(path string, content func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(content(file), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
