package engine

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/drift"
	"slipway.dev/slipway/internal/paths"
)

// TestLookingForDriftWritesNothing: whoever looks every night has no right to
// write to the backend, not even a lock.
func TestLookingForDriftWritesNothing(t *testing.T) {
	s := newShop(t)
	s.release("one", sign)
	backend := filepath.Join(paths.Pulumi(), ".pulumi")
	before := tree(t, backend)
	require.NotEmpty(t, before)
	s.greet("good evening")
	report, err := drift.Look(t.Context(), s.stack, io.Discard)
	require.NoError(t, err)
	require.Positive(t, report.Looked)
	require.Equal(t, before, tree(t, backend))

	// What writes is seen.
	require.NoError(t, s.stack.Refresh(t.Context(), io.Discard))
	require.NotEqual(t, before, tree(t, backend))
}
