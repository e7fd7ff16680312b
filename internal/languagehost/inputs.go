package languagehost

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/gobuild"
)

// inputs name everything outside Go's immutable module cache that a program is
// compiled from. They are paths; sum tells what is there.
type inputs struct {
	// Sources are directories of packages; what the compiler reads from them
	// counts, by content.
	Sources []string `json:"sources"`
	// Files count by content, and by being absent.
	Files []string `json:"files"`
	// Listings are directories whose entries count by name, because a pattern
	// of go:embed selects from them.
	Listings []string `json:"listings"`
}

// environment is go env: it decides what the same sources compile to.
type environment map[string]string

func readEnvironment(ctx context.Context, goTool, dir string) (environment, error) {
	out, err := goOutput(ctx, goTool, dir, "env", "-json")
	if err != nil {
		return nil, err
	}
	env := environment{}
	if err := json.Unmarshal(out, &env); err != nil {
		return nil, fmt.Errorf("reading the output of go env: %w", err)
	}
	// These hold the name of a temporary directory that differs every time.
	delete(env, "GOGCCFLAGS")
	return env, nil
}

// unpredictable tells whether go flags make the result depend on more than
// inputs can name.
func (env environment) unpredictable() bool {
	for _, flag := range []string{"-overlay", "-toolexec", "-modfile", "-pgo"} {
		if strings.Contains(env["GOFLAGS"], flag) {
			return true
		}
	}
	return false
}

// listInputs asks go which packages the program in dir consists of.
func listInputs(ctx context.Context, goTool, dir string, env environment) (inputs, error) {
	out, err := goOutput(ctx, goTool, dir, "list", "-deps", "-json=Dir,Standard,EmbedFiles,Module", ".")
	if err != nil {
		return inputs{}, err
	}
	type module struct {
		Dir, GoMod string
		Replace    *module
	}
	sources, files, listings := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			Dir        string
			Standard   bool
			EmbedFiles []string
			Module     *module
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return inputs{}, fmt.Errorf("reading the output of go list: %w", err)
		}
		if pkg.Standard || within(env["GOMODCACHE"], pkg.Dir) {
			continue
		}
		sources[pkg.Dir] = true
		if pkg.Module != nil {
			files[pkg.Module.GoMod] = true
		}
		for _, name := range pkg.EmbedFiles {
			path := filepath.Join(pkg.Dir, name)
			files[path] = true
			for parent := filepath.Dir(path); within(pkg.Dir, parent); parent = filepath.Dir(parent) {
				listings[parent] = true
			}
		}
	}
	// The main module's go.mod is among those of the packages.
	if main := env["GOMOD"]; main != "" {
		files[filepath.Join(filepath.Dir(main), "go.sum")] = true
		files[filepath.Join(filepath.Dir(main), "vendor", "modules.txt")] = true
	}
	if work := env["GOWORK"]; work != "" && work != "off" {
		files[work] = true
		files[strings.TrimSuffix(work, "go.work")+"go.work.sum"] = true
	}
	delete(files, "")
	return inputs{
		Sources:  slices.Sorted(maps.Keys(sources)),
		Files:    slices.Sorted(maps.Keys(files)),
		Listings: slices.Sorted(maps.Keys(listings)),
	}, nil
}

// within tells whether path is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return dir != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// compiled are the endings of the files that go build reads from a package's
// directory; build constraints only select among them.
var compiled = []string{
	".go", ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".hxx", ".f", ".F", ".for", ".f90",
	".s", ".S", ".sx", ".swig", ".swigcxx", ".syso", ".pgo",
}

// sum is a digest of the inputs' present content under env.
func (in inputs) sum(env environment) (string, error) {
	digest := sha256.New()
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(digest, format+"\x00", args...) }
	for _, key := range slices.Sorted(maps.Keys(env)) {
		write("%s=%s", key, env[key])
	}
	for _, dir := range in.Sources {
		write("source %s", dir)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", fmt.Errorf("reading a package: %w", err)
		}
		for _, entry := range entries {
			name := entry.Name()
			if !slices.Contains(compiled, filepath.Ext(name)) || strings.HasSuffix(name, "_test.go") {
				continue
			}
			if err := writeFile(write, filepath.Join(dir, name)); err != nil {
				return "", err
			}
		}
	}
	for _, path := range in.Files {
		if err := writeFile(write, path); err != nil {
			return "", err
		}
	}
	for _, dir := range in.Listings {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", fmt.Errorf("reading embedded files: %w", err)
		}
		for _, entry := range entries {
			write("entry %s", filepath.Join(dir, entry.Name()))
		}
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

func writeFile(write func(string, ...any), path string) error {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		write("absent %s", path)
	case err != nil:
		return fmt.Errorf("reading a source file: %w", err)
	default:
		write("file %s %x", path, sha256.Sum256(content))
	}
	return nil
}

// goError is a go command that failed.
type goError struct {
	command, dir, stderr string
	err                  error
}

func (e *goError) Error() string {
	return fmt.Sprintf("running %s in %s: %v: %s", e.command, e.dir, e.err, e.stderr)
}

func (e *goError) Unwrap() error { return e.err }

// goOutput runs a go command that writes to standard output.
func goOutput(ctx context.Context, goTool, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, goTool, args...)
	// As what is compiled, or go would know of other flags than decide of it.
	cmd.Dir, cmd.Env = dir, gobuild.Environment(os.Environ())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("go %s was interrupted: %w", args[0], context.Cause(ctx))
	}
	if err != nil {
		return nil, &goError{"go " + strings.Join(args, " "), dir, strings.TrimSpace(stderr.String()), err}
	}
	return out, nil
}
