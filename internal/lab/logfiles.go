package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keptLogs is how many earlier logs of a component are kept.
const keptLogs = 3

// openLog opens a component's log for appending and moves a big one aside
// first.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the log directory: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		for i := keptLogs - 1; i >= 1; i-- {
			if err := os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("rotating %s: %w", path, err)
			}
		}
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("rotating %s: %w", path, err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return file, nil
}

// tail returns the last lines of a file, or why it cannot.
func tail(path string, lines int) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > 64<<10 {
		if _, err := file.Seek(-64<<10, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func indent(text string) string { return "  | " + strings.ReplaceAll(text, "\n", "\n  | ") }
