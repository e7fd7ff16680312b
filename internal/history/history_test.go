package history

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func TestPagesAreNewestFirst(t *testing.T) {
	s := newShelf(t)
	for range 5 {
		s.add(fields{commit: commit("a"), dirty: "false"})
	}
	h := s.open()
	for _, tc := range []struct {
		skip, limit int
		want        []int
	}{
		{0, 2, []int{5, 4}}, {2, 2, []int{3, 2}}, {4, 2, []int{1}}, {5, 2, []int{}}, {0, 0, []int{5, 4, 3, 2, 1}}, {-1, 1, []int{5}},
	} {
		page, err := h.Page(t.Context(), tc.skip, tc.limit)
		require.NoError(t, err)
		require.Equal(t, tc.want, numbers(page), "skip %d limit %d", tc.skip, tc.limit)
	}
}

func TestEntriesSayWhatPulumiRecorded(t *testing.T) {
	s := newShelf(t)
	s.add(fields{commit: commit("a"), dirty: "false"})
	s.add(fields{commit: commit("b"), dirty: "true", result: Failed})
	s.add(fields{})
	s.add(fields{commit: commit("c"), agent: Agent{Commit: commit("d"), RollbackTo: 1}.String()})
	s.add(fields{kind: "refresh", commit: commit("c"), agent: Agent{Commit: commit("d"), Dirty: true, By: "bob@yard"}.String()})
	entries, err := s.open().Page(t.Context(), 0, 0)
	require.NoError(t, err)
	type seen struct {
		commit string
		tree   Tree
		to     int
		unfit  string
	}
	var got []seen
	for _, e := range entries {
		got = append(got, seen{e.Commit, e.Tree, e.RollbackTo, e.Unfit()})
	}
	require.Equal(t, []seen{
		{commit("d"), Dirty, 0, "it is a refresh, which runs no program"},
		{commit("d"), Clean, 1, ""},
		{"", Unknown, 0, "it names no commit"},
		{commit("b"), Dirty, 0, "that update failed"},
		{commit("a"), Clean, 0, ""},
	}, got)
	first := entries[4]
	require.Equal(t, "Ada", first.Who)
	require.Empty(t, first.RanBy)
	require.Equal(t, []string{"Ada", "bob@yard"}, []string{entries[0].Who, entries[0].RanBy}, "one wrote it, another ran it")
	require.Equal(t, 7, first.Seconds)
	require.Equal(t, map[string]int{"same": 1}, first.Changes)
	require.Equal(t, "v3.230.0", first.CLI)
	require.Equal(t, begin, first.Recorded.UnixNano())
	require.Len(t, first.Config, 2)
}

// Who ran it is known without a commit as well, and then changes nothing else.
func TestWhoRanItWithoutACommit(t *testing.T) {
	s := newShelf(t)
	s.add(fields{kind: "destroy", commit: commit("c"), dirty: "false", agent: Agent{By: "bob@yard"}.String()})
	entries, err := s.open().Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, commit("c"), entries[0].Commit)
	require.Equal(t, Clean, entries[0].Tree)
	require.Equal(t, "bob@yard", entries[0].RanBy)
}

func TestProvidersOfAPage(t *testing.T) {
	s := newShelf(t)
	s.add(fields{})
	s.add(fields{})
	s.write(fmt.Sprintf("test-%d.checkpoint.json", begin+hour), []byte(`{"version":3,"checkpoint":{"latest":{"resources":[
		{"urn":"urn:pulumi:test::shop::pulumi:providers:random::p","type":"pulumi:providers:random","inputs":{"version":"4.21.2"}}]}}}`))
	s.write(fmt.Sprintf("test-%d.checkpoint.json", begin), []byte("{"))
	h := s.open()
	entries, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Empty(t, entries[0].Providers, "read although nobody asked")
	require.NoError(t, h.ReadProviders(t.Context(), entries))
	require.Equal(t, map[string]string{"random": "4.21.2"}, entries[0].Providers)
	require.Empty(t, entries[1].Providers)
}

