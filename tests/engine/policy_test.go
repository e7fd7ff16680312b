package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMandatoryViolationStopsAnUpdate(t *testing.T) {
	s := newStack(t)
	pack := filepath.Join(bench.module, "policypack")
	s.set("length", "8")
	out, ok := s.run("up", "--yes", "--skip-preview", "--policy-pack", pack)
	assert.False(t, ok)
	assert.Contains(t, out, "a password of 8 characters is guessed too soon")
	assert.Contains(t, out, "long-passwords")
	assert.NotContains(t, s.resources(), "password")

	// The same rule lets a good password through, and without the pack the
	// short one would have been made: it was the pack that stopped it.
	s.set("length", "16")
	out = s.up("--policy-pack", pack)
	assert.NotContains(t, out, "guessed too soon")
	assert.Contains(t, s.resources(), "password")
	s.set("length", "8")
	s.up()
}

func TestPolicyPackThatDoesNotCompile(t *testing.T) {
	s := newStack(t)
	dir := filepath.Join(t.TempDir(), "module")
	require.NoError(t, os.CopyFS(dir, os.DirFS(bench.module)))
	source := filepath.Join(dir, "policypack", "main.go")
	require.NoError(t, os.WriteFile(source, []byte("package main\n\nfunc main() { undefined() }\n"), 0o600))
	out, ok := s.run("up", "--yes", "--skip-preview", "--policy-pack", filepath.Dir(source))
	assert.False(t, ok)
	assert.Contains(t, out, "undefined: undefined")
	assert.Empty(t, s.resources())
}
