package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
)

const project = "name: slipway\nruntime:\n  name: go\n  options:\n    buildTarget: .slipway/bin/program\n"

// repository is a repository with a project, and a compiled program in it.
func repository(t *testing.T) *Stack {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, ".slipway", "bin"), 0o755))
	write(t, dir, "Pulumi.yaml", project)
	write(t, dir, ".gitignore", ".slipway\n")
	write(t, dir, ".slipway/bin/program", "first")
	commit(t, dir, "init", "--quiet")
	return &Stack{Checkout: dir, Name: "dev"}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

// commit commits everything, after a git command if one is given, and returns
// the commit.
func commit(t *testing.T, dir string, before ...string) history.Agent {
	t.Helper()
	commands := [][]string{before, {"add", "--all"}, {"commit", "--quiet", "--allow-empty", "--message", "a"}, {"rev-parse", "HEAD"}}
	var out []byte
	for _, args := range commands {
		if len(args) == 0 {
			continue
		}
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Ada", "-c", "user.email=ada@example.test"}, args...)...)
		var err error
		out, err = cmd.CombinedOutput()
		require.NoError(t, err, "git %v\n%s", args, out)
	}
	return history.Agent{Commit: strings.TrimSpace(string(out))}
}

// upToDate is a compiler that finds nothing to do.
func upToDate(context.Context, string) error { return nil }

// rebuild puts another executable in place, as go build does.
func rebuild(t *testing.T, s *Stack, text string) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(s.Checkout, ".slipway/bin/program")))
	write(t, s.Checkout, ".slipway/bin/program", text)
}

func TestAWorktreeRunsWhatItsCommitRan(t *testing.T) {
	s := repository(t)
	ran := commit(t, s.Checkout)
	rebuild(t, s, "of a branch that somebody looked at during the update")
	require.NoError(t, s.keepProgram(t.Context(), ran, func(_ context.Context, target string) error {
		require.Equal(t, ".slipway/bin/program", target)
		rebuild(t, s, "first")
		return nil
	}))
	rebuild(t, s, "second")
	require.NoError(t, s.keepProgram(t.Context(), ran, upToDate), "keeping it again is no error")

	worktree := &Stack{Checkout: t.TempDir(), Name: "dev"}
	write(t, worktree.Checkout, "Pulumi.yaml", project)
	require.NoError(t, os.MkdirAll(filepath.Join(worktree.Checkout, ".slipway/bin"), 0o755))
	write(t, worktree.Checkout, ".slipway/bin/program", "of who knows what")
	lent, err := s.LendProgram(worktree, ran.Commit)
	require.NoError(t, err)
	require.True(t, lent)
	text, err := os.ReadFile(filepath.Join(worktree.Checkout, ".slipway/bin/program"))
	require.NoError(t, err)
	assert.Equal(t, "first", string(text))
	options, of, err := runtimeOptions(worktree.Checkout)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"binary": ".slipway/bin/program"}, options)
	assert.Equal(t, "slipway", of["name"])

	lent, err = s.LendProgram(worktree, strings.Repeat("0", 40))
	require.NoError(t, err)
	assert.False(t, lent, "nobody kept a program of that commit")
}

func TestOnlyWhatACommitHoldsIsKept(t *testing.T) {
	s := repository(t)
	at := commit(t, s.Checkout)
	write(t, s.Checkout, "main.go", "package main\n")
	require.NoError(t, s.keepProgram(t.Context(), at, upToDate), "the checkout is dirty by now")
	require.NoError(t, s.keepProgram(t.Context(), history.Agent{Commit: at.Commit, Dirty: true}, upToDate))
	now := commit(t, s.Checkout)
	require.NoError(t, s.keepProgram(t.Context(), at, upToDate), "the checkout has moved on")
	require.NoError(t, s.keepProgram(t.Context(), now, func(context.Context, string) error {
		write(t, s.Checkout, "main.go", "package main // edited while it was compiled\n")
		return nil
	}))
	require.Error(t, s.keepProgram(t.Context(), commit(t, s.Checkout), func(context.Context, string) error {
		return errors.New("it does not compile")
	}))
	assert.NoDirExists(t, s.programs())
}

func TestOldProgramsAreDeleted(t *testing.T) {
	s := repository(t)
	var all []string
	for i := range keptPrograms + 2 {
		at := commit(t, s.Checkout)
		rebuild(t, s, fmt.Sprint(i))
		require.NoError(t, s.keepProgram(t.Context(), at, upToDate))
		old := time.Now().Add(time.Duration(i-100) * time.Minute)
		require.NoError(t, os.Chtimes(filepath.Join(s.programs(), at.Commit), old, old))
		all = append(all, at.Commit)
	}
	for i, commit := range all {
		if i < 2 {
			assert.NoDirExists(t, filepath.Join(s.programs(), commit))
		} else {
			assert.FileExists(t, filepath.Join(s.programs(), commit, "program"))
		}
	}
}
