package toolchain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"slipway.dev/slipway/internal/gobuild"
)

// golang is the Go distribution that builds.
type golang struct {
	// path is the go command.
	path string
	// Version is as in go1.26.8.
	Version string `json:"GOVERSION"`
	Root    string `json:"GOROOT"`
	// Modules and Builds are the module cache and the build cache.
	Modules string `json:"GOMODCACHE"`
	Builds  string `json:"GOCACHE"`
	OS      string `json:"GOOS"`
	Arch    string `json:"GOARCH"`
	// Level is the processor level that code is generated for, as in v1.
	Level string `json:"GOAMD64"`
}

// ErrNoGo is returned when no Go is new enough.
var ErrNoGo = errors.New("no Go that is new enough")

// newerGo reports whether a is a later release than b; both without "go".
func newerGo(a, b string) bool { return version.Compare("go"+a, "go"+b) > 0 }

// findGo returns the first Go of at least the wanted release: the one on PATH,
// or the one that scripts/bootstrap put into the cache.
func findGo(ctx context.Context, cache, want string) (golang, error) {
	var candidates []string
	if path, err := exec.LookPath("go"); err == nil {
		candidates = append(candidates, path)
	}
	candidates = append(candidates, filepath.Join(cache, "go", "bin", "go"))
	var tried []string
	for _, path := range candidates {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		found, err := askGo(ctx, path)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s does not run (%v)", path, err))
			continue
		}
		// A development build has no release to compare; its owner knows.
		have := strings.TrimPrefix(found.Version, "go")
		if !strings.HasPrefix(found.Version, "devel") && newerGo(want, have) {
			tried = append(tried, fmt.Sprintf("%s is %s", path, have))
			continue
		}
		return found, nil
	}
	if tried == nil {
		tried = []string{"none is installed"}
	}
	return golang{}, fmt.Errorf("%w: %s is needed, %s; run scripts/bootstrap, which gets one", ErrNoGo, want, strings.Join(tried, ", "))
}

// askGo asks a go command about itself, without letting it switch to another
// release.
func askGo(ctx context.Context, path string) (golang, error) {
	cmd := exec.CommandContext(ctx, path, "env", "-json", "GOVERSION", "GOROOT", "GOMODCACHE", "GOCACHE", "GOOS", "GOARCH", "GOAMD64")
	cmd.Dir = string(filepath.Separator)
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		return golang{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	found := golang{path: path}
	if err := json.Unmarshal(raw, &found); err != nil {
		return golang{}, fmt.Errorf("reading the output of go env: %w", err)
	}
	return found, nil
}

// environment is what a build runs with. The same pins have to give the same
// program whatever the user exports for other work, so everything that changes
// code is set. Without cgo the programs are static: they run in images that
// hold nothing else, and need no C compiler. A plain build is left as the user
// has it.
func (g golang) environment(temp string, plain bool) []string {
	env := append(gobuild.Environment(os.Environ()), "GOWORK=off", "GOTOOLCHAIN=local", "GOTMPDIR="+temp)
	if plain {
		return env
	}
	return append(env,
		"CGO_ENABLED=0", "GOOS="+g.OS, "GOARCH="+g.Arch, "GOAMD64="+g.Level, "GOEXPERIMENT=", "GOFLAGS=-mod=readonly")
}
