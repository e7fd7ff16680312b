package history

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backend"
)

func kept(verdicts []Verdict) map[int]string {
	out := map[int]string{}
	for _, v := range verdicts {
		if v.Keep {
			out[v.Entry.Number] = v.Why
		}
	}
	return out
}

func TestRetention(t *testing.T) {
	day := func(number, days int, digit string) Entry {
		return Entry{
			Number: number, Kind: "update", Result: Succeeded, Tree: Clean, Commit: commit(digit),
			Recorded: time.Unix(0, begin).Add(-time.Duration(days) * 24 * time.Hour),
		}
	}
	failed := day(9, 0, "f")
	failed.Result = Failed
	older := day(3, 9, "f")
	older.Result = Failed
	entries := []Entry{
		failed, day(8, 0, "8"), day(7, 0, "7"), day(6, 1, "6"), day(5, 1, "5"), day(4, 8, "4"), older, day(2, 9, "2"), day(1, 400, "1"),
	}
	for name, tc := range map[string]struct {
		rules Retention
		want  []int
	}{
		"nothing asked for":   {Retention{}, []int{9, 8}},
		"last two":            {Retention{Last: 2}, []int{9, 8, 7}},
		"days":                {Retention{Days: 2}, []int{9, 8, 6}},
		"weeks":               {Retention{Weeks: 10}, []int{9, 8, 6, 4}},
		"tagged, however old": {Retention{Tagged: map[string]bool{commit("1"): true}}, []int{9, 8, 1}},
		"more than there is":  {Retention{Last: 100}, []int{9, 8, 7, 6, 5, 4, 2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int
			for _, v := range tc.rules.Judge(entries) {
				if v.Keep {
					require.NotEmpty(t, v.Why)
					got = append(got, v.Entry.Number)
				}
			}
			require.Equal(t, tc.want, got)
		})
	}
	require.Empty(t, Retention{Last: 3}.Judge(nil))
}

func TestPruneKeepsNumbers(t *testing.T) {
	s := newShelf(t)
	for i := range 6 {
		s.add(fields{commit: commit(fmt.Sprint(i + 1)), dirty: "false"})
	}
	h := s.open()
	entries, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	verdicts := Retention{Last: 2, Tagged: map[string]bool{commit("2"): true}}.Judge(entries)
	require.Len(t, kept(verdicts), 3)
	require.NoError(t, h.Prune(t.Context(), verdicts))

	h = s.open()
	entries, err = h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, []int{6, 5, 2}, numbers(entries))
	require.Equal(t, commit("2"), entries[2].Commit)
	_, err = h.Entry(t.Context(), 3)
	require.ErrorContains(t, err, "it was deleted by `slipway history prune`")
	files, err := os.ReadDir(filepath.Join(s.dir, s.stack.HistoryDir()))
	require.NoError(t, err)
	require.Len(t, files, 6, "an entry and a state for each of three")

	s.add(fields{commit: commit("7"), dirty: "false"})
	newest, err := s.open().Newest(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, newest.Number)
	// And once more, on top of the tombstones.
	h = s.open()
	entries, err = h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.NoError(t, h.Prune(t.Context(), Retention{Last: 1}.Judge(entries)))
	entries, err = s.open().Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, []int{7}, numbers(entries))
}

func TestPruneThatWasKilledCountsNothingTwice(t *testing.T) {
	s := newShelf(t)
	for range 3 {
		s.add(fields{commit: commit("a"), dirty: "false"})
	}
	require.NoError(t, writePruned(t.Context(), s.stack, []int64{begin, begin + hour}))
	entries, err := s.open().Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, []int{3, 2, 1}, numbers(entries))
}

func TestBackups(t *testing.T) {
	s := newShelf(t)
	dir := filepath.Join(s.dir, ".pulumi", "backups", "shop", "test")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for i := range 5 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("test.%d.json", begin+int64(i))), nil, 0o600))
	}
	h := s.open()
	old, err := h.Backups(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, old, 3)
	require.NoError(t, h.DeleteBackups(t.Context(), old))
	left, err := h.Backups(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("test.%d.json", begin+3), left[0].Name())
	require.Len(t, left, 2)
	none, err := h.Backups(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, none)
}

// sealed is a state with a seal that fits.
func sealed(resources string) []byte {
	return fmt.Appendf(nil, `{"version":3,"checkpoint":{"stack":"organization/shop/test","latest":{"manifest":{"version":"v3.230.0","magic":"%x"},"resources":[%s]}}}`,
		sha256.Sum256([]byte("v3.230.0")), resources)
}

