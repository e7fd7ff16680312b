package engine

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/rollback"
)

var (
	sign     = item{Kind: "pet", Name: "sign", Keeper: "1"}
	sign2    = item{Kind: "pet", Name: "sign", Keeper: "2"}
	password = item{Kind: "password", Name: "password", Keeper: "1"}
)

func TestRollbackAndForwardAgain(t *testing.T) {
	s := newShop(t)
	first := s.release("one", sign, password)
	before := s.outputs()
	assert.FileExists(t, filepath.Join(s.dir, ".slipway", "programs", first, "program"), "going back would have to compile")

	s.greet("good evening")
	s.release("two", sign2, password, item{Kind: "pet", Name: "lamp"})
	after := s.outputs()
	require.NotEqual(t, before["sign"], after["sign"])
	require.Equal(t, "good evening", after["greeting"])

	dry := s.to("1")
	dry.DryRun = true
	result := s.mustRollBack(dry)
	assert.False(t, result.Applied)
	assert.NotEmpty(t, result.Proposal.Changes())
	assert.Equal(t, after, s.outputs(), "a dry run changed something")
	assert.Len(t, s.history(), 2)

	// A schema that cannot go back is told whatever the engine thinks of it.
	unfit := errors.New("a migration between the two has dropped a column")
	refused := s.to("1")
	refused.Schema = func(_ context.Context, commit string) error {
		assert.Equal(t, first, commit)
		return unfit
	}
	s.refused(refused, unfit)
	assert.NotContains(t, s.git("worktree", "list"), "\n", "a worktree was left")

	// What the old program needs is brought beside the preview, and not being
	// able to bring it is a refusal.
	refused = s.to("1")
	refused.Prepare = func(context.Context, string, io.Writer) error { return unfit }
	s.refused(refused, unfit)

	brought := s.to("1")
	brought.Prepare = func(_ context.Context, worktree string, _ io.Writer) error {
		assert.DirExists(t, worktree)
		return nil
	}
	result = s.mustRollBack(brought)
	assert.True(t, result.Applied)
	t.Log(result.Phases)
	assert.Contains(t, phases(result), "images")
	back := s.outputs()
	assert.Equal(t, "hello", back["greeting"], "the recorded configuration")
	assert.NotContains(t, back, "lamp")
	assert.Equal(t, before["password"], back["password"], "what holds data stays")

	entries := s.history()
	require.Len(t, entries, 3)
	assert.Equal(t, first, entries[0].Commit)
	assert.Equal(t, 1, entries[0].RollbackTo)
	assert.Equal(t, history.Clean, entries[0].Tree)
	assert.Equal(t, "Rollback to 1: one", entries[0].Message)
	assert.True(t, entries[0].Good(), entries[0].Unfit())
	assert.Equal(t, "main", s.git("branch", "--show-current"), "the checkout itself stays as it was")
	assert.Empty(t, s.git("status", "--porcelain"))
	assert.NotContains(t, s.git("worktree", "list"), "\n", "a worktree was left")

	// Again: nothing to do, and no entry for it.
	assert.False(t, s.mustRollBack(s.to("1")).Applied)
	assert.Len(t, s.history(), 3)

	// A rollback is an update like any other: it can be rolled back.
	assert.True(t, s.mustRollBack(s.to("2")).Applied)
	assert.Equal(t, "good evening", s.outputs()["greeting"])
	assert.Contains(t, s.outputs(), "lamp")
	s.up()
	assert.Equal(t, map[string]int{"same": 5}, s.history()[0].Changes, "forward by hand finds everything there")
}

func TestRollbackRefusesToLoseData(t *testing.T) {
	guarded := item{Kind: "pet", Name: "guarded", Protect: true}
	for name, tc := range map[string]struct {
		old, today []item
		want       string
	}{
		"removed":       {[]item{sign}, []item{sign, password}, "delete random:index/randomPassword:RandomPassword password"},
		"replaced":      {[]item{{Kind: "password", Name: "password", Keeper: "0"}}, []item{password}, "cannot be changed in place: keepers"},
		"renamed":       {[]item{{Kind: "password", Name: "secret", Keeper: "1"}}, []item{password}, "delete random:index/randomPassword:RandomPassword password"},
		"renamed token": {[]item{{Kind: "password", Name: "password", Keeper: "1", In: "shop:old:Box"}}, []item{{Kind: "password", Name: "password", Keeper: "1", In: "shop:new:Box"}}, "delete random:index/randomPassword:RandomPassword password"},
		"protected":     {[]item{sign}, []item{sign, guarded}, "something the stack protects"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.release("one", tc.old...)
			s.release("today", tc.today...)
			assert.Contains(t, s.refused(s.to("1"), rollback.ErrData), tc.want)
		})
	}
}

func phases(result *rollback.Result) []string {
	var names []string
	for _, phase := range result.Phases {
		names = append(names, phase.Name)
	}
	return names
}
