package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The file is of a run of scripts/app-test bench --json, samples left
// out, on a busy machine.
func TestComparisonIsRead(t *testing.T) {
	result, err := readComparison(filepath.Join("testdata", "comparison.json"))
	require.NoError(t, err)
	figures := result.figures()
	require.Len(t, figures, 9)
	require.Equal(t, figure{"app alone, one worker, one-row read", "3507 requests/s, p50 2.0 ms, p99 143.9 ms, 88 µs of processor each", ""}, figures[0])
	require.Equal(t, figure{"app to bare, median of pairs, one-row read", "1.46", "0.5"}, figures[2])
}

func TestComparisonWithoutFiguresIsRefused(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "comparison.json"))
	require.NoError(t, err)
	without := func(name string) string { return strings.ReplaceAll(string(whole), strconv.Quote(name), `"other"`) }
	for name, text := range map[string]string{
		"not JSON": "read 7000/s", "empty": `{}`,
		"a workload missing": without("create"), "an app missing": without("bare"),
		"rate missing": without("rate"), "latency missing": without("p99"), "ratio missing": without("ratio"),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "comparison.json")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			_, err := readComparison(file)
			require.ErrorContains(t, err, "comparison of the app with a bare one")
		})
	}
}
