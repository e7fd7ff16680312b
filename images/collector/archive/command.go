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

	"github.com/spf13/cobra"
)

// NewCommand makes the command that prints an archive, for people who have no
// shell where it lies:
//
//	kubectl -n slipway-logging exec POD -- /collector records access
func NewCommand() *cobra.Command {
	directory := ""
	cmd := &cobra.Command{
		Use: "records [class...]", Short: "Print the records of an archive, oldest first, one JSON object a line",
		RunE: func(cmd *cobra.Command, classes []string) error { return Print(cmd.OutOrStdout(), directory, classes) },
	}
	cmd.Flags().StringVar(&directory, "directory", "/var/lib/otelcol/archive", "where the archive is")
	return cmd
}

// segmentName takes a segment's name apart.
var segmentName = regexp.MustCompile(`^([a-z]+)-\d{8}T\d{6}\.\d{9}Z\.jsonl(\.gz)?$`)

// Print writes the records of classes, or of all when none is named. A segment
// that is compressed or deleted meanwhile is printed in its other form, or not.
func Print(out io.Writer, directory string, classes []string) error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	seen, printed := map[string]bool{}, map[string]bool{}
	for _, entry := range entries {
		parts := segmentName.FindStringSubmatch(entry.Name())
		if parts == nil {
			continue
		}
		seen[parts[1]] = true
		stem := strings.TrimSuffix(entry.Name(), ".gz")
		if len(classes) > 0 && !slices.Contains(classes, parts[1]) || printed[stem] {
			continue
		}
		printed[stem] = true
		path := filepath.Join(directory, stem)
		err := cat(out, path)
		if errors.Is(err, fs.ErrNotExist) {
			err = unpack(out, path+".gz")
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reading segment %s: %w", path, err)
		}
	}
	for _, class := range classes {
		if !seen[class] {
			return fmt.Errorf("there are no records of class %q in %s", class, directory)
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
