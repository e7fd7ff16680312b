// Package check runs everything a reviewer would: formatting, linters, unit
// tests, and that generated files are current. It runs all of it and reports
// all of it, and needs neither a cluster nor root.
package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/gobuild"
	"slipway.dev/slipway/internal/task"
)

// Tools is where the pinned linters are found, and Debian's.
type Tools interface {
	Packages(ctx context.Context, log io.Writer, names ...string) error
	Ensure(ctx context.Context, names ...string) error
	Path(name string) (string, error)
}

// tags are the build tags of the tests that need more than a compiler; they
// are linted with everything else and run by `slipway test`.
const tags = "engine,e2e,lab,logs,dash,soak,full"

// collectorModule is the module of the log collector, which shares nothing with
// that of the checkout.
const collectorModule = "images/collector"

// realEngine holds the folders whose tests `slipway test` runs.
var realEngine = []string{"tests/engine", "tests/e2e", "tests/lab", "tests/logs", "tests/dash"}

// Run checks the checkout. Logs go to logDir.
func Run(ctx context.Context, out io.Writer, checkout, logDir string, tools Tools) error {
	c := checker{checkout: checkout, tools: tools}
	cpus := runtime.NumCPU()
	// Written by one task and read when all have ended.
	skipped := ""
	err := task.Run(ctx, out, task.Options{Slots: cpus, LogDir: logDir, KeepGoing: true}, []task.Task{
		{Name: "gofmt", Weight: 1, Run: c.gofmt},
		{Name: "shellcheck", Weight: 1, Run: c.shellcheck},
		{Name: "ruff", Weight: 1, Run: c.python("lint")},
		{Name: "mypy", Weight: 1, Run: c.python("types")},
		{Name: "unit tests", Weight: cpus, Run: c.unit},
		{Name: "collector tests", Weight: cpus, Run: c.collector},
		{Name: "go vet", Weight: cpus, Run: c.vet},
		{Name: "lint tools", Weight: cpus, Run: func(ctx context.Context, _ io.Writer) error {
			return tools.Ensure(ctx, "golangci-lint", "actionlint", "govulncheck")
		}},
		{Name: "golangci-lint", Needs: []string{"lint tools"}, Weight: cpus, Run: c.golangci},
		{Name: "actionlint", Needs: []string{"lint tools"}, Weight: 1, Run: c.actionlint},
		{Name: "govulncheck", Needs: []string{"lint tools"}, Weight: cpus, Run: func(ctx context.Context, log io.Writer) error {
			var err error
			skipped, err = c.pinnedVulnerabilities(ctx, log)
			return err
		}},
	})
	if skipped != "" {
		fmt.Fprintf(out, "skipped govulncheck: %s\n", skipped)
	}
	return err
}

// Update accepts the current output of every test that keeps a golden file or
// a generated document.
func Update(ctx context.Context, out io.Writer, checkout string) error {
	c := checker{checkout: checkout}
	packages, err := c.golden(ctx)
	if err != nil {
		return err
	}
	return c.run(ctx, out, "go", append(append([]string{"test"}, packages...), "-update")...)
}

type checker struct {
	checkout string
	tools    Tools
}

func (c checker) run(ctx context.Context, log io.Writer, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = c.checkout, log, log, gobuild.Environment(os.Environ())
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	return nil
}

// files lists what git knows or would add, by pattern.
func (c checker) files(ctx context.Context, patterns ...string) ([]string, error) {
	args := append([]string{"ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"}, patterns...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = c.checkout
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	var files []string
	for _, file := range strings.Fields(string(raw)) {
		if _, err := os.Stat(filepath.Join(c.checkout, file)); err == nil {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no file matches %s", strings.Join(patterns, " "))
	}
	return files, nil
}

func (c checker) gofmt(ctx context.Context, log io.Writer) error {
	files, err := c.files(ctx, "*.go")
	if err != nil {
		return err
	}
	var unformatted bytes.Buffer
	if err := c.run(ctx, io.MultiWriter(log, &unformatted), "gofmt", append([]string{"-l"}, files...)...); err != nil {
		return err
	}
	if unformatted.Len() > 0 {
		return fmt.Errorf("these files are not formatted; run gofmt -w on them:\n%s", strings.TrimSpace(unformatted.String()))
	}
	return nil
}

func (c checker) shellcheck(ctx context.Context, log io.Writer) error {
	files, err := c.scripts(ctx)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("shellcheck"); err != nil {
		if err := c.tools.Packages(ctx, log, "shellcheck"); err != nil {
			return err
		}
	}
	return c.run(ctx, log, "shellcheck", files...)
}

// python runs what needs the Python packages of a lock file.
func (c checker) python(what string) func(ctx context.Context, log io.Writer) error {
	return func(ctx context.Context, log io.Writer) error {
		return c.run(ctx, log, filepath.Join(c.checkout, "scripts", "app-test"), what)
	}
}

func (c checker) vet(ctx context.Context, log io.Writer) error {
	return c.run(ctx, log, "go", "vet", "-tags", tags, "./...")
}

func (c checker) unit(ctx context.Context, log io.Writer) error {
	packages, err := c.packages(ctx)
	if err != nil {
		return err
	}
	// Every package is vetted by a step of its own.
	return c.run(ctx, log, "go", append([]string{"test", "-vet=off", "-timeout=30m"}, packages...)...)
}

// collector tests the log collector's own parts.
func (c checker) collector(ctx context.Context, log io.Writer) error {
	for _, task := range []string{"vet", "test"} {
		if err := c.run(ctx, log, "go", "-C", collectorModule, task, "./archive", "./privacy"); err != nil {
			return err
		}
	}
	return nil
}

// packages lists the packages whose tests need no tools, cluster or root.
func (c checker) packages(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.ImportPath}}", "./...")
	cmd.Dir = c.checkout
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(raw)), func(pkg string) bool {
		return slices.ContainsFunc(realEngine, func(dir string) bool {
			return strings.Contains(pkg+"/", "/"+dir+"/")
		})
	}), nil
}

// golden lists the packages whose tests take -update.
func (c checker) golden(ctx context.Context) ([]string, error) {
	files, err := c.files(ctx, "*_test.go")
	if err != nil {
		return nil, err
	}
	var packages []string
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(c.checkout, file))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if bytes.Contains(text, []byte(`flag.Bool("update"`)) {
			packages = append(packages, "./"+filepath.Dir(file))
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages), nil
}

func (c checker) golangci(ctx context.Context, log io.Writer) error {
	lint, err := c.tools.Path("golangci-lint")
	if err != nil {
		return err
	}
	if err := c.run(ctx, log, lint, "run", "./..."); err != nil {
		return err
	}
	in := checker{checkout: filepath.Join(c.checkout, collectorModule), tools: c.tools}
	return in.run(ctx, log, lint, "run", "./...")
}

func (c checker) actionlint(ctx context.Context, log io.Writer) error {
	lint, err := c.tools.Path("actionlint")
	if err != nil {
		return err
	}
	files, err := c.files(ctx, ".github/workflows/*.yaml")
	if err != nil {
		return err
	}
	return c.run(ctx, log, lint, files...)
}
