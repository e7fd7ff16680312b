package engine

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/rollback"
	"slipway.dev/slipway/internal/simcloud"
)

func namespace(name string) item {
	return item{Kind: "object", Name: "namespace-" + name, Type: "kubernetes:core/v1:Namespace", Inputs: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
}

const postgresToken = "shop:postgres:Cluster"

// database is a StatefulSet in a component, with a claim for its backups.
// change edits the StatefulSet's metadata and specification.
func database(token, name string, change func(metadata, spec map[string]any)) []item {
	labels := map[string]any{"app": "postgres"}
	metadata := map[string]any{"name": "postgres", "namespace": "database"}
	claim := func(name string) map[string]any {
		return map[string]any{
			"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": name}},
		}
	}
	spec := map[string]any{
		"replicas": 3.0, "serviceName": "postgres", "podManagementPolicy": "Parallel", "selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "postgres", "image": "registry.test/postgres:15"}}},
		},
		"volumeClaimTemplates": []any{map[string]any{"metadata": map[string]any{"name": "data"}, "spec": claim("2Gi")}},
	}
	backups := maps.Clone(metadata)
	backups["name"] = "backups"
	if change != nil {
		change(metadata, spec)
		backups["namespace"] = metadata["namespace"]
	}
	return []item{
		{Kind: "object", Name: name, Type: "kubernetes:apps/v1:StatefulSet", In: token, Inputs: map[string]any{
			"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec,
		}},
		{Kind: "object", Name: name + "-backups", Type: "kubernetes:core/v1:PersistentVolumeClaim", In: token, Inputs: map[string]any{
			"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": backups, "spec": claim("1Gi"),
		}},
	}
}

// pretend writes an entry that says that a commit ran as the newest one did,
// and returns its number. None of these could have run without doing it.
func (s *shop) pretend(commit string) string {
	s.t.Helper()
	newest := s.history()[0]
	dir := filepath.Join(os.Getenv(paths.StateEnv), "pulumi", ".pulumi", "history", "shop", "local")
	from := filepath.Join(dir, fmt.Sprintf("local-%d", newest.Recorded.UnixNano()))
	to := filepath.Join(dir, fmt.Sprintf("local-%d", newest.Recorded.UnixNano()+1))
	for _, end := range []string{".history.json", ".checkpoint.json"} {
		text, err := os.ReadFile(from + end)
		require.NoError(s.t, err)
		require.NoError(s.t, os.WriteFile(to+end, bytes.ReplaceAll(text, []byte(newest.Commit), []byte(commit)), 0o600))
		s.t.Cleanup(func() { _ = os.Remove(to + end) })
	}
	require.Equal(s.t, commit, s.history()[0].Commit)
	return strconv.Itoa(s.history()[0].Number)
}

// TestRollbackNeverDropsTheDatabase goes back to programs that would, each in
// another way. The engine alone would do what each of them asks.
func TestRollbackNeverDropsTheDatabase(t *testing.T) {
	here := []item{namespace("database"), namespace("elsewhere")}
	with := func(more ...[]item) []item {
		list := append([]item{}, here...)
		for _, m := range more {
			list = append(list, m...)
		}
		return list
	}
	edited := func(change func(metadata, spec map[string]any)) []item {
		return with(database(postgresToken, "postgres", change))
	}
	const set = "apps/v1:StatefulSet postgres"
	y := newYard(t, "0")
	forms := []struct {
		name, want string
		old        []item
	}{
		{"component removed", "delete kubernetes:" + set + ": holds the state of its members", here},
		{"claim removed", "delete kubernetes:core/v1:PersistentVolumeClaim postgres-backups: holds a volume", with(database(postgresToken, "postgres", nil)[:1])},
		{"component's token renamed", "delete kubernetes:" + set, with(database("shop:postgres:Formerly", "postgres", nil))},
		{"out of its component", "delete kubernetes:" + set, with(database("", "postgres", nil))},
		{"renamed in the program", "delete kubernetes:" + set, with(database(postgresToken, "formerly", nil))},
		{"another name in the cluster", "cannot be changed in place: metadata", edited(func(m, _ map[string]any) { m["name"] = "formerly" })},
		{"another namespace", "cannot be changed in place: metadata", edited(func(m, _ map[string]any) { m["namespace"] = "elsewhere" })},
		{"members started in order", "cannot be changed in place: spec", edited(func(_, s map[string]any) { s["podManagementPolicy"] = "OrderedReady" })},
		{"another headless service", "cannot be changed in place: spec", edited(func(_, s map[string]any) { s["serviceName"] = "formerly" })},
		{"smaller volumes", "cannot be changed in place: spec", edited(func(_, s map[string]any) { delete(s, "volumeClaimTemplates") })},
		{"its namespace removed", "holds the namespace of postgres", with(database(postgresToken, "postgres", nil))[1:]},
		{"another cluster", "replace kubernetes:" + set, with(database(postgresToken, "postgres", nil), []item{{Kind: "cluster", Name: "formerly"}})},
	}
	commits := make([]string, len(forms))
	for i, form := range forms {
		y.stock(form.old...)
		commits[i] = y.commit(form.name)
	}
	y.release("today", with(database(postgresToken, "postgres", nil))...)
	identity := func() any {
		var uid any
		require.NoError(t, y.world.Do(func(tx *simcloud.Tx) error {
			thing := tx.Get("kubernetes:apps/v1:StatefulSet", "database/postgres", "cluster-yard")
			require.NotNil(t, thing, "the database is gone")
			uid = thing.Properties.At("metadata.uid")
			return nil
		}))
		return uid
	}
	before := identity()
	for i, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			y.t = t
			number := y.pretend(commits[i])
			assert.Contains(t, y.refused(y.to(number), rollback.ErrData), form.want)
			assert.Equal(t, before, identity())
		})
	}
	y.t = t
	require.NoError(t, y.agree())
	// Without the guard the engine does it: it is the guard that refuses.
	y.git("checkout", "-q", commits[0])
	y.next()
	require.NoError(t, y.world.Do(func(tx *simcloud.Tx) error {
		require.Nil(t, tx.Get("kubernetes:apps/v1:StatefulSet", "database/postgres", "cluster-yard"))
		return nil
	}))
}
