package history

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backend"
)

// after is the moment between the n-th entry of a shelf and the next.
func after(n int64) time.Time { return time.Unix(0, begin+(n-1)*hour+hour/2) }

func TestWhatWasCancelledIsToldFromWhatFailed(t *testing.T) {
	s := newShelf(t)
	require.NoError(t, NoteCancelled(t.Context(), s.stack, after(0)), "a stack without a history")
	s.add(fields{result: Failed})
	s.add(fields{result: Failed})
	require.NoError(t, NoteCancelled(t.Context(), s.stack, after(1)))
	s.add(fields{})
	require.NoError(t, NoteCancelled(t.Context(), s.stack, after(2)), "it succeeded before it could be stopped")
	s.add(fields{result: Failed})
	require.NoError(t, NoteCancelled(t.Context(), s.stack, after(4)), "what was stopped had recorded nothing")

	h := s.open()
	entries, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	var results []string
	for _, e := range entries {
		results = append(results, e.Result)
	}
	require.Equal(t, []string{Failed, Succeeded, Cancelled, Failed}, results)
	require.Equal(t, "that update was cancelled", entries[2].Unfit())
}

func TestANoteGoesWhereItsEntryGoes(t *testing.T) {
	s := newShelf(t)
	s.add(fields{result: Failed})
	require.NoError(t, NoteCancelled(t.Context(), s.stack, after(0)))
	s.add(fields{commit: commit("a"), dirty: "false"})

	dir := t.TempDir()
	other, err := backend.Open(t.Context(), "file://"+dir)
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, ".pulumi/stacks/shop"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, ".pulumi/stacks/shop/test.json"), sealed(""), 0o600))
	_, err = Backup(t.Context(), s.stack, other)
	require.NoError(t, err)
	copied, err := other.Stack("shop", "test")
	require.NoError(t, err)
	there, err := Open(t.Context(), copied)
	require.NoError(t, err)
	e, err := there.Entry(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, Cancelled, e.Result)

	h := s.open()
	entries, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.NoError(t, h.Prune(t.Context(), Retention{Last: 1}.Judge(entries)))
	left, err := s.stack.List(t.Context(), cancelledDir(s.stack))
	require.NoError(t, err)
	require.Empty(t, left)
}
