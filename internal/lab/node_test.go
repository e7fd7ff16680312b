package lab

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestPinsAreMountedOnce: nodes are made at the same time.
func TestPinsAreMountedOnce(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	l := &Lab{layout: layout{run: t.TempDir()}}
	dir := filepath.Join(l.run, "ns")
	t.Cleanup(func() {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil { //nolint:revive // as often as it is mounted
		}
	})
	var nodes sync.WaitGroup
	faults := make([]error, 16)
	for i := range faults {
		nodes.Go(func() { faults[i] = l.ensurePinDir() })
	}
	nodes.Wait()
	for _, err := range faults {
		require.NoError(t, err)
	}
	mounted, err := mountsBelow(l.run)
	require.NoError(t, err)
	require.Equal(t, []string{dir}, mounted)
}
