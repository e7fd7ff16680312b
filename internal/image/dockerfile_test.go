package image

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/stacks/source"
)

func TestCheckDockerfile(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		foreign bool
		want    []string
	}{
		"plain":           {"ARG BASE=debian\nFROM ${BASE}\n", false, nil},
		"stages":          {"ARG BASE\nFROM $BASE AS one\nFROM scratch\nCOPY --from=one /a /a\nCOPY --from=0 /b /b\n", false, nil},
		"platform":        {"ARG BASE\nFROM --platform=linux/amd64 ${BASE} as One\nFROM one\n", false, nil},
		"lower case":      {"arg BASE\nfrom ${BASE}\n", false, nil},
		"a comment":       {"ARG BASE\n# FROM alpine\nFROM ${BASE}\n", false, nil},
		"no argument":     {"FROM ${BASE}\n", false, []string{"ARG BASE"}},
		"another image":   {"ARG BASE\nFROM alpine:3\n", true, []string{"Dockerfile:2: FROM alpine:3"}},
		"a later image":   {"ARG BASE\nFROM ${BASE}\nFROM alpine\n", true, []string{"Dockerfile:3: FROM alpine"}},
		"copy from image": {"ARG BASE\nFROM ${BASE}\nCOPY --from=example.org/uv /uv /uv\n", true, []string{"Dockerfile:3: --from=example.org/uv"}},
		"two faults":      {"FROM a\nFROM b\n", true, []string{"Dockerfile:1", "Dockerfile:2", "ARG BASE"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"Dockerfile": test.content})
			err := checkDockerfile(filepath.Join(dir, "Dockerfile"))
			if (err == nil) != (test.want == nil) || errors.Is(err, ErrForeignBase) != test.foreign {
				t.Fatalf("error is %v", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

// One tag must mean one image, so nothing enters a build that the tag does not
// see: each file of the context, changed, gives another tag.
func TestBuildContextIsWhatTheTagCounts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"Dockerfile": "FROM x", "src/main.py": "a", "src/__pycache__/main.pyc": "b", "old.pyc": "c",
		"tests/test_a.py": "d", ".venv/bin/python": "e", "src/tests/test_b.py": "f",
		".pytest_cache/x": "g", ".ruff_cache/x": "h", ".hypothesis/x": "i", ".hidden": "j",
	})
	if err := os.Symlink("main.py", filepath.Join(dir, "src", "link.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "src", "main.py"), 0o777); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "context")
	if err := copyContext(dir, out); err != nil {
		t.Fatal(err)
	}
	var copied []string
	err := filepath.WalkDir(out, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(out, path)
		copied = append(copied, relative)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{".hidden", "Dockerfile", "src/link.py", "src/main.py"}; !slices.Equal(copied, want) {
		t.Errorf("the context holds %v, want %v", copied, want)
	}
	before, after := tag(t, dir), tag(t, out)
	if before != after {
		t.Errorf("the tag is %s of the directory and %s of the context", before, after)
	}
	for _, name := range copied {
		path := filepath.Join(out, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("changed"), 0o644); err != nil {
			t.Fatal(err)
		}
		if tag(t, out) == after {
			t.Errorf("%s enters the image but not the tag", name)
		}
	}
}

func tag(t *testing.T, dir string) string {
	t.Helper()
	value, err := source.Tag(dir)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Times and modes of the checkout do not reach the context.
func TestBuildContextHasFixedTimesAndModes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"run": "x", "data": "y"})
	for name, mode := range map[string]fs.FileMode{"run": 0o700, "data": 0o600} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "context")
	if err := copyContext(dir, out); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"run": 0o755, "data": 0o644} {
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode || !info.ModTime().Equal(packed) {
			t.Errorf("%s has mode %v and time %v", name, info.Mode(), info.ModTime())
		}
	}
}

// A failed build says which image and step, shows the end of the output, and
// where the rest of it is.
func TestFailedBuildIsExplained(t *testing.T) {
	b := &Builder{logs: t.TempDir()}
	record, err := b.openLog("slipway.dev_api")
	if err != nil {
		t.Fatal(err)
	}
	defer record.close()
	var steps []string
	record.onStep = func(step string) { steps = append(steps, step) }
	for _, part := range []string{
		"[1/2] STEP 1/2: FROM base AS one\nSTEP 2/3: RUN pip ins", "tall nothing\n",
		"progress 1%\rprogress 99%\r\n", strings.Repeat("line\n", tailLines), "no such package",
	} {
		if _, err := record.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"1/2: FROM base AS one", "2/3: RUN pip install nothing"}; !slices.Equal(steps, want) {
		t.Errorf("steps are %q, want %q", steps, want)
	}
	err = record.explain("slipway.dev/api:src-1", "preparing", errors.New("exit status 1"))
	for _, part := range []string{
		"slipway.dev/api:src-1", "step 2/3: RUN pip install nothing", "| no such package", "exit status 1",
		record.path, "slipway image build slipway.dev/api",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is missing in:\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), "progress 1%") {
		t.Error("an overwritten progress line was kept")
	}
	whole, readErr := os.ReadFile(record.path)
	if readErr != nil || !bytes.Contains(whole, []byte("STEP 1/2")) {
		t.Errorf("the log file lacks the start: %v", readErr)
	}
}
