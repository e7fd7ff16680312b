package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/internal/gobuild"
	"slipway.dev/slipway/internal/history"
)

// keptPrograms is how many commits' executables stay. Each is some 160 MB, and
// commits that changed no Go share one.
const keptPrograms = 5

// programs is where a checkout keeps the executables of its commits, each in a
// directory named for its commit.
func (s *Stack) programs() string { return filepath.Join(s.Checkout, ".slipway", "programs") }

// compile makes target, relative to the checkout, of the program as it is, with
// the flags of a language host: what is up to date is not linked again.
func (s *Stack) compile(ctx context.Context, target string, log io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", target, ".")
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.Env = s.Checkout, log, log, gobuild.Environment(os.Environ())
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("compiling the program: %w", err)
	}
	return nil
}

// keepProgram keeps what an update ran, under the commit it was compiled from,
// so that going back to it need not wait for a compiler. It keeps nothing of a
// checkout that had changes of its own, before the update or after it. Another
// command may have compiled something else there in between, so compile has the
// last word on what is kept.
func (s *Stack) keepProgram(ctx context.Context, before history.Agent, compile func(ctx context.Context, target string) error) error {
	if before.Commit == "" || before.Dirty || s.Agent(ctx) != before {
		return nil
	}
	options, _, err := runtimeOptions(s.Checkout)
	if err != nil || options["buildTarget"] == nil {
		return err
	}
	target, _ := options["buildTarget"].(string)
	place := filepath.Join(s.programs(), before.Commit)
	if _, err := os.Stat(filepath.Join(place, "program")); err == nil {
		return nil
	}
	if err := compile(ctx, target); err != nil {
		return fmt.Errorf("keeping the program: %w", err)
	}
	if s.Agent(ctx) != before {
		return nil
	}
	if err := os.MkdirAll(place, 0o755); err != nil {
		return fmt.Errorf("keeping the program: %w", err)
	}
	// A second name and no copy: go build never writes into a file it finds, it
	// puts another in its place.
	kept := filepath.Join(place, "program")
	if err := os.Link(filepath.Join(s.Checkout, target), kept); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keeping the program: %w", err)
	}
	return s.prunePrograms()
}

// prunePrograms deletes all but the newest.
func (s *Stack) prunePrograms() error {
	entries, err := os.ReadDir(s.programs())
	if err != nil {
		return fmt.Errorf("pruning kept programs: %w", err)
	}
	infos := make([]fs.FileInfo, 0, len(entries))
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			infos = append(infos, info)
		}
	}
	slices.SortFunc(infos, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	for _, info := range infos[min(keptPrograms, len(infos)):] {
		if err := os.RemoveAll(filepath.Join(s.programs(), info.Name())); err != nil {
			return fmt.Errorf("pruning kept programs: %w", err)
		}
	}
	return nil
}

// LendProgram lets a stack in a worktree of commit run the executable that an
// update of that commit ran, and tells whether it does. Where there is none, or
// it cannot have another name, the worktree's program is compiled when it runs.
func (s *Stack) LendProgram(worktree *Stack, commit string) (bool, error) {
	kept := filepath.Join(s.programs(), commit, "program")
	if _, err := os.Stat(kept); err != nil {
		return false, nil
	}
	options, project, err := runtimeOptions(worktree.Checkout)
	if err != nil || options["buildTarget"] == nil {
		return false, err
	}
	lent := filepath.Join(".slipway", "bin", "program")
	place := filepath.Join(worktree.Checkout, lent)
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return false, fmt.Errorf("lending the kept program: %w", err)
	}
	if err := os.Remove(place); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("lending the kept program: %w", err)
	}
	if err := os.Link(kept, place); err != nil {
		return false, nil
	}
	delete(options, "buildTarget")
	options["binary"] = lent
	text, err := yaml.Marshal(project)
	if err != nil {
		return false, fmt.Errorf("lending the kept program: %w", err)
	}
	return true, replaceFile(filepath.Join(worktree.Checkout, "Pulumi.yaml"), text, 0o644)
}

// runtimeOptions are the runtime.options of a checkout's project, and the
// project around them. The short form, a runtime without options, has none.
func runtimeOptions(checkout string) (options, project map[string]any, err error) {
	raw, err := os.ReadFile(filepath.Join(checkout, "Pulumi.yaml"))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the project: %w", err)
	}
	if err := yaml.Unmarshal(raw, &project); err != nil {
		return nil, nil, fmt.Errorf("reading Pulumi.yaml of %s: %w", checkout, err)
	}
	runtime, _ := project["runtime"].(map[string]any)
	options, _ = runtime["options"].(map[string]any)
	return options, project, nil
}
