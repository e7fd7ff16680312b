package engine

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything is how many resources the program has: the stack, the provider
// and eight random values.
const everything = 10

func TestLifeOfAStack(t *testing.T) {
	s := newStack(t)
	asked := bench.registry.requests()

	preview := s.must("preview")
	assert.Contains(t, preview, "this is standard output")
	assert.Contains(t, preview, "this is standard error")
	for _, name := range []string{"password", "uuid", "pet", "number", "shuffle"} {
		assert.Regexp(t, name+` *: \[unknown\]`, preview, "a preview must not invent a value")
	}
	assert.Empty(t, s.resources())

	out := s.up()
	assert.Equal(t, map[string]int{"create": everything}, s.changes())
	first := s.outputs()
	assertSecret(t, s, out, first)
	about := s.must("about")
	assert.Regexp(t, `language +go +3\.`, about)
	assert.Regexp(t, `resource +random +4\.21\.2`, about)

	s.up("--expect-no-changes")
	assert.Equal(t, map[string]int{"same": everything}, s.changes())
	s.must("preview", "--expect-no-changes")
	assert.Equal(t, first, s.outputs())

	s.set("keeper", "second")
	out = s.up()
	assert.Equal(t, map[string]int{"same": everything - 1, "replace": 1}, s.changes())
	second := s.outputs()
	for name := range first {
		if name == "password" || name == "hash" {
			assert.NotEqual(t, first[name], second[name], name)
		} else {
			assert.Equal(t, first[name], second[name], name)
		}
	}
	assertSecret(t, s, out, first)
	assertSecret(t, s, out, second)

	s.must("refresh", "--yes", "--skip-preview", "--expect-no-changes")
	assert.Equal(t, second, s.outputs())

	s.must("destroy", "--yes", "--skip-preview")
	assert.Empty(t, s.resources())
	assert.Equal(t, asked, bench.registry.requests(), "something tried to download a plugin")
}

// assertSecret looks for the secret outputs wherever they must not be: on the
// screen and in the backend's files, checkpoint and history alike.
func assertSecret(t *testing.T, s *stack, screen string, outputs map[string]any) {
	t.Helper()
	files := map[string]string{"the screen": screen}
	err := filepath.WalkDir(s.backend, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files[path] = string(content)
		return err
	})
	require.NoError(t, err)
	require.Greater(t, len(files), 1, "the backend is empty")
	seen := false
	for where, content := range files {
		for _, name := range []string{"password", "hash", "bytes", "hex"} {
			secret, ok := outputs[name].(string)
			require.True(t, ok, name)
			assert.False(t, strings.Contains(content, secret), "%s is in the clear in %s", name, where)
		}
		seen = seen || strings.Contains(content, outputs["uuid"].(string))
	}
	assert.True(t, seen, "not even the UUID was found, which is no secret: the search looks in the wrong place")
}

func TestImport(t *testing.T) {
	s := newStack(t)
	// What somebody types as an ID is on the screen and in the engine's journal
	// while the import lasts; what remains must be a secret.
	s.must("import", "--yes", "--generate-code=false", "--skip-preview", "random:index/randomPassword:RandomPassword", "old", "hunter2hunter2")
	assert.Equal(t, []string{"old"}, s.resources())
	assert.NotContains(t, s.must("stack", "export"), "hunter2hunter2")
	assert.Contains(t, s.must("stack", "export", "--show-secrets"), "hunter2hunter2")
}

func TestBadInputsChangeNothing(t *testing.T) {
	s := newStack(t)
	s.up()
	before := s.outputs()
	s.set("length", "-4")
	out, ok := s.run("up", "--yes", "--skip-preview")
	assert.False(t, ok)
	assert.Contains(t, diagnostics(t, out), "length is -4, must be at least 1")
	assert.Equal(t, before, s.outputs())
}

// The language host reports the plugins that go.mod stands for; one that is
// missing is asked for. That is also the positive control of the check that a
// stack with all plugins downloads nothing.
func TestMissingPluginIsAskedForByNameAndVersion(t *testing.T) {
	s := newStack(t)
	// A program that is already compiled, beside the go.mod of this checkout.
	for _, file := range []string{"go.mod", "go.sum"} {
		body, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, file), body, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "Pulumi.yaml"),
		[]byte("name: enginetest\nruntime:\n  name: go\n  options:\n    binary: \"true\"\n"), 0o600))
	s.must("preview") // the engine does without a plugin that no resource needs
	assert.Regexp(t, `pulumi-resource-(aws-v6\.83\.2|kubernetes-v4\.30\.0)-`, strings.Join(bench.registry.requests(), "\n"),
		"whichever of the two the engine looks for first")
}
