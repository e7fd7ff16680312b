package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/history"
)

func TestALengthenedHistoryIsReadAsOne(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"stacks/slipway/local.json":                                       `{"version":3}`,
		"history/slipway/local/local-1700000000000000000.history.json":    `{"kind":"update","result":"failed"}`,
		"history/slipway/local/local-1700000000000000000.checkpoint.json": `{"version":3,"checkpoint":{}}`,
		"history/slipway/local/local-1800000000000000000.history.json":    `{"kind":"update","result":"succeeded"}`,
		"history/slipway/local/local-1800000000000000000.checkpoint.json": `{"version":3,"checkpoint":{"stack":"newest"}}`,
	} {
		place := filepath.Join(from, ".pulumi", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(place), 0o700))
		require.NoError(t, os.WriteFile(place, []byte(text), 0o600))
	}
	const n = 50
	require.NoError(t, lengthen(from, to, n))
	files, err := backend.Open(t.Context(), "file://"+to)
	require.NoError(t, err)
	defer func() { require.NoError(t, files.Close()) }()
	stack, err := files.Stack("slipway", "local")
	require.NoError(t, err)
	h, err := history.Open(t.Context(), stack)
	require.NoError(t, err)
	require.Equal(t, n, h.Len())
	entries, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, history.Succeeded, e.Result)
		raw, err := h.Checkpoint(t.Context(), e)
		require.NoError(t, err)
		require.Contains(t, string(raw), "newest")
	}
	_, err = stack.Checkpoint(t.Context())
	require.NoError(t, err)
	require.Error(t, lengthen(t.TempDir(), t.TempDir(), n), "there is nothing to copy")
}

// The phases are read from what the command prints.
func TestPhasesAreRead(t *testing.T) {
	text := "going back to entry 1\n" + fmt.Sprintf("  %-12s %6.1f s\n", "verification", 12.34) + "  creating (0.2 s)\n" + fmt.Sprintf("  %-12s %6.1f s%s\n", "lock", 0.0, "  beside the parts around it")
	require.Equal(t, [][]string{{"  verification   12.3 s", "verification", "12.3"}, {"  lock            0.0 s  beside the parts around it", "lock", "0.0"}}, phaseLine.FindAllStringSubmatch(text, -1))
}
