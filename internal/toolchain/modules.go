package toolchain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/module"
)

// ErrNotPinned is returned for a module that no go.mod requires.
var ErrNotPinned = errors.New("module is not pinned")

// ModuleDir returns the directory of a pinned module's sources, downloading
// them if needed.
func (c *Chain) ModuleDir(ctx context.Context, path string) (string, error) {
	pin, in, ok := c.pins.find(path)
	if !ok {
		return "", fmt.Errorf("%w: %s is in none of the go.mod files in %s", ErrNotPinned, path, strings.Join(moduleDirs, ", "))
	}
	g, err := c.golang(ctx)
	if err != nil {
		return "", err
	}
	escaped, err := module.EscapePath(pin.Path)
	if err != nil {
		return "", fmt.Errorf("finding module %s: %w", path, err)
	}
	version, err := module.EscapeVersion(pin.Version)
	if err != nil {
		return "", fmt.Errorf("finding module %s: %w", path, err)
	}
	dir := filepath.Join(g.Modules, filepath.FromSlash(escaped)+"@"+version)
	// go unpacks a module under a lock and leaves a marker until it is done.
	marker := filepath.Join(g.Modules, "cache", "download", filepath.FromSlash(escaped), "@v", version+".partial")
	if _, err := os.Stat(marker); errors.Is(err, os.ErrNotExist) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return c.download(ctx, g, filepath.Join(c.checkout, in), path)
}

// download has go fetch a module, checked against the go.sum of dir.
func (c *Chain) download(ctx context.Context, g golang, dir, path string) (string, error) {
	cmd := exec.CommandContext(ctx, g.path, "mod", "download", "-json", path)
	cmd.Dir, cmd.Env = dir, g.environment(os.TempDir(), false)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if decoding := json.Unmarshal(raw, &answer); err == nil {
		err = decoding
	}
	if err != nil || answer.Dir == "" {
		said := strings.TrimSpace(answer.Error + " " + stderr.String())
		return "", fmt.Errorf("downloading module %s: %s%s: %w", path, said, advise(said, build{dir: dir, golang: g}), errors.Join(err, ErrNotFetched))
	}
	return answer.Dir, nil
}

// ErrNotFetched is returned for a pinned module that is neither in the module
// cache nor obtainable.
var ErrNotFetched = errors.New("module could not be fetched")
