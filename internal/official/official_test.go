package official

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOfficialPluginIsPreferred(t *testing.T) {
	home := t.TempDir()
	install := func(version string, mode os.FileMode) string {
		path := filepath.Join(home, "plugins", "resource-random-"+version, program("random"))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, mode))
		return path
	}
	found := func() string { return Plugin(home, "random", "4.21.2") }
	assert.Empty(t, found())
	install("v4.21.1", 0o755) // older than the SDK
	install("v5.0.0", 0o755)  // another major version
	install("vnonsense", 0o755)
	install("v4.30.0", 0o644) // not executable
	cut := install("v4.31.0", 0o755)
	require.NoError(t, os.WriteFile(filepath.Dir(cut)+".partial", nil, 0o600))
	assert.Empty(t, found())
	exactly := install("v4.21.2", 0o755)
	assert.Equal(t, exactly, found())
	newer := install("v4.22.0", 0o755)
	assert.Equal(t, newer, found())
	assert.Empty(t, Plugin(home, "aws", "4.21.2"))
}

func TestOfficialIsNotThisVeryProgram(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	home := t.TempDir()
	dir := filepath.Join(home, "plugins", "resource-random-v4.21.2")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.Symlink(self, filepath.Join(dir, program("random"))))
	assert.Empty(t, Plugin(home, "random", "4.21.2"))
}
