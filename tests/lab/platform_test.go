//go:build lab

package lab

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

// TestFromNothingToNothing lives a platform's whole life on a lab of its own: no
// state, up, the printed curl line, smoke, destroy refused without a
// confirmation, destroy.
func TestFromNothingToNothing(t *testing.T) {
	s := here
	before := takePicture(t, s.state, s.run)
	said := strings.Split(strings.TrimSpace(s.must(t, "up")), "\n")
	line := strings.TrimSpace(said[len(said)-1])
	require.True(t, strings.HasPrefix(line, "curl "), "up ends with %q", line)
	curl := exec.CommandContext(t.Context(), "sh", "-c", line+" --silent --show-error --fail --max-time 60")
	curl.Dir = s.checkout
	answer, err := curl.CombinedOutput()
	require.NoError(t, err, "the line that up prints does not work: %s", answer)
	require.Contains(t, string(answer), `"items"`)

	s.must(t, "smoke")
	require.Contains(t, s.refused(t, "destroy"), "CONFIRM=local")
	s.must(t, "smoke") // a destroy that was refused has broken nothing

	s.must(t, "destroy", "--confirm", "local")
	resources, err := harness.Resources(s.state)
	require.NoError(t, err)
	require.Empty(t, resources, "destroying left resources in the state")
	require.NoDirExists(t, filepath.Join(s.state, "lab"), "destroying left the lab's data")
	require.NoFileExists(t, filepath.Join(s.checkout, ".slipway", "local", "ca.crt"))
	require.Empty(t, left(before, takePicture(t, s.state, s.run)), "destroying left something on the machine")
}
