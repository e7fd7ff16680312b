package engine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/rollback"
)

func TestTwoRollbacksAtOnce(t *testing.T) {
	s := newShop(t)
	first := s.release("one", many("1")...)
	want := s.outputs()["password"]
	s.greet("good evening")
	s.release("two", many("2")...)
	// One after the other got the kernel's lock, or the other is told.
	results := make([]error, 2)
	var both sync.WaitGroup
	for i := range results {
		both.Go(func() { _, results[i] = s.to("1").Run(t.Context(), io.Discard) })
	}
	both.Wait()
	refused := 0
	for _, err := range results {
		if err != nil {
			require.ErrorIs(t, err, rollback.ErrBusy)
			refused++
		}
	}
	require.LessOrEqual(t, refused, 1)
	require.NoError(t, s.whole(first, want))
	good := 0
	for _, e := range s.history() {
		if e.RollbackTo == 1 {
			good++
		}
	}
	require.Equal(t, 1, good, "exactly one went back")
}

// A living writer is not disturbed, whatever the checkout it works from.
func TestRollbackWaitsForNobodyUnlessTold(t *testing.T) {
	s := newShop(t)
	s.release("one", sign)
	s.release("two", sign2)
	files, err := s.stack.Backend(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, files.Close()) }()
	key := files.LockDir() + "/elsewhere.json"
	require.NoError(t, files.Write(t.Context(), key, []byte(`{"pid":1,"username":"bob","hostname":"elsewhere","timestamp":"2026-01-02T03:04:05Z"}`)))
	require.Contains(t, s.refused(s.to("1"), lock.ErrHeld), "bob@elsewhere (pid 1) since 2026-01-02T03:04:05Z")
	require.NoError(t, files.Delete(t.Context(), key))
	require.True(t, s.mustRollBack(s.to("1")).Applied)
}

func newest(entries []history.Entry) history.Entry { return entries[0] }

func TestBadInputsOfARollback(t *testing.T) {
	s := newShop(t)
	_, err := s.to("1").Run(t.Context(), io.Discard)
	require.ErrorIs(t, err, history.ErrEmpty)

	// A program that never worked.
	s.file("shop.json", "[")
	s.commit("broken")
	require.Error(t, s.stack.Apply(t.Context(), io.Discard, platform.Updating{Doing: "up"}))
	_, err = (&rollback.Rollback{Stack: s.stack, Find: rollback.ToLastGood}).Run(t.Context(), io.Discard)
	require.ErrorIs(t, err, history.ErrNoEntry)
	_, err = s.to("1").Run(t.Context(), io.Discard)
	require.ErrorIs(t, err, rollback.ErrUnfit)
	require.ErrorContains(t, err, "that update failed")

	s.stock(sign)
	s.up()
	require.Contains(t, s.refused(s.to("2"), rollback.ErrUnfit), "changes that no commit holds")
	s.release("good", sign)
	s.release("better", sign2)
	for what, want := range map[string]string{"0": "they go from 1 to 4", "5": "they go from 1 to 4", "abcdef0": "no such entry", "main": "give a number"} {
		assert.Contains(t, s.refused(s.to(what), history.ErrNoEntry), want)
	}

	// Rebased away, and collected.
	gone := newest(s.history()[1:])
	s.git("checkout", "-q", "--orphan", "other")
	s.git("commit", "-q", "-m", "all anew")
	s.git("branch", "-D", "main")
	s.git("reflog", "expire", "--expire=now", "--all")
	s.git("gc", "-q", "--prune=now")
	_, err = s.to("3").Run(t.Context(), io.Discard)
	require.ErrorContains(t, err, gone.Commit)
	require.ErrorContains(t, err, "it may have been rebased away")

	// No repository at all.
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, ".git")))
	_, err = s.to("3").Run(t.Context(), io.Discard)
	require.ErrorContains(t, err, "not in a git repository")
	s.up()
	last := newest(s.history())
	assert.Equal(t, "it names no commit", last.Unfit())

	// The passphrase is gone. Another one would open nothing, so none is drawn,
	// with a salt to show that there was one or without.
	passphrase := filepath.Join(paths.Pulumi(), "passphrase")
	kept := filepath.Join(t.TempDir(), "passphrase")
	require.NoError(t, os.Rename(passphrase, kept))
	for _, lost := range []string{passphrase, filepath.Join(paths.Pulumi(), "local.salt")} {
		require.NoError(t, os.RemoveAll(lost))
		err = s.stack.Prepare(t.Context(), testWriter{t})
		require.ErrorIs(t, err, platform.ErrNoPassphrase)
		require.ErrorContains(t, err, passphrase)
		require.NoFileExists(t, passphrase)
	}
	require.NoError(t, os.Rename(kept, passphrase))
	s.up()
}

// A disk without room is found before anything is changed. One that fills up
// in the middle leaves half a state, which is named with the copies of it.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a disk of its own, small enough to fill, takes root to mount")
	}
	s := layOutShop(t, binTools(bench.bin))
	require.NoError(t, os.MkdirAll(paths.Pulumi(), 0o700))
	const size = 16 << 20
	require.NoError(t, unix.Mount("slipway-test", paths.Pulumi(), "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(paths.Pulumi(), unix.MNT_DETACH)) })
	s.open(platform.Local)
	first := s.release("one", many("1")...)
	want := s.outputs()["password"]
	s.greet("good evening")
	s.release("two", many("2")...)

	ballast := filepath.Join(paths.Pulumi(), "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, size-(2<<20)), 0o600))
	require.Contains(t, s.refused(s.to("1"), platform.ErrNoRoom), paths.Pulumi())
	require.NoError(t, os.Remove(ballast))

	state := filepath.Join(paths.Pulumi(), ".pulumi", "stacks", "shop", "local.json")
	whole, err := os.ReadFile(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(state, whole[:len(whole)/2], 0o600))
	_, err = s.to("1").Run(t.Context(), testWriter{t})
	require.ErrorIs(t, err, backend.ErrCutShort)
	require.ErrorContains(t, err, ".pulumi/stacks/shop/local.json in file://"+paths.Pulumi())
	newest := fmt.Sprintf(".pulumi/history/shop/local/local-%d.checkpoint.json", s.history()[0].Recorded.UnixNano())
	require.ErrorContains(t, err, newest)
	half, err := os.ReadFile(state)
	require.NoError(t, err)
	require.Len(t, half, len(whole)/2, "it was touched")

	// What it says works.
	copied, err := os.ReadFile(filepath.Join(paths.Pulumi(), newest))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(state, copied, 0o600))
	require.True(t, s.mustRollBack(s.to("1")).Applied)
	require.NoError(t, s.whole(first, want))
}
