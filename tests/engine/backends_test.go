package engine

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/rollback"
)

// clone is another checkout of the shop, with the same stack.
func (s *shop) clone() *shop {
	s.t.Helper()
	other := *s
	other.dir = filepath.Join(s.t.TempDir(), "clone")
	s.git("clone", "-q", s.dir, other.dir)
	other.open(s.stack.Name)
	return &other
}

// Two that begin at one moment, from two checkouts, so that nothing but the
// backend stands between them.
func TestOneOfTwoWritersProceeds(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, newShop func(t *testing.T) *shop) {
		s := newShop(t)
		first := s.release("one", many("1")...)
		want := s.outputs()["password"]
		s.greet("good evening")
		second := s.release("two", many("2")...)
		other := s.clone()
		for round, to := range []string{first, second, first} {
			results := make([]*rollback.Result, 2)
			errs := make([]error, 2)
			var both sync.WaitGroup
			for i, from := range []*shop{s, other} {
				both.Go(func() { results[i], errs[i] = from.to(to).Run(t.Context(), testWriter{t}) })
			}
			both.Wait()
			applied := 0
			for i := range results {
				if errs[i] == nil && results[i].Applied {
					applied++
				}
				if errs[i] != nil && !errors.Is(errs[i], lock.ErrHeld) {
					assert.ErrorIs(t, errs[i], rollback.ErrMoved)
				}
			}
			require.Equal(t, 1, applied, "round %d: %v", round, errs)
			newest := s.history()[:2]
			require.Equal(t, to, newest[0].Commit)
			require.NotEqual(t, to, newest[1].Commit, "round %d: both have written", round)
		}
		require.NoError(t, s.whole(first, want))
	})
}

// A plain pulumi that runs beside has a lock and no lease. It is waited for, and
// not disturbed.
func TestThePlainCommandHoldsTheStackToo(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, newShop func(t *testing.T) *shop) {
		s := newShop(t)
		first := s.release("one", many("1")...)
		want := s.outputs()["password"]
		s.release("two", many("2")...)
		s.stock(many("3")...)
		args := []string{"up", "--yes", "--skip-preview", "--stack", s.stack.Name}
		if s.stack.IsLocal() {
			args = append(args, "--config-file", filepath.Join(s.dir, ".slipway", "local", "Pulumi.local.yaml"))
		}
		plain := s.plain(args...)
		require.NoError(t, plain.Start())
		var held []lock.Lock
		eventually(t, "the plain command to take the lock", func() bool {
			held = s.locks()
			return len(held) > 0
		})
		assert.Nil(t, held[0].Lease)
		assert.NotEqual(t, lock.Dead, held[0].Life)
		waits := s.to("1")
		waits.Wait = 10 * time.Minute
		require.True(t, s.mustRollBack(waits).Applied)
		require.NoError(t, plain.Wait(), "it was disturbed")
		require.NoError(t, s.whole(first, want))
		require.Equal(t, []int{1, 0}, []int{s.history()[0].RollbackTo, s.history()[1].RollbackTo})
		require.Equal(t, history.Dirty, s.history()[1].Tree, "the plain command's own entry")
	})
}

// S3 that is away for a moment is waited for; one that stays away ends the
// rollback with an error that names it. Either way the next run converges.
func TestS3GoesAwayInTheMiddle(t *testing.T) {
	ways := map[string]bool{"for a moment": false}
	if patient {
		ways["for good"] = true
	}
	for name, forGood := range ways {
		t.Run(name, func(t *testing.T) {
			store := newServer(t)
			s := newShopIn(t, store.address())
			// Few: the engine tries for most of a minute to save what it does to
			// each before it gives up, one after the other.
			few := func(keeper string) []item {
				return []item{password, {Kind: "pet", Name: "sign", Keeper: keeper}, {Kind: "pet", Name: "lamp", Keeper: keeper}}
			}
			first := s.release("one", few("1")...)
			want := s.outputs()["password"]
			s.greet("good evening")
			s.release("two", few("2")...)

			p := s.process()
			eventually(t, "the engine to update", func() bool {
				for range 200 { // as often as can be: the moment is short
					if p.done() || len(s.locks()) > 0 {
						return true
					}
				}
				return false
			})
			require.False(t, p.done(), "the rollback ended before S3 could go: %v", p.err)
			store.stop()
			if !forGood {
				time.Sleep(3 * time.Second)
			} else {
				require.Error(t, p.wait())
				for what, err := range map[string]error{"history": historyOf(s), "rollback": rolledBack(s)} {
					require.ErrorContains(t, err, "s3://"+bucket, what)
					require.ErrorContains(t, err, "connection refused", what)
					require.NotContains(t, err.Error(), "correct+horse", what)
				}
			}
			store.start()
			_ = p.wait()
			_, err := s.to("1").Run(t.Context(), testWriter{t})
			require.NoError(t, err)
			require.NoError(t, s.wholeWith(first, want, len(few(""))))
		})
	}
}

func historyOf(s *shop) error {
	files, err := s.stack.Backend(s.t.Context())
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	_, err = history.Open(s.t.Context(), files)
	return err
}

func rolledBack(s *shop) error {
	_, err := s.to("1").Run(s.t.Context(), testWriter{s.t})
	return err
}

// A lease of the S3 stack says that the holder was this machine's; without one
// nobody can tell, and nothing is broken.
func TestOnS3ALockWithoutALeaseIsNotBroken(t *testing.T) {
	s := newShopIn(t, newServer(t).address())
	s.release("one", sign)
	s.release("two", sign2)
	files, err := s.stack.Backend(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, files.Close()) }()
	host, err := os.Hostname()
	require.NoError(t, err)
	key := files.LockDir() + "/gone.json"
	require.NoError(t, files.Write(t.Context(), key,
		[]byte(`{"pid":999999999,"username":"bob","hostname":"`+host+`","timestamp":"2026-01-02T03:04:05Z"}`)))
	text := s.refused(s.to("1"), lock.ErrHeld)
	require.Contains(t, text, "there may be several")
	require.Contains(t, text, "pulumi cancel")
	require.Contains(t, text, "bob@"+host)
	require.NoError(t, files.Delete(t.Context(), key))
	require.True(t, s.mustRollBack(s.to("1")).Applied)
}
