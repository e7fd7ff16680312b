package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func open(t *testing.T, dir string) *Stack {
	t.Helper()
	b, err := Open(t.Context(), "file://"+dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	stack, err := b.Stack("shop", "test")
	require.NoError(t, err)
	return stack
}

// A full disk must not leave half a new object in the place of the old one.
func TestWhatCannotBeWrittenWholeIsNotWritten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a disk of its own, small enough to fill, takes root to mount")
	}
	dir := t.TempDir()
	const size = 1 << 20
	require.NoError(t, unix.Mount("slipway-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	stack := open(t, dir)
	require.NoError(t, stack.Write(t.Context(), "a/b.json", []byte("old")))
	err := stack.Write(t.Context(), "a/b.json", make([]byte, 2*size))
	require.ErrorIs(t, err, unix.ENOSPC)
	raw, err := stack.ReadRaw(t.Context(), "a/b.json")
	require.NoError(t, err)
	require.True(t, string(raw) == "old", "it is %d bytes of something else", len(raw))
	left, err := os.ReadDir(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.Len(t, left, 1, "a part of it was left")
}

func TestAStateThatWasCutShortNamesItsCopies(t *testing.T) {
	for name, state := range map[string]string{"half": `{"version":3,"check`, "empty": "", "compressed": "\x1f\x8b\x08\x00broken"} {
		t.Run(name, func(t *testing.T) {
			stack := open(t, t.TempDir())
			put := func(key, content string) { require.NoError(t, stack.Write(t.Context(), key, []byte(content))) }
			const key = ".pulumi/stacks/shop/test.json"
			put(key, state)
			_, err := stack.Checkpoint(t.Context())
			require.ErrorIs(t, err, ErrCutShort)
			require.ErrorContains(t, err, "no copy")
			put(key+".bak", "{")
			put(stack.HistoryDir()+"/test-1.checkpoint.json", "{}")
			put(stack.HistoryDir()+"/test-2.checkpoint.json", "{}")
			put(stack.HistoryDir()+"/test-2.history.json", "{}")
			put(".pulumi/backups/shop/test/test.1.json", "{}")
			_, err = stack.Checkpoint(t.Context())
			require.ErrorContains(t, err, "what it does not know: .pulumi/backups/shop/test/test.1.json, .pulumi/history/shop/test/test-2.checkpoint.json")
		})
	}
	stack := open(t, t.TempDir())
	_, err := stack.Checkpoint(t.Context())
	require.ErrorIs(t, err, ErrNotFound)
}

// What goes while its directory is read, as locks do, does not hide the rest.
func TestListingWhileFilesGo(t *testing.T) {
	dir := t.TempDir()
	stack := open(t, dir)
	require.NoError(t, stack.Write(t.Context(), "locks/stays.json", []byte("{}")))
	ended, stop := make(chan error, 1), make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			goes := filepath.Join(dir, "locks", "goes.json")
			if err := os.WriteFile(goes, nil, 0o600); err != nil {
				ended <- err
				return
			}
			if err := os.Remove(goes); err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 2000 {
		objects, err := stack.List(t.Context(), "locks")
		require.NoError(t, err)
		require.Contains(t, objects, Object{Key: "locks/stays.json", Size: 2})
	}
	close(stop)
	require.NoError(t, <-ended)
}
