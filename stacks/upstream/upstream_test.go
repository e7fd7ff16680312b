package upstream_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"slipway.dev/slipway/stacks/upstream"
)

// checkout writes the go.mod files of tools/ and returns a checkout with a
// module cache of its own.
func checkout(t *testing.T, mods map[string]string) (root, cache string) {
	t.Helper()
	root, cache = t.TempDir(), t.TempDir()
	t.Setenv("GOMODCACHE", cache)
	for name, text := range mods {
		write(t, filepath.Join(root, "tools", name), text)
	}
	return root, cache
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFileFollowsThePin(t *testing.T) {
	root, cache := checkout(t, map[string]string{
		"go.mod": "module t\nrequire (\n example.test/A/proxy v1.2.3\n example.test/moved v1.0.0\n)\n" +
			"replace example.test/moved => example.test/fork v1.0.1\n",
		"issuer/go.mod": "module i\nrequire example.test/issuer v0.9.0\nrequire example.test/A/proxy v1.9.9\n",
	})
	for module, dir := range map[string]string{
		"example.test/A/proxy": "example.test/!a/proxy@v1.2.3",
		"example.test/moved":   "example.test/fork@v1.0.1",
		"example.test/issuer":  "example.test/issuer@v0.9.0",
	} {
		want := filepath.Join(cache, filepath.FromSlash(dir), "crds", "all.yaml")
		write(t, want, "x")
		got, err := upstream.Open(root).File(module, "crds/all.yaml")
		if err != nil || got != want {
			t.Errorf("%s is at %q, %v; want %q", module, got, err, want)
		}
	}
}

func TestVersionIsThePin(t *testing.T) {
	root, _ := checkout(t, map[string]string{"go.mod": "module t\nrequire example.test/a v1.2.3\n"})
	if got, err := upstream.Open(root).Version("example.test/a"); err != nil || got != "v1.2.3" {
		t.Errorf("the version is %q, %v", got, err)
	}
	if _, err := upstream.Open(root).Version("example.test/b"); !errors.Is(err, upstream.ErrNotPinned) {
		t.Errorf("a module nobody pins gave %v", err)
	}
}

func TestFileSaysWhatIsMissing(t *testing.T) {
	root, cache := checkout(t, map[string]string{"go.mod": "module t\nrequire (\n example.test/a v1.0.0\n example.test/b v1.0.0\n)\n"})
	write(t, filepath.Join(cache, "example.test", "a@v1.0.0", "other"), "x")
	modules := upstream.Open(root)
	if _, err := modules.File("example.test/a", "crds.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file the module lacks gave %v", err)
	}
	if _, err := modules.File("example.test/none", "x"); !errors.Is(err, upstream.ErrNotPinned) {
		t.Errorf("a module nobody pins gave %v", err)
	}
	t.Setenv("GOPROXY", "off")
	if _, err := modules.File("example.test/b", "x"); !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("a module that cannot be had gave %v", err)
	}
	if _, err := upstream.Open(t.TempDir()).File("example.test/a", "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a checkout without tools/ gave %v", err)
	}
}

// TestPinsOfThisCheckout reads the real pins; it runs no go and needs no
// network where the tools were built.
func TestPinsOfThisCheckout(t *testing.T) {
	modules := upstream.Open(filepath.Join("..", ".."))
	for module, file := range map[string]string{
		"github.com/traefik/traefik/v3":        "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml",
		"github.com/cert-manager/cert-manager": "deploy/crds",
	} {
		if _, err := modules.File(module, file); errors.Is(err, upstream.ErrUnavailable) {
			t.Skipf("not downloaded here: %v", err)
		} else if err != nil {
			t.Error(err)
		}
	}
}
