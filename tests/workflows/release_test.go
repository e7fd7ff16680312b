package workflows

import (
	"archive/tar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/require"
)

// archived is an image in one file, and its digest.
func archived(t *testing.T) (path, digest string) {
	t.Helper()
	image, err := random.Image(1000, 2)
	require.NoError(t, err)
	dir := t.TempDir()
	index, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	require.NoError(t, err)
	require.NoError(t, index.AppendImage(image))
	archive, err := os.Create(filepath.Join(dir, "image.tar"))
	require.NoError(t, err)
	writer := tar.NewWriter(archive)
	require.NoError(t, writer.AddFS(os.DirFS(filepath.Join(dir, "layout"))))
	require.NoError(t, writer.Close())
	require.NoError(t, archive.Close())
	hash, err := image.Digest()
	require.NoError(t, err)
	return archive.Name(), hash.String()
}

// What a tag names is what runs, so each is pushed once and never moved.
func TestATagIsPushedOnce(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed: apt-get install skopeo")
	}
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	checkout := t.TempDir()
	script, err := os.ReadFile(filepath.Join(root, "scripts", "release"))
	require.NoError(t, err)
	program, slipway := filepath.Join(checkout, "scripts", "release"), filepath.Join(checkout, ".slipway", "bin", "slipway")
	for path, text := range map[string]string{program: string(script), slipway: "#!/bin/sh\n[ \"$*\" = 'image build --registry' ] && cat \"$0.builds\"\n"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o700))
	}
	// build has the next push find these images built, and returns their digests.
	build := func(refs ...string) []string {
		list, digests := "", []string{}
		for _, ref := range refs {
			path, digest := archived(t)
			list, digests = list+ref+" "+path+"\n", append(digests, digest)
		}
		require.NoError(t, os.WriteFile(slipway+".builds", []byte(list), 0o600))
		return digests
	}
	target := strings.TrimPrefix(server.URL, "http://") + "/slipway"
	push := func() ([]string, string, error) {
		outputs := filepath.Join(t.TempDir(), "outputs")
		cmd := exec.Command(program, "push", target)
		cmd.Env = append(os.Environ(), "GITHUB_OUTPUT="+outputs, "SLIPWAY_CACHE="+filepath.Join(checkout, "cache"))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		told, _ := os.ReadFile(outputs)
		return strings.Fields(string(out)), string(told), err
	}
	_, _, err = push()
	require.Error(t, err, "nothing could be built")

	const proxy = "docker.io/library/traefik:v3"
	first := build("slipway.dev/api:abc", proxy, "slipway.dev/postgres:abc")
	out, told, err := push()
	require.NoError(t, err)
	require.Equal(t, []string{target + "/api@" + first[0], target + "/traefik@" + first[1], target + "/postgres@" + first[2]}, out)
	require.Equal(t, "pushed=true\nname="+target+"/api\ndigest="+first[0]+"\n", told, "the workflow signs the service's image")

	second := build("slipway.dev/api:def", proxy, "slipway.dev/postgres:abc")
	out, told, err = push()
	require.NoError(t, err)
	require.Equal(t, []string{target + "/api@" + second[0], target + "/traefik@" + first[1], target + "/postgres@" + first[2]}, out, "a tag was moved")
	require.Contains(t, told, "pushed=true\n")

	build("slipway.dev/api:def")
	out, told, err = push()
	require.NoError(t, err)
	require.Equal(t, []string{target + "/api@" + second[0]}, out)
	require.Contains(t, told, "pushed=false\n")
}
