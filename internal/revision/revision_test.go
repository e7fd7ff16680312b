package revision

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// run is git as a person, in dir.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.test", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "git %v\n%s", args, out)
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

// repository has two commits.
func repository(t *testing.T) (dir, first, second string) {
	t.Helper()
	dir = t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	write(t, dir, ".gitignore", "/.slipway/\n")
	write(t, dir, "migrations/0001_items.sql", "first\n\n")
	write(t, dir, "migrations/deep/x.sql", "x")
	run(t, dir, "add", "-A")
	run(t, dir, "commit", "-q", "-m", "one")
	first = run(t, dir, "rev-parse", "HEAD")
	write(t, dir, "migrations/0001_items.sql", "second\n")
	run(t, dir, "commit", "-q", "-a", "-m", "two")
	return dir, first, run(t, dir, "rev-parse", "HEAD")
}

func TestRead(t *testing.T) {
	dir, _, second := repository(t)
	head, err := Read(t.Context(), filepath.Join(dir, "migrations"))
	require.NoError(t, err)
	require.Equal(t, Head{Commit: second}, head)
	write(t, dir, ".slipway/x", "ignored")
	head, err = Read(t.Context(), dir)
	require.NoError(t, err)
	require.False(t, head.Dirty)
	write(t, dir, "new", "unknown to git")
	head, err = Read(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, head.Dirty)
	_, err = Read(t.Context(), t.TempDir())
	require.ErrorIs(t, err, ErrNoRepository)
	t.Setenv("PATH", t.TempDir())
	_, err = Read(t.Context(), dir)
	require.ErrorIs(t, err, ErrNoGit)
}

func TestFind(t *testing.T) {
	dir, first, _ := repository(t)
	full, err := Find(t.Context(), dir, first[:8])
	require.NoError(t, err)
	require.Equal(t, first, full)
	_, err = Find(t.Context(), dir, strings.Repeat("0", 40))
	require.ErrorIs(t, err, ErrNoCommit)
	require.ErrorContains(t, err, "it may have been rebased away")

	shallow := filepath.Join(t.TempDir(), "shallow")
	run(t, dir, "clone", "-q", "--depth", "1", "file://"+dir, shallow)
	_, err = Find(t.Context(), shallow, first)
	require.ErrorIs(t, err, ErrNoCommit)
	require.ErrorContains(t, err, "git fetch --unshallow")
	run(t, shallow, "fetch", "-q", "--unshallow")
	_, err = Find(t.Context(), shallow, first)
	require.NoError(t, err)
}

func TestLayOut(t *testing.T) {
	dir, first, second := repository(t)
	place := filepath.Join(dir, ".slipway", "worktrees", "x")
	file := filepath.Join(place, "migrations", "0001_items.sql")
	read := func() string {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return string(text)
	}
	require.NoError(t, LayOut(t.Context(), dir, first, place))
	require.Equal(t, "first\n\n", read())
	// What was built in it stays, and what an interrupted run did to it goes.
	write(t, place, ".slipway/bin/program", "built")
	require.NoError(t, LayOut(t.Context(), dir, first, place))
	require.FileExists(t, filepath.Join(place, ".slipway", "bin", "program"))
	require.NoError(t, os.WriteFile(file, []byte("half"), 0o600))
	require.NoError(t, LayOut(t.Context(), dir, first, place))
	require.Equal(t, "first\n\n", read())
	require.NoError(t, LayOut(t.Context(), dir, second, place))
	require.Equal(t, "second\n", read())
	// A worktree that was deleted by hand is made anew.
	require.NoError(t, os.RemoveAll(place))
	require.NoError(t, LayOut(t.Context(), dir, second, place))
	require.NoError(t, Remove(t.Context(), dir, place))
	require.NoDirExists(t, place)
	require.NotContains(t, run(t, dir, "worktree", "list"), "\n")
	require.NoError(t, Remove(t.Context(), dir, place))
}

func TestFilesAreReadAsTheyWere(t *testing.T) {
	dir, first, second := repository(t)
	files, err := Files(t.Context(), filepath.Join(dir, "migrations"), first, "migrations")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"0001_items.sql": "first\n\n"}, files)
	files, err = Files(t.Context(), dir, second, "migrations/")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"0001_items.sql": "second\n"}, files)
	files, err = Files(t.Context(), dir, first, "nowhere")
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestTagged(t *testing.T) {
	dir, first, second := repository(t)
	run(t, dir, "tag", "light", first)
	tags, err := Tagged(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, tags[first])
	require.False(t, tags[second])
	run(t, dir, "tag", "-a", "-m", "heavy", "v2", second)
	tags, err = Tagged(t.Context(), dir)
	require.NoError(t, err)
	require.True(t, tags[second])
}
