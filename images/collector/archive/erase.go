package archive

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Count says how many records of a class are about a subject, and how many of
// them an erasure removed.
type Count struct {
	Found  int `json:"found"`
	Erased int `json:"erased"`
}

// NewEraseCommand makes the command that removes what is about a subject, which
// it reads from standard input: a command line is seen by everybody on the
// machine, and kept by shells.
//
//	printf %s "$SUBJECT" | kubectl -n slipway-logging exec -i POD -- /collector erase
//
// It prints what it counted by class, as JSON.
func NewEraseCommand() *cobra.Command {
	directory, search := "", false
	cmd := &cobra.Command{
		Use: "erase", Short: "Erase the records that are about the subject on standard input",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errors.New("erase takes no arguments: the subject is read from standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 64<<10))
			if err != nil {
				return fmt.Errorf("reading the subject: %w", err)
			}
			subject, err := NewSubject(string(text))
			if err != nil {
				return err
			}
			counts, err := Erase(directory, subject, search)
			return errors.Join(err, json.NewEncoder(cmd.OutOrStdout()).Encode(counts))
		},
	}
	cmd.Flags().StringVar(&directory, "directory", "/var/lib/otelcol/archive", "where the archive is")
	cmd.Flags().BoolVar(&search, "search", false, "count only, and change nothing")
	return cmd
}

// Erase removes the records that are about subject from the archive in a
// directory, or only counts them. A collector may be writing there. One segment
// is replaced after the other, so an erasure that is interrupted has lost no
// other record, and the next goes on. It goes on after a failure, too.
func Erase(directory string, subject Subject, search bool) (map[string]Count, error) {
	counts := map[string]Count{}
	stems, err := stems(directory, !search)
	if err != nil {
		return counts, err
	}
	var faults []error
	for _, stem := range stems {
		class := segmentName.FindStringSubmatch(stem)[1]
		count := counts[class]
		if err := eraseSegment(directory, stem, subject, search, &count); err != nil {
			faults = append(faults, err)
		}
		counts[class] = count
	}
	return counts, errors.Join(faults...)
}

// stems lists the names that segments have when they are not compressed, and
// removes, if asked to, what somebody who was interrupted left unfinished.
func stems(directory string, tidy bool) ([]string, error) {
	release, err := holdDirectory(directory)
	if err != nil {
		return nil, err
	}
	defer release()
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("listing the archive: %w", err)
	}
	var stems []string
	for _, entry := range entries {
		name := entry.Name()
		if whole, ok := strings.CutSuffix(name, temporary); ok && segmentName.MatchString(whole) && tidy {
			if err := os.Remove(filepath.Join(directory, name)); err != nil {
				return nil, fmt.Errorf("removing what was left unfinished: %w", err)
			}
		}
		if segmentName.MatchString(name) {
			stems = append(stems, strings.TrimSuffix(name, ".gz"))
		}
	}
	slices.Sort(stems)
	return slices.Compact(stems), nil
}

// eraseSegment erases from a segment, whichever forms of it there are: someone
// who was interrupted may have left both.
func eraseSegment(directory, stem string, subject Subject, search bool, count *Count) error {
	release, err := holdDirectory(directory)
	if err != nil {
		return err
	}
	defer release()
	for _, name := range []string{stem, stem + ".gz"} {
		path := filepath.Join(directory, name)
		if err := eraseFile(path, subject, search, count); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("erasing from segment %s: %w", path, err)
		}
	}
	return nil
}

// eraseFile puts a file without the subject's records in the place of one that
// has any.
func eraseFile(path string, subject Subject, search bool, count *Count) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := flock(file, syscall.LOCK_EX); err != nil {
		return err
	}
	found, err := filter(io.Discard, file, subject)
	count.Found += found
	if err != nil || found == 0 || search {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	err = write(path+temporary, func(to io.Writer) error {
		if !strings.HasSuffix(path, ".gz") {
			_, err := filter(to, file, subject)
			return err
		}
		archive := gzip.NewWriter(to)
		if _, err := filter(archive, file, subject); err != nil {
			return err
		}
		return archive.Close()
	})
	if err == nil {
		err = os.Rename(path+temporary, path)
	}
	if err == nil {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	count.Erased += found
	return nil
}

// filter copies the lines of a segment but those that are about the subject, and
// counts these. What stands behind the last whole line is copied, too: whoever
// takes up the segment decides what becomes of it.
func filter(to io.Writer, file *os.File, subject Subject) (found int, err error) {
	var from io.Reader = file
	if strings.HasSuffix(file.Name(), ".gz") {
		if from, err = gzip.NewReader(file); err != nil {
			return 0, err
		}
	}
	lines, kept := bufio.NewReaderSize(from, 64<<10), bufio.NewWriterSize(to, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return found, err
		}
		ending := err != nil
		switch {
		case len(line) == 0:
		case subject.InRecord(line):
			found++
		default:
			if _, err := kept.Write(line); err != nil {
				return found, err
			}
		}
		if ending {
			return found, kept.Flush()
		}
	}
}