func TestCompressedEntriesAreRead(t *testing.T) {
	s := newShelf(t)
	plain := []byte(`{"kind":"update","result":"succeeded","environment":{"git.head":"` + commit("e") + `","git.dirty":"false"}}`)
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, err := writer.Write(plain)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	s.write("test-10.history.json.gz", zipped.Bytes())
	s.write("test-20.history.json.zst", encoder.EncodeAll(plain, nil))
	entries, err := s.open().Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		require.Equal(t, commit("e"), e.Commit)
		require.Empty(t, e.Fault)
	}
}

func TestBrokenFilesKeepTheirNumberAndNameTheirFault(t *testing.T) {
	s := newShelf(t)
	s.add(fields{commit: commit("a"), dirty: "false"})
	for i, content := range []string{"", "{", `{"kind":"upd`, "[]", "\x1f\x8b\x08\x00broken", `{"kind":"update"}`} {
		s.write(fmt.Sprintf("test-%d.history.json", begin+int64(i+1)), []byte(content))
	}
	// Neither of these is an entry of this stack.
	s.write("other-17.history.json", []byte("{}"))
	s.write("test-x.history.json", []byte("{}"))
	s.write("test--1.history.json", []byte("{}"))
	s.write("test-99.checkpoint.json", []byte("{}"))
	h := s.open()
	entries, err := h.Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, []int{7, 6, 5, 4, 3, 2, 1}, numbers(entries))
	for _, e := range entries[:6] {
		require.NotEmpty(t, e.Fault)
		require.Contains(t, e.Unfit(), "cannot be read")
	}
	good, err := h.LastGood(t.Context())
	require.ErrorIs(t, err, ErrNoEntry, "%d is the only good entry and the newest", good.Number)
}

func TestFind(t *testing.T) {
	s := newShelf(t)
	s.add(fields{commit: commit("1"), dirty: "false"})                 // 1
	s.add(fields{commit: commit("b"), dirty: "false"})                 // 2
	s.add(fields{commit: commit("b"), dirty: "false"})                 // 3
	s.add(fields{commit: commit("b"), dirty: "false", result: Failed}) // 4
	s.add(fields{commit: commit("c"), dirty: "true"})                  // 5
	h := s.open()
	for what, want := range map[string]int{
		"1": 1, "#4": 4, " 5 ": 5, "bbbbbbb": 3, commit("b"): 3, "1111111": 1,
	} {
		e, err := h.Find(t.Context(), what)
		require.NoError(t, err, what)
		require.Equal(t, want, e.Number, what)
	}
	for what, want := range map[string]string{
		"0": "they go from 1 to 5", "6": "they go from 1 to 5", "99999999999999999999": "no such entry",
		"": "give a number", "-1": "give a number", "HEAD": "give a number", "bbbb": "give a number",
		"ddddddd": "no such entry", "ccccccc": "the newest is 5, and its checkout had changes",
	} {
		_, err := h.Find(t.Context(), what)
		require.ErrorIs(t, err, ErrNoEntry, what)
		require.ErrorContains(t, err, want, what)
	}
}

