package engine

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/difference"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/internal/revision"
)

// What the real engine writes is what the history reads: entries, states that
// are sound, renames, and a copy that pulumi opens.
func TestHistoryOfTheRealEngine(t *testing.T) {
	s := newShop(t)
	s.release("one", sign, password)
	s.release("two", item{Kind: "pet", Name: "board", Keeper: "1", Alias: "sign"}, password)
	s.stock(item{Kind: "pet", Name: "board", Keeper: "3"}, password)
	s.up() // not committed
	files, err := s.stack.Backend(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, files.Close()) }()
	h, err := history.Open(t.Context(), files)
	require.NoError(t, err)

	faults, err := h.Verify(t.Context(), func(commit string) error {
		_, err := revision.Find(t.Context(), s.dir, commit)
		return err
	})
	require.NoError(t, err)
	assert.Empty(t, faults)
	entries := s.history()
	assert.Equal(t, []bool{false, true, true}, []bool{entries[0].Good(), entries[1].Good(), entries[2].Good()})
	assert.Equal(t, history.Dirty, entries[0].Tree)
	assert.Equal(t, "Ada", entries[1].Who)
	assert.Equal(t, "two", entries[1].Message)

	states := make([]*checkpoint.State, len(entries))
	for i, e := range entries {
		raw, err := h.Checkpoint(t.Context(), e)
		require.NoError(t, err)
		states[i], err = checkpoint.Parse(raw)
		require.NoError(t, err)
	}
	assert.Equal(t, map[string]string{"random": "4.21.2"}, states[0].Providers())
	changes := map[string]difference.Change{}
	for _, d := range difference.Compare(states[2], states[1]) {
		changes[d.Name] = d.Change
		assert.Empty(t, d.Holds, d.Name)
	}
	assert.Equal(t, difference.Renamed, changes["board"])
	assert.NotContains(t, changes, "password")
	assert.NotContains(t, changes, "sign")

	// The drill: a copy, opened by the real CLI.
	copied := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.MkdirAll(copied, 0o700))
	to, err := backend.Open(t.Context(), "file://"+copied)
	require.NoError(t, err)
	_, err = history.Backup(t.Context(), files, to)
	require.NoError(t, err)
	cmd := exec.Command(filepath.Join(bench.bin, "pulumi"), "stack", "output", "password", "--show-secrets", "--stack", "local")
	cmd.Dir = s.dir
	exports, err := s.stack.Exports()
	require.NoError(t, err)
	cmd.Env = append(append(os.Environ(), exports...), "PULUMI_BACKEND_URL=file://"+copied)
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Equal(t, s.outputs()["password"], string(out[:len(out)-1]))

	// What is pruned goes, and a rollback to what stays works.
	all, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.NoError(t, h.Prune(t.Context(), history.Retention{Last: 1}.Judge(all)))
	assert.Len(t, s.history(), 2)
	assert.True(t, s.mustRollBack(s.to("2")).Applied)
	assert.Equal(t, 4, s.history()[0].Number)
}

// An update that somebody interrupts is told from one that fails, and the next
// goes on from it.
func TestACancelledUpdateIsToldAsCancelled(t *testing.T) {
	s := newShop(t)
	s.release("one", password)
	s.stock(many("1")...)
	s.commit("two")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() { ended <- s.stack.Apply(ctx, testWriter{t}, platform.Updating{Doing: "up"}) }()
	eventually(t, "the update to begin", func() bool { return len(s.locks()) > 0 })
	interrupt()
	require.ErrorIs(t, <-ended, context.Canceled)
	newest := s.history()[0]
	require.Equal(t, history.Cancelled, newest.Result)
	require.Equal(t, "two", newest.Message)

	s.up()
	require.Equal(t, history.Succeeded, s.history()[0].Result)
	s.stock(item{Kind: "pet", Name: "twin"}, item{Kind: "pet", Name: "twin"})
	require.Error(t, s.stack.Apply(t.Context(), testWriter{t}, platform.Updating{Doing: "up"}))
	require.Equal(t, history.Failed, s.history()[0].Result, "nobody cancelled it")
}

// The drill: a backend is lost, the copy is put back, and the stack goes on as if
// nothing had happened, rollbacks included.
func TestABackupIsPutBack(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, newShop func(t *testing.T) *shop) {
		s := newShop(t)
		first := s.release("one", many("1")...)
		s.release("two", many("2")...)
		outputs, entries := s.outputs(), s.history()
		files, err := s.stack.Backend(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, files.Close()) }()
		place, err := backend.Open(t.Context(), "file://"+t.TempDir())
		require.NoError(t, err)
		copied, err := history.Backup(t.Context(), files, place)
		require.NoError(t, err)
		from, err := place.Stack(files.Project, files.Name)
		require.NoError(t, err)
		_, err = history.Restore(t.Context(), from, files)
		require.ErrorIs(t, err, history.ErrInPlace)

		// All but the passphrase, which is kept elsewhere.
		require.NoError(t, os.RemoveAll(filepath.Join(paths.Pulumi(), "local.salt")))
		for _, dir := range []string{".pulumi", ".pulumi/stacks/" + files.Project, files.HistoryDir(), files.OwnDir(), ".pulumi/backups/" + files.Project + "/" + files.Name} {
			objects, err := files.List(t.Context(), dir)
			require.NoError(t, err)
			for _, o := range objects {
				require.NoError(t, files.Delete(t.Context(), o.Key))
			}
		}
		_, err = files.Checkpoint(t.Context())
		require.ErrorIs(t, err, backend.ErrNotFound)
		restored, err := history.Restore(t.Context(), from, files)
		require.NoError(t, err)
		require.Equal(t, copied, restored)

		require.NoError(t, s.stack.Prepare(t.Context(), testWriter{t}))
		require.Equal(t, outputs, s.outputs())
		require.Equal(t, entries, s.history())
		s.up()
		require.Equal(t, map[string]int{"same": len(many("2")) + 2}, s.history()[0].Changes, "it is not the state as it was")
		require.True(t, s.mustRollBack(s.to(first)).Applied)
	})
}

// Two previews of the same thing have one hash, an update that is held to the
// plan does it, and one that was planned for another program does not.
func TestPlans(t *testing.T) {
	s := newShop(t)
	s.release("one", sign, password)
	s.stock(sign2, password)
	plan := func() (string, string) {
		file := filepath.Join(t.TempDir(), "plan.json")
		p, err := s.stack.Propose(t.Context(), io.Discard, platform.Proposing{Plan: file})
		require.NoError(t, err)
		require.Len(t, p.Changes(), 1)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, json.Valid(raw))
		hash, err := proposal.Hash(raw)
		require.NoError(t, err)
		return file, hash
	}
	first, hash := plan()
	_, again := plan()
	require.Equal(t, hash, again)
	s.stock(sign, item{Kind: "password", Name: "password", Keeper: "2"})
	_, other := plan()
	require.NotEqual(t, hash, other)
	before := s.outputs()
	require.Error(t, s.stack.Apply(t.Context(), io.Discard, platform.Updating{Doing: "up", Plan: first}), "another program than planned")
	require.Equal(t, before["password"], s.outputs()["password"])
	s.stock(sign2, password)
	require.NoError(t, s.stack.Apply(t.Context(), testWriter{t}, platform.Updating{Doing: "up", Plan: first}))
	require.NotEqual(t, before["sign"], s.outputs()["sign"])
}
