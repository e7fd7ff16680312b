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

// built writes an image where scripts/release looks for one, and returns its
// digest.
func built(t *testing.T, checkout, tag string) string {
	t.Helper()
	image, err := random.Image(1000, 2)
	require.NoError(t, err)
	dir := t.TempDir()
	path, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	require.NoError(t, err)
	require.NoError(t, path.AppendImage(image))
	archive, err := os.Create(filepath.Join(dir, "image.tar"))
	require.NoError(t, err)
	writer := tar.NewWriter(archive)
	require.NoError(t, writer.AddFS(os.DirFS(filepath.Join(dir, "layout"))))
	require.NoError(t, writer.Close())
	require.NoError(t, archive.Close())
	results := filepath.Join(checkout, ".slipway", "results", "image")
	require.NoError(t, os.MkdirAll(results, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(results, "built"), []byte("slipway.dev/api:"+tag+" "+archive.Name()+"\n"), 0o600))
	digest, err := image.Digest()
	require.NoError(t, err)
	return digest.String()
}

// What a tag names is what runs, so it is pushed once and never moved.
func TestATagIsPushedOnce(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed: apt-get install skopeo")
	}
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	checkout := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(checkout, "scripts"), 0o755))
	script, err := os.ReadFile(filepath.Join(root, "scripts", "release"))
	require.NoError(t, err)
	program := filepath.Join(checkout, "scripts", "release")
	require.NoError(t, os.WriteFile(program, script, 0o700))
	target := strings.TrimPrefix(server.URL, "http://") + "/slipway"
	push := func() (string, string, error) {
		outputs := filepath.Join(t.TempDir(), "outputs")
		cmd := exec.Command(program, "push", target)
		cmd.Env = append(os.Environ(), "GITHUB_OUTPUT="+outputs, "SLIPWAY_CACHE="+filepath.Join(checkout, "cache"))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		told, _ := os.ReadFile(outputs)
		return strings.TrimSpace(string(out)), string(told), err
	}
	_, _, err = push()
	require.Error(t, err, "there is no image yet")

	first := built(t, checkout, "abc")
	out, told, err := push()
	require.NoError(t, err)
	require.Equal(t, target+"/api@"+first, out)
	require.Equal(t, "pushed=true\nname="+target+"/api\ndigest="+first+"\n", told)

	built(t, checkout, "abc")
	out, told, err = push()
	require.NoError(t, err)
	require.Equal(t, target+"/api@"+first, out, "the tag was moved")
	require.Contains(t, told, "pushed=false\n")

	second := built(t, checkout, "def")
	out, told, err = push()
	require.NoError(t, err)
	require.Equal(t, target+"/api@"+second, out)
	require.Contains(t, told, "pushed=true\n")
}
