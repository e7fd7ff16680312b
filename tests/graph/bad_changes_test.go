package graph

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBadChangesFitTheSources: tests/engine holds each of the patches against
// the policies, which takes long. That a patch fits no more is known at once.
func TestBadChangesFitTheSources(t *testing.T) {
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	patches, err := filepath.Glob(filepath.Join(checkout, "tests", "engine", "testdata", "changes", "*.patch"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(patches), 30)
	for _, patch := range patches {
		cmd := exec.CommandContext(t.Context(), "git", "apply", "--check", patch)
		cmd.Dir = checkout
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s does not fit the sources; make it anew:\n%s", filepath.Base(patch), out)
	}
}
