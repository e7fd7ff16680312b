package simcluster

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// readKinds reads the OpenAPI document of the Kubernetes that tools/go.mod pins.
func readKinds(t *testing.T) *catalog {
	t.Helper()
	module := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = filepath.Join("..", "..", "tools")
		out, err := cmd.Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	list := []string{"list", "-m", "-f", "{{.Dir}} {{.Version}}", "k8s.io/kubernetes"}
	dir, version, _ := strings.Cut(module(list...), " ")
	if dir == "" {
		module("mod", "download", "k8s.io/kubernetes")
		dir, version, _ = strings.Cut(module(list...), " ")
	}
	require.Equal(t, "v"+KubernetesVersion, version, "simcluster.KubernetesVersion is not the one in tools/go.mod")
	body, err := os.ReadFile(filepath.Join(dir, "api", "openapi-spec", "swagger.json"))
	require.NoError(t, err)
	type gvk struct{ Group, Version, Kind string }
	var document struct {
		Definitions map[string]*definition
		Paths       map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(body, &document))
	var named struct {
		Definitions map[string]struct {
			GVK []gvk `json:"x-kubernetes-group-version-kind"`
		}
	}
	require.NoError(t, json.Unmarshal(body, &named))
	api := func(g gvk) string {
		if g.Group == "" {
			return g.Version + "/" + g.Kind
		}
		return g.Group + "/" + g.Version + "/" + g.Kind
	}
	definitions := map[string]string{}
	for name, d := range named.Definitions {
		if len(d.GVK) == 1 {
			definitions[api(d.GVK[0])] = name
		}
	}
	read := &catalog{Version: version, Kinds: map[string]served{}, Definitions: document.Definitions}
	for path, verbs := range document.Paths {
		var post struct {
			GVK    gvk    `json:"x-kubernetes-group-version-kind"`
			Action string `json:"x-kubernetes-action"`
		}
		if verbs["post"] == nil || json.Unmarshal(verbs["post"], &post) != nil || post.Action != "post" || strings.Contains(path, "{name}") {
			continue
		}
		if name, ok := definitions[api(post.GVK)]; ok {
			read.Kinds[api(post.GVK)] = served{name, strings.Contains(path, "{namespace}")}
		}
	}
	return read
}

func TestKindsAreThePinnedKubernetes(t *testing.T) {
	read := readKinds(t)
	if *update {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		require.NoError(t, err)
		require.NoError(t, json.NewEncoder(w).Encode(read))
		require.NoError(t, w.Close())
		require.NoError(t, os.WriteFile("kinds.json.gz", packed.Bytes(), 0o644))
	}
	packed, err := os.ReadFile("kinds.json.gz")
	require.NoError(t, err)
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	got := &catalog{}
	require.NoError(t, json.NewDecoder(unpacked).Decode(got))
	want, err := json.Marshal(read)
	require.NoError(t, err)
	have, err := json.Marshal(got)
	require.NoError(t, err)
	if diff := cmp.Diff(len(want), len(have)); diff != "" || !bytes.Equal(want, have) {
		t.Errorf("kinds.json.gz is behind the pinned Kubernetes; run: make update\n%s", diff)
	}
	assert.True(t, got.Kinds["apps/v1/Deployment"].Namespaced)
	assert.False(t, got.Kinds["v1/Namespace"].Namespaced)
}
