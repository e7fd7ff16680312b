package toolchain

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/machine"
)

func TestLanesFollowCoresAndMemory(t *testing.T) {
	for _, c := range []struct {
		cores  int
		memory uint64
		want   int
	}{
		{1, 64 * machine.GiB, 1}, {2, 24 * machine.GiB, 2}, {2, 7 * machine.GiB, 1}, {8, 16 * machine.GiB, 4}, {4, machine.GiB, 1}, {0, 0, 1},
	} {
		require.Equal(t, c.want, lanes(c.cores, c.memory), "%d cores, %d bytes", c.cores, c.memory)
	}
}

func TestDisksAreAddedUpAndEveryShortOneIsReported(t *testing.T) {
	disks := map[string]machine.Disk{
		"/a": {ID: unix.Fsid{Val: [2]int32{1}}, Free: 2000 << 20},
		"/b": {ID: unix.Fsid{Val: [2]int32{1}}, Free: 2000 << 20},
		"/c": {ID: unix.Fsid{Val: [2]int32{2}}, Free: 100 << 20},
		"/d": {ID: unix.Fsid{Val: [2]int32{3}}, Free: 100000 << 20, ReadOnly: true},
	}
	diskOf := func(dir string) (machine.Disk, error) { return disks[dir], nil }
	for _, c := range []struct {
		name  string
		needs []need
		says  []string
	}{
		{"enough", []need{{"x", "/a", 700}, {"y", "/b", 700}}, nil},
		{"two needs share a disk", []need{{"x", "/a", 800}, {"y", "/b", 800}}, []string{"2000 MiB of disk are free, 2100 are needed", "800 MiB for x in /a", "800 MiB for y in /b"}},
		{"two disks are short", []need{{"x", "/a", 1900}, {"y", "/c", 1}}, []string{"2400 are needed", "100 MiB of disk are free, 501 are needed"}},
		{"read-only", []need{{"x", "/d", 1}}, []string{"/d, for x, is on a read-only file system"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := checkDisks(diskOf, c.needs)
			if c.says == nil {
				require.NoError(t, err)
			}
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}

func TestTooLittleMemoryIsSaid(t *testing.T) {
	require.NoError(t, checkMemory(machine.Memory{Available: 4 * machine.GiB}, 3700))
	require.ErrorContains(t, checkMemory(machine.Memory{Available: 2 * machine.GiB}, 3700), "2048 MiB of memory are free, the largest link needs 3700")
}

func TestRoomIsCheckedBeforeAnythingIsBuilt(t *testing.T) {
	c := fakeChain(t, program)
	// A file system that can never be written.
	c.cache = "/proc/slipway"
	err := c.Ensure(t.Context(), "coredns")
	require.ErrorIs(t, err, ErrNoRoom)
	require.ErrorContains(t, err, "SLIPWAY_CACHE")
}