func TestVerify(t *testing.T) {
	const root = `{"urn":"urn:pulumi:test::shop::pulumi:pulumi:Stack::shop-test","type":"pulumi:pulumi:Stack"}`
	orphan := `{"urn":"urn:pulumi:test::shop::a:b:C::c","type":"a:b:C","parent":"urn:pulumi:test::shop::a:b:C::gone"}`
	for name, tc := range map[string]struct {
		state []byte
		want  string
	}{
		"sound":             {sealed(root), ""},
		"truncated":         {sealed(root)[:90], "unexpected end of JSON input"},
		"edited":            {[]byte(`{"version":3,"checkpoint":{"latest":{"manifest":{"version":"v3.230.0","magic":"0"}}}}`), "cut short or edited"},
		"another format":    {[]byte(`{"version":9,"checkpoint":{}}`), "unknown checkpoint version"},
		"parent is missing": {sealed(root + "," + orphan), "the parent of"},
		"twice":             {sealed(root + "," + root), "two resources are called"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.add(fields{commit: commit("a"), dirty: "false"})
			s.write(fmt.Sprintf("test-%d.checkpoint.json", begin), tc.state)
			faults, err := s.open().Verify(t.Context(), func(string) error { return nil })
			require.NoError(t, err)
			if tc.want == "" {
				require.Empty(t, faults)
				return
			}
			require.Len(t, faults, 1)
			require.Contains(t, faults[0].Fault, tc.want)
		})
	}
	t.Run("commit and clock", func(t *testing.T) {
		s := newShelf(t)
		s.add(fields{commit: commit("a"), dirty: "false"})
		s.write(fmt.Sprintf("test-%d.checkpoint.json", begin), sealed(root))
		s.write(fmt.Sprintf("test-%d.history.json", begin+1), []byte(`{"kind":"refresh","result":"succeeded","startTime":9,"endTime":8}`))
		faults, err := s.open().Verify(t.Context(), func(string) error { return errors.New("no such commit") })
		require.NoError(t, err)
		require.Len(t, faults, 3)
		require.True(t, faults[0].Doubt && faults[1].Doubt)
		require.Equal(t, Fault{Number: 1, Fault: "no such commit"}, faults[2])
	})
	t.Run("no state", func(t *testing.T) {
		s := newShelf(t)
		s.add(fields{commit: commit("a"), dirty: "false"})
		require.NoError(t, os.Remove(filepath.Join(s.dir, s.stack.HistoryDir(), fmt.Sprintf("test-%d.checkpoint.json", begin))))
		faults, err := s.open().Verify(t.Context(), func(string) error { return nil })
		require.NoError(t, err)
		require.Len(t, faults, 1)
		require.Contains(t, faults[0].Fault, "ended before it was copied")
	})
}

func TestBackupIsABackend(t *testing.T) {
	s := newShelf(t)
	s.add(fields{commit: commit("a"), dirty: "false"})
	to, err := backend.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	_, err = Backup(t.Context(), s.stack, to)
	require.ErrorIs(t, err, backend.ErrNotFound, "a stack without a state")

	state := filepath.Join(s.dir, ".pulumi", "stacks", "shop", "test.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(state), 0o700))
	require.NoError(t, os.WriteFile(state, sealed("")[:50], 0o600))
	_, err = Backup(t.Context(), s.stack, to)
	require.Error(t, err, "a state cut short")
	require.NoError(t, os.WriteFile(state, sealed(""), 0o600))
	require.NoError(t, s.stack.Write(t.Context(), s.stack.LockDir()+"/x.json", []byte("{}")))
	copied, err := Backup(t.Context(), s.stack, to)
	require.NoError(t, err)
	require.Equal(t, 3, copied)

	copyOf, err := to.Stack("shop", "test")
	require.NoError(t, err)
	h, err := Open(t.Context(), copyOf)
	require.NoError(t, err)
	require.Equal(t, 1, h.Len())
	raw, err := copyOf.Checkpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, sealed(""), raw)
	locks, err := copyOf.List(t.Context(), copyOf.LockDir())
	require.NoError(t, err)
	require.Empty(t, locks)

	_, err = Restore(t.Context(), copyOf, s.stack)
	require.ErrorIs(t, err, ErrInPlace)
	require.ErrorContains(t, err, ".pulumi/stacks/shop/test.json")
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, ".pulumi")))
	copied, err = Restore(t.Context(), copyOf, s.stack)
	require.NoError(t, err)
	require.Equal(t, 3, copied)
	again, err := os.ReadFile(state)
	require.NoError(t, err)
	require.Equal(t, sealed(""), again)
	require.Equal(t, 1, s.open().Len())
}
