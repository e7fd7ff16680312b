package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"slipway.dev/slipway/stacks/source"
)

// tree writes files below a fresh directory; a name that ends in "*" becomes
// executable.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		mode := os.FileMode(0o644)
		if name[len(name)-1] == '*' {
			name, mode = name[:len(name)-1], 0o755
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tag(t *testing.T, dir string) string {
	t.Helper()
	got, err := source.Tag(dir)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTagFollowsTheSource(t *testing.T) {
	base := map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run*": "#!"}
	want := tag(t, tree(t, base))
	if !regexp.MustCompile(`^src-[0-9a-f]{12}$`).MatchString(want) {
		t.Errorf("tag %q does not look like src-<12 hex>", want)
	}
	for name, test := range map[string]struct {
		files map[string]string
		same  bool
	}{
		"the same files elsewhere":       {map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run*": "#!"}, true},
		"its tests":                      {map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run*": "#!", "tests/t.py": "t"}, true},
		"caches":                         {map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run*": "#!", "src/__pycache__/a.py": "z", "src/a.pyc": "z", ".venv/x": "y"}, true},
		"content":                        {map[string]string{"Dockerfile": "FROM x", "src/a.py": "b", "run*": "#!"}, false},
		"a name":                         {map[string]string{"Dockerfile": "FROM x", "src/b.py": "a", "run*": "#!"}, false},
		"a new file":                     {map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run*": "#!", "b": ""}, false},
		"the executable bit":             {map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run": "#!"}, false},
		"bytes moved from name to text":  {map[string]string{"Dockerfile": "FROM x", "src/a.py": "a", "run*": "", "#!": ""}, false},
		"a file in place of its content": {map[string]string{"Dockerfile": "FROM x", "src/a.py": "", "a": "", "run*": "#!"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := tag(t, tree(t, test.files))
			if (got == want) != test.same {
				t.Errorf("tag %s against %s: want the same = %t", got, want, test.same)
			}
		})
	}
}

func TestTagOfALinkIsItsTarget(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b": "2"})
	link := filepath.Join(dir, "link")
	seen := map[string]bool{}
	for _, target := range []string{"a", "b"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		seen[tag(t, dir)] = true
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 2 {
		t.Error("a link that points elsewhere kept its tag")
	}
}

func TestTagRefusesAnEmptyOrMissingSource(t *testing.T) {
	if _, err := source.Tag(t.TempDir()); !errors.Is(err, source.ErrEmpty) {
		t.Errorf("an empty directory gave %v", err)
	}
	if _, err := source.Tag(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory gave %v", err)
	}
}
