package history

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backend"
)

// begin is the time of the first entry; each of the next is an hour later.
const begin = int64(1_790_000_000_000_000_000)

const hour = int64(3_600_000_000_000)

// commit is a full hash made of one digit.
func commit(digit string) string { return strings.Repeat(digit, 40) }

// fields is what a test says of an entry.
type fields struct {
	kind, result, commit, dirty, agent, replicas string
}

// shelf is a file backend under construction.
type shelf struct {
	t     testing.TB
	dir   string
	stack *backend.Stack
	n     int64
}

func newShelf(t testing.TB) *shelf {
	t.Helper()
	dir := t.TempDir()
	b, err := backend.Open(t.Context(), "file://"+dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	stack, err := b.Stack("shop", "test")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, stack.HistoryDir()), 0o700))
	return &shelf{t: t, dir: dir, stack: stack}
}

func (s *shelf) write(name string, content []byte) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, s.stack.HistoryDir(), name), content, 0o600))
}

func (s *shelf) add(f fields) {
	s.t.Helper()
	nanos := begin + s.n*hour
	s.n++
	environment := map[string]string{"pulumi.version": "v3.230.0", "git.author": "Ada"}
	for key, value := range map[string]string{"git.head": f.commit, "git.dirty": f.dirty, "exec.agent": f.agent} {
		if value != "" {
			environment[key] = value
		}
	}
	if f.kind == "" {
		f.kind = "update"
	}
	if f.result == "" {
		f.result = Succeeded
	}
	if f.replicas == "" {
		f.replicas = "2"
	}
	entry, err := json.Marshal(map[string]any{
		"kind": f.kind, "result": f.result, "startTime": nanos / 1e9, "endTime": nanos/1e9 + 7, "message": "change",
		"environment": environment, "resourceChanges": map[string]int{"same": 1},
		"config": map[string]any{"shop:replicas": f.replicas, "shop:key": map[string]string{"secure": "v1:abc"}},
	})
	require.NoError(s.t, err)
	s.write(fmt.Sprintf("test-%d.history.json", nanos), entry)
	s.write(fmt.Sprintf("test-%d.checkpoint.json", nanos), smallState())
}

// smallState is a state of one resource.
func smallState() []byte {
	return []byte(`{"version":3,"checkpoint":{"stack":"organization/shop/test","latest":{"manifest":{"version":"v3.230.0","magic":"x"},
 "resources":[{"urn":"urn:pulumi:test::shop::pulumi:pulumi:Stack::shop-test","type":"pulumi:pulumi:Stack"},
 {"urn":"urn:pulumi:test::shop::a:b:C::p","type":"a:b:C","custom":true,"id":"1"}]}}}`)
}

func (s *shelf) open() *History {
	s.t.Helper()
	h, err := Open(s.t.Context(), s.stack)
	require.NoError(s.t, err)
	return h
}

func numbers(entries []Entry) []int {
	out := make([]int, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.Number)
	}
	return out
}
