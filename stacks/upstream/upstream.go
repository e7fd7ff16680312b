// Package upstream finds files that an upstream project publishes in its Go
// module, in the version that tools/ pins.
//
// A component that installs Traefik needs the custom resource definitions of
// exactly that Traefik. Copies in this repository would fall behind in
// silence; the module that the Traefik binary is built from cannot.
package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// ErrNotPinned is returned for a module that no go.mod below tools/ requires.
var ErrNotPinned = errors.New("is pinned by no go.mod below tools/")

// Modules finds modules pinned in one checkout. Each is looked for once.
type Modules struct {
	checkout string
	mu       sync.Mutex
	found    map[string]string
}

// Open returns the modules of a checkout.
func Open(checkout string) *Modules {
	return &Modules{checkout: checkout, found: map[string]string{}}
}

// File returns the absolute path of a file or directory inside a pinned module.
// Normally the module is in the module cache, where building the tools put it,
// and nothing is run; otherwise it is downloaded, checked against go.sum.
func (m *Modules) File(path, relative string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, known := m.found[path]
	if !known {
		var err error
		if dir, err = m.locate(path); err != nil {
			return "", fmt.Errorf("finding module %s: %w", path, err)
		}
		m.found[path] = dir
	}
	file := filepath.Join(dir, filepath.FromSlash(relative))
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("finding %s of module %s: %w", relative, path, err)
	}
	return file, nil
}

// Version is the version at which a module is pinned, such as "v3.6.2".
func (m *Modules) Version(path string) (string, error) {
	pin, _, err := m.pin(path)
	if err != nil {
		return "", fmt.Errorf("finding the version of module %s: %w", path, err)
	}
	return pin.Version, nil
}

func (m *Modules) locate(path string) (string, error) {
	pin, tools, err := m.pin(path)
	if err != nil {
		return "", err
	}
	escaped, err := module.EscapePath(pin.Path)
	if err != nil {
		return "", err
	}
	version, err := module.EscapeVersion(pin.Version)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache(), filepath.FromSlash(escaped)+"@"+version)
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return dir, nil
	}
	return download(tools, pin)
}

// pin reads which version of a module the tools are built with, replacements
// included, and which go.mod says so. The first go.mod that requires it wins:
// that of tools/ itself, then those of the tools with a module of their own.
func (m *Modules) pin(path string) (module.Version, string, error) {
	tools := filepath.Join(m.checkout, "tools")
	own, err := filepath.Glob(filepath.Join(tools, "*", "go.mod"))
	if err != nil {
		return module.Version{}, "", err
	}
	for _, file := range append([]string{filepath.Join(tools, "go.mod")}, own...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			return module.Version{}, "", err
		}
		mod, err := modfile.Parse(file, raw, nil)
		if err != nil {
			return module.Version{}, "", err
		}
		for _, required := range mod.Require {
			if required.Mod.Path == path {
				return replaced(mod, required.Mod), filepath.Dir(file), nil
			}
		}
	}
	return module.Version{}, "", ErrNotPinned
}

// replaced follows a replace directive. A replacement by a directory has no
// version and is left alone: pins are versions.
func replaced(mod *modfile.File, pin module.Version) module.Version {
	for _, replace := range mod.Replace {
		matches := replace.Old.Path == pin.Path && (replace.Old.Version == "" || replace.Old.Version == pin.Version)
		if matches && replace.New.Version != "" {
			return replace.New
		}
	}
	return pin
}

// cache is where go keeps modules, as go computes it from the environment. A
// location that was set with `go env -w` is not seen here; download asks go.
func cache() string {
	if dir := os.Getenv("GOMODCACHE"); dir != "" {
		return dir
	}
	return filepath.Join(filepath.SplitList(build.Default.GOPATH)[0], "pkg", "mod")
}

// download asks go for a module's directory; go fetches it when it must.
func download(dir string, pin module.Version) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", pin.Path+"@"+pin.Version)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if decoding := json.Unmarshal(raw, &answer); err == nil {
		err = decoding
	}
	if err != nil || answer.Dir == "" {
		reason := strings.TrimSpace(answer.Error + " " + stderr.String())
		return "", fmt.Errorf("downloading %s (is a module proxy reachable? `make tools` fetches it too): %s: %w",
			pin, reason, errors.Join(err, ErrUnavailable))
	}
	return answer.Dir, nil
}

// ErrUnavailable is returned for a pinned module that is neither in the module
// cache nor obtainable.
var ErrUnavailable = errors.New("the module is not available")
