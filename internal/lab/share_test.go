package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The names are those of the OCI specification; the second was computed with
// sha256sum.
func TestChainIDs(t *testing.T) {
	a := "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	b := "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	got := chainIDs([]string{a, b})
	want := []string{a, "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(chainIDs(nil)) != 0 {
		t.Error("an image without layers has names")
	}
}

func TestLayersOfAMountLowestFirst(t *testing.T) {
	overlay := snapshotMount{Type: "overlay", Options: []string{"index=off", "lowerdir=/s/3/fs:/s/2/fs:/s/1/fs"}}
	if diff := cmp.Diff([]string{"/s/1/fs", "/s/2/fs", "/s/3/fs"}, overlay.dirs()); diff != "" {
		t.Error(diff)
	}
	bind := snapshotMount{Type: "bind", Source: "/s/1/fs", Options: []string{"ro", "rbind"}}
	if diff := cmp.Diff([]string{"/s/1/fs"}, bind.dirs()); diff != "" {
		t.Error(diff)
	}
}

func TestLinkedTreeIsTheSameFiles(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(from, "a/b"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"a/b/x", "y"} {
		if err := os.WriteFile(filepath.Join(from, file), []byte(file), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("y", filepath.Join(from, "z")); err != nil {
		t.Fatal(err)
	}
	if err := linkTree(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"a/b/x", "y"} {
		was, _ := os.Stat(filepath.Join(from, file))
		is, err := os.Stat(filepath.Join(to, file))
		if err != nil || !os.SameFile(was, is) {
			t.Errorf("%s is stored twice (%v)", file, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(to, "z")); err != nil || target != "y" {
		t.Errorf("the symbolic link leads to %q, %v", target, err)
	}
	if info, _ := os.Stat(filepath.Join(to, "a/b")); info.Mode().Perm() != 0o750 {
		t.Errorf("the directory has mode %o", info.Mode().Perm())
	}
	if err := linkTree(t.Context(), t.TempDir(), t.TempDir()); err != nil {
		t.Errorf("a layer without files: %v", err)
	}
}

func TestLinkOver(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	source, same, other := write("source", "blob"), write("same", "blob"), write("other", "longer")
	for path, want := range map[string]bool{same: true, other: false} {
		if err := linkOver(source, path); err != nil {
			t.Fatal(err)
		}
		a, _ := os.Stat(source)
		b, _ := os.Stat(path)
		if os.SameFile(a, b) != want {
			t.Errorf("%s is linked: %v, want %v", path, !want, want)
		}
	}
}
