package lab

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// testLab is a lab that lives in directories of the test and is never started.
func testLab(t *testing.T) *Lab {
	t.Helper()
	dir := t.TempDir()
	return &Lab{
		layout: layout{state: filepath.Join(dir, "lab"), run: filepath.Join(dir, "run")},
		tools:  everyTool{}, self: "/usr/local/bin/slipway",
	}
}

// everyTool has them all.
type everyTool struct{}

func (everyTool) Path(name string) (string, error) { return "/opt/tools/" + name, nil }

// goldenLab has fixed directories, for output that is compared.
func goldenLab() *Lab {
	return &Lab{
		layout: layout{state: "/var/lib/slipway/lab", run: "/run/slipway"},
		tools:  everyTool{}, self: "/usr/local/bin/slipway",
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s changed (-was +is); if meant, run: go test ./internal/lab -update\n%s", path, diff)
	}
}

func contentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
