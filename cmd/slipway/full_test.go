package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Everybody waits for this CLI to compile before anything else begins. What is
// linked only into the full one must not come back by an import.
func TestWhatEverybodyCompilesIsSmall(t *testing.T) {
	packages := func(tags string) string {
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, ".").Output()
		require.NoError(t, err)
		return string(out)
	}
	small, full := packages(""), packages("full")
	for _, heavy := range []string{"github.com/aws/", "slipway.dev/slipway/internal/simcloud"} {
		require.NotContains(t, small, "\n"+heavy)
		require.Contains(t, full, "\n"+heavy)
	}
	require.Less(t, strings.Count(small, "\n"), strings.Count(full, "\n")*2/3)
}
