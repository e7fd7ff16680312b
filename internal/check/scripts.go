package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// shell is the first line of what a shell that shellcheck knows runs.
var shell = regexp.MustCompile(`^#!\s*(/usr)?/bin/(env\s+)?(ba|da)?sh(\s|$)`)

// scripts lists the shell scripts, which most have no extension: by their first
// line, and what is only read by another by its name.
func (c checker) scripts(ctx context.Context) ([]string, error) {
	files, err := c.files(ctx, ".")
	if err != nil {
		return nil, err
	}
	var scripts []string
	for _, file := range files {
		is := strings.HasSuffix(file, ".sh")
		if !is {
			if is, err = c.isScript(file); err != nil {
				return nil, err
			}
		}
		if is {
			scripts = append(scripts, file)
		}
	}
	if len(scripts) == 0 {
		return nil, errors.New("no file is a shell script")
	}
	return scripts, nil
}

func (c checker) isScript(name string) (bool, error) {
	file, err := os.Open(filepath.Join(c.checkout, name))
	if err != nil {
		return false, fmt.Errorf("looking for scripts: %w", err)
	}
	defer func() { _ = file.Close() }()
	// A file without lines is long, and no script.
	line, err := bufio.NewReader(io.LimitReader(file, 128)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("looking for scripts: %w", err)
	}
	return shell.MatchString(line), nil
}
