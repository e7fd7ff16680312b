// Package revision asks git which commit a checkout holds, and lays out
// another commit of it beside.
package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Errors of finding a commit.
var (
	// ErrNoGit is returned where git is not installed.
	ErrNoGit = errors.New("git is not installed")
	// ErrNoRepository is returned for a directory outside any repository.
	ErrNoRepository = errors.New("it is not in a git repository")
	// ErrNoCommit is returned for a commit the repository does not have.
	ErrNoCommit = errors.New("the repository does not have it")
)

// Head is what a checkout holds.
type Head struct {
	// Commit is the full hash.
	Commit string
	// Dirty is true when the checkout differs from the commit, files that git
	// does not know and does not ignore included.
	Dirty bool
}

// git runs git in dir and returns what it printed, without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := raw(ctx, dir, args...)
	return strings.TrimRight(out, "\n"), err
}

func raw(ctx context.Context, dir string, args ...string) (string, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return "", fmt.Errorf("%w: install it, for example with apt-get install git", ErrNoGit)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	// A caller inside a git hook hands these down, and they would win over dir.
	for _, variable := range os.Environ() {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE":
		default:
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(stderr.String())
		if strings.Contains(text, "not a git repository") {
			return "", fmt.Errorf("%s: %w", dir, ErrNoRepository)
		}
		return "", fmt.Errorf("git %s in %s: %w: %s", args[0], dir, err, text)
	}
	return stdout.String(), nil
}

// Read says what the checkout around dir holds.
func Read(ctx context.Context, dir string) (Head, error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "HEAD^{commit}")
	if err != nil {
		return Head{}, fmt.Errorf("reading the commit of the checkout: %w", err)
	}
	status, err := git(ctx, dir, "status", "--porcelain")
	if err != nil {
		return Head{}, fmt.Errorf("reading the state of the checkout: %w", err)
	}
	return Head{Commit: commit, Dirty: status != ""}, nil
}

// Find checks that the repository around dir has the commit, and returns its
// full hash.
func Find(ctx context.Context, dir, commit string) (string, error) {
	if _, err := git(ctx, dir, "rev-parse", "--git-dir"); err != nil {
		return "", fmt.Errorf("looking for commit %s: %w", commit, err)
	}
	full, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", commit+"^{commit}")
	if err == nil {
		return full, nil
	}
	way := "it may have been rebased away; fetch it by its hash (git fetch origin " + commit + ") or revert by hand and run `slipway up`"
	if shallow, _ := git(ctx, dir, "rev-parse", "--is-shallow-repository"); shallow == "true" {
		way = "this is a shallow clone; run: git fetch --unshallow"
	}
	return "", fmt.Errorf("looking for commit %s in %s: %w: %s", commit, dir, ErrNoCommit, way)
}

// LayOut makes place a clean worktree of the commit, or leaves it be when it
// is one already. What an interrupted run left there is thrown away: place
// belongs to Slipway.
func LayOut(ctx context.Context, dir, commit, place string) error {
	commit, err := Find(ctx, dir, commit)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(place, ".git")); err == nil {
		head, err := Read(ctx, place)
		if err == nil && head.Commit == commit && !head.Dirty {
			return nil
		}
	}
	if err := Remove(ctx, dir, place); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return fmt.Errorf("laying out commit %s: %w", commit, err)
	}
	if _, err := git(ctx, dir, "worktree", "add", "--detach", "--force", place, commit); err != nil {
		return fmt.Errorf("laying out commit %s: %w", commit, err)
	}
	return nil
}

// Remove deletes a worktree that LayOut made; one that is not there is no
// error.
func Remove(ctx context.Context, dir, place string) error {
	if err := os.RemoveAll(place); err != nil {
		return fmt.Errorf("removing the worktree %s: %w", place, err)
	}
	if _, err := git(ctx, dir, "worktree", "prune"); err != nil {
		return fmt.Errorf("removing the worktree %s: %w", place, err)
	}
	return nil
}

// Files reads the files directly in a directory of a commit, by name. A
// directory the commit does not have is empty.
func Files(ctx context.Context, dir, commit, folder string) (map[string]string, error) {
	listing, err := git(ctx, dir, "ls-tree", "--full-tree", "--name-only", "-z", commit, "--", strings.TrimSuffix(folder, "/")+"/")
	if err != nil {
		return nil, fmt.Errorf("listing %s of commit %s: %w", folder, commit, err)
	}
	files := map[string]string{}
	for _, path := range strings.Split(strings.Trim(listing, "\x00"), "\x00") {
		if path == "" {
			continue
		}
		content, err := raw(ctx, dir, "cat-file", "blob", commit+":"+path)
		if err != nil {
			continue // a folder
		}
		files[filepath.Base(path)] = content
	}
	return files, nil
}

// Tagged are the commits that tags of the repository around dir point to.
func Tagged(ctx context.Context, dir string) (map[string]bool, error) {
	listing, err := git(ctx, dir, "for-each-ref", "--format=%(objectname) %(*objectname)", "refs/tags")
	if err != nil {
		return nil, fmt.Errorf("reading the repository's tags: %w", err)
	}
	commits := map[string]bool{}
	for _, hash := range strings.Fields(listing) {
		commits[hash] = true
	}
	return commits, nil
}
