package archive

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// NewCommand makes the command that prints an archive, for people who have no
// shell where it lies:
//
//	kubectl -n slipway-logging exec POD -- /collector records access
func NewCommand() *cobra.Command {
	directory, since := "", time.Duration(0)
	cmd := &cobra.Command{
		Use: "records [class...]", Short: "Print the records of an archive, oldest first, one JSON object a line",
		RunE: func(cmd *cobra.Command, classes []string) error {
			if !cmd.Flags().Changed("since") {
				return Print(cmd.OutOrStdout(), directory, classes)
			}
			if since <= 0 {
				return fmt.Errorf("--since %v: must be more than 0", since)
			}
			return PrintSince(cmd.OutOrStdout(), directory, classes, time.Now().Add(-since))
		},
	}
	cmd.Flags().DurationVar(&since, "since", 0, "print those segments only that were written to in this time, such as 90m, if there are any; they may begin before")
	cmd.Flags().StringVar(&directory, "directory", "/var/lib/otelcol/archive", "where the archive is")
	return cmd
}

// segmentName takes a segment's name apart.
var segmentName = regexp.MustCompile(`^([a-z]+)-(\d{8}T\d{6}\.\d{9}Z)\.jsonl(\.gz)?$`)

// Print writes the records of classes, or of all when none is named. A segment
// that is compressed or deleted meanwhile is printed in its other form, or not.
func Print(out io.Writer, directory string, classes []string) error {
	segments, err := segments(directory, classes)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, one := range segments {
		seen[one.class] = true
	}
	for _, class := range classes {
		if !seen[class] {
			return fmt.Errorf("there are no records of class %q in %s", class, directory)
		}
	}
	return contents(out, directory, segments)
}

// PrintSince is Print without the segments that ended before a moment. There may
// be none.
func PrintSince(out io.Writer, directory string, classes []string, moment time.Time) error {
	all, err := segments(directory, classes)
	if err != nil {
		return err
	}
	var late []segment
	for i, one := range all {
		// One ends where the next of its class begins.
		if i+1 < len(all) && all[i+1].class == one.class && all[i+1].begun.Before(moment) {
			continue
		}
		late = append(late, one)
	}
	return contents(out, directory, late)
}

// segment is one of an archive, in either form.
type segment struct {
	class, stem string
	begun       time.Time
}

// segments lists those of classes, or of all when none is named, by class and time.
func segments(directory string, classes []string) ([]segment, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	var all []segment
	for _, entry := range entries {
		parts := segmentName.FindStringSubmatch(entry.Name())
		if parts == nil || len(classes) > 0 && !slices.Contains(classes, parts[1]) {
			continue
		}
		stem := strings.TrimSuffix(entry.Name(), ".gz")
		if len(all) > 0 && all[len(all)-1].stem == stem {
			continue // its other form
		}
		begun, err := time.Parse(stamp, parts[2])
		if err != nil {
			continue
		}
		all = append(all, segment{parts[1], stem, begun})
	}
	return all, nil
}

func contents(out io.Writer, directory string, segments []segment) error {
	for _, one := range segments {
		path := filepath.Join(directory, one.stem)
		err := cat(out, path)
		if errors.Is(err, fs.ErrNotExist) {
			err = unpack(out, path+".gz")
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reading segment %s: %w", path, err)
		}
	}
	return nil
}

func cat(out io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = io.Copy(out, file)
	return err
}

func unpack(out io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	from, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from) //nolint:gosec // the archive is ours
	return err
}