func TestLastGood(t *testing.T) {
	good := func(digit string) fields { return fields{commit: commit(digit), dirty: "false"} }
	failed := func(digit string) fields {
		return fields{commit: commit(digit), dirty: "false", result: Failed}
	}
	back := func(digit string, to int) fields {
		return fields{agent: Agent{Commit: commit(digit), RollbackTo: to}.String()}
	}
	for name, tc := range map[string]struct {
		entries []fields
		want    int // zero for none
	}{
		"never updated":                           {nil, 0},
		"never succeeded":                         {[]fields{failed("a"), failed("a")}, 0},
		"only one":                                {[]fields{good("a")}, 0},
		"the one before":                          {[]fields{good("a"), good("b")}, 1},
		"same again":                              {[]fields{good("a"), good("b"), good("b")}, 1},
		"failed after good":                       {[]fields{good("a"), good("b"), failed("c")}, 2},
		"failed, same commit":                     {[]fields{good("a"), good("b"), failed("b")}, 2},
		"other configuration":                     {[]fields{good("a"), {commit: commit("a"), dirty: "false", replicas: "9"}}, 1},
		"dirty between":                           {[]fields{good("a"), {commit: commit("b"), dirty: "true"}, good("c")}, 1},
		"refreshes do not count":                  {[]fields{good("a"), good("b"), {kind: "refresh", commit: commit("b")}}, 1},
		"after a rollback, further back":          {[]fields{good("a"), good("b"), good("c"), back("b", 2)}, 1},
		"after a rollback, no way":                {[]fields{good("a"), good("b"), back("a", 1)}, 0},
		"after a failed rollback":                 {[]fields{good("a"), good("b"), {agent: Agent{Commit: commit("a"), RollbackTo: 1}.String(), result: Failed}}, 2},
		"a rollback to itself leads round no way": {[]fields{good("a"), back("a", 2)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			for _, f := range tc.entries {
				s.add(f)
			}
			e, err := s.open().LastGood(t.Context())
			if tc.want == 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, e.Number)
		})
	}
}

// A clock that went backwards changes the order, as it does for Pulumi, but
// nothing is lost or read twice.
func TestClockThatWentBackwards(t *testing.T) {
	s := newShelf(t)
	s.add(fields{commit: commit("a"), dirty: "false"})
	s.add(fields{commit: commit("b"), dirty: "false"})
	s.write(fmt.Sprintf("test-%d.history.json", begin+hour/2),
		[]byte(`{"kind":"update","result":"succeeded","startTime":20,"endTime":10,"environment":{"git.head":"`+commit("c")+`","git.dirty":"false"}}`))
	entries, err := s.open().Page(t.Context(), 0, 0)
	require.NoError(t, err)
	require.Equal(t, []int{3, 2, 1}, numbers(entries))
	require.Equal(t, commit("c"), entries[1].Commit)
	require.Equal(t, -10, entries[1].Seconds)
}

func TestAgentRoundTrip(t *testing.T) {
	for _, a := range []Agent{{Commit: commit("a")}, {Commit: commit("a"), Dirty: true}, {Commit: commit("0"), RollbackTo: 17}, {Commit: commit("a"), Dirty: true, By: "ada@yard"}, {By: "ada lovelace+x@yard"}, {}} {
		got, ok := parseAgent(a.String())
		require.True(t, ok, a)
		require.Equal(t, a, got)
	}
	for _, text := range []string{"", "slipway+by-", "slipway@abc", "other@" + commit("a"), "slipway@" + commit("a") + "+x"} {
		_, ok := parseAgent(text)
		require.False(t, ok, text)
	}
}

// BenchmarkPage lists 10,000 entries and reads the newest twenty, as
// `slipway history` does.
func TestTenThousandEntriesArePagedWithoutGap(t *testing.T) {
	s := newShelf(t)
	const many = 10_000
	entry := []byte(`{"kind":"update","result":"succeeded"}`)
	for i := range int64(many) {
		s.write(fmt.Sprintf("test-%d.history.json", begin+i*hour), entry)
	}
	h := s.open()
	require.Equal(t, many, h.Len())
	next := many
	const size = 333
	for skip := 0; ; skip += size {
		page, err := h.Page(t.Context(), skip, size)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			require.Equal(t, next, e.Number)
			next--
		}
	}
	require.Zero(t, next)
	last, err := h.Entry(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, begin, last.Recorded.UnixNano())
}

func BenchmarkPage(b *testing.B) {
	s := newShelf(b)
	for range 10_000 {
		s.add(fields{commit: commit("a"), dirty: "false"})
	}
	for b.Loop() {
		h, err := Open(b.Context(), s.stack)
		if err != nil {
			b.Fatal(err)
		}
		entries, err := h.Page(b.Context(), 0, 20)
		if err != nil || len(entries) != 20 || entries[0].Number != 10_000 {
			b.Fatal(len(entries), err)
		}
	}
}
