package platform

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTemporaryFilesOfWhatIsRunDoNotStay(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cmd := exec.Command("/bin/sh", "-c", `echo key >"$TMPDIR/kubeconfig" && echo "$TMPDIR"`)
	var said bytes.Buffer
	cmd.Stdout = &said
	require.NoError(t, execute(cmd))
	require.True(t, strings.HasPrefix(said.String(), os.Getenv("TMPDIR")+"/"), "it wrote to %s", &said)
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// A directory of a command that was killed goes with the next; one of a command
// that runs does not.
func TestTemporaryFilesOfWhatWasKilledGoLater(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	killed := filepath.Join(os.TempDir(), temporaryPrefix+"1")
	require.NoError(t, os.Mkdir(killed, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(killed, "kubeconfig"), []byte("key"), 0o600))
	// Somebody else's pipe, which nobody writes to, is not waited for.
	require.NoError(t, unix.Mkfifo(filepath.Join(os.TempDir(), temporaryPrefix+"2"), 0o600))
	first, removeFirst, err := temporary()
	require.NoError(t, err)
	require.NoDirExists(t, killed)
	second, removeSecond, err := temporary()
	require.NoError(t, err)
	require.DirExists(t, first)
	removeFirst()
	require.NoDirExists(t, first)
	require.DirExists(t, second)
	removeSecond()
	require.NoDirExists(t, second)
}
