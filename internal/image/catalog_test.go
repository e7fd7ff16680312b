package image

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"

	"slipway.dev/slipway/stacks/source"
)

// pinned maps the tools that images hold to the modules that pin them.
var pinned = map[string]struct{ file, module string }{
	"coredns":                {"tools/go.mod", "github.com/coredns/coredns"},
	"metrics-server":         {"tools/go.mod", "sigs.k8s.io/metrics-server"},
	"local-path-provisioner": {"tools/go.mod", "github.com/rancher/local-path-provisioner"},
	"traefik":                {"tools/go.mod", "github.com/traefik/traefik/v3"},
	"kube-state-metrics":     {"tools/kube-state-metrics/go.mod", "k8s.io/kube-state-metrics/v2"},
	"cert-manager":           {"tools/cert-manager/go.mod", "github.com/cert-manager/cert-manager"},
}

// An image that claims a version holds that version.
func TestTagsEqualThePins(t *testing.T) {
	checked := map[string]bool{}
	for _, spec := range catalog(checkoutDir) {
		if spec.Kind != Program || spec.own() || spec.Repository() == Collector {
			continue // made of this checkout
		}
		pin, ok := pinned[spec.From]
		if !ok {
			t.Errorf("%s: the test does not know which module pins %s", spec.Ref, spec.From)
			continue
		}
		checked[spec.From] = true
		tag := strings.TrimPrefix(spec.Ref, spec.Repository()+":")
		if want := version(t, pin.file, pin.module); tag != want {
			t.Errorf("%s: %s pins %s %s", spec.Ref, pin.file, pin.module, want)
		}
	}
	if len(checked) != len(pinned) {
		t.Errorf("images were made of %v, want all of %v", checked, pinned)
	}
}

func version(t *testing.T, file, module string) string {
	t.Helper()
	path := filepath.Join(checkoutDir, file)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := modfile.Parse(path, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range parsed.Require {
		if r.Mod.Path == module {
			return r.Mod.Version
		}
	}
	t.Fatalf("%s does not require %s", file, module)
	return ""
}

// reference matches a full image name with its tag.
var reference = regexp.MustCompile(`\b(?:registry\.k8s\.io|docker\.io|quay\.io|ghcr\.io|gcr\.io)/[a-z0-9./_-]+:[A-Za-z0-9][A-Za-z0-9._-]*`)

// No registry answers in the lab: an image that a component or the lab names
// and the catalog lacks would leave a pod waiting for ever.
func TestEveryImageInUseIsInTheCatalog(t *testing.T) {
	have := map[string]bool{}
	for _, spec := range catalog(checkoutDir) {
		if have[spec.Ref] {
			t.Errorf("%s is in the catalog twice", spec.Ref)
		}
		have[spec.Ref] = true
	}
	seen := 0
	for _, root := range []string{"components", "stacks", "internal/lab"} {
		err := filepath.WalkDir(filepath.Join(checkoutDir, root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			ext := filepath.Ext(path)
			used := ext == ".golden" || ext == ".yaml" || ext == ".go" && !strings.HasSuffix(path, "_test.go")
			if entry.IsDir() || !used {
				return nil
			}
			raw, err := os.ReadFile(path)
			for _, ref := range reference.FindAllString(string(raw), -1) {
				seen++
				if !have[ref] {
					t.Errorf("%s names %s, which the catalog does not have", path, ref)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 5 {
		t.Errorf("found %d image names; the test looks in the wrong places", seen)
	}
}

func TestRepositoryLeavesOutTheTag(t *testing.T) {
	for ref, want := range map[string]string{
		"docker.io/library/busybox:1.35": "docker.io/library/busybox",
		"slipway.dev/api":                "slipway.dev/api",
		"localhost:5000/api":             "localhost:5000/api",
		"localhost:5000/api:v1":          "localhost:5000/api",
	} {
		if got := repository(ref); got != want {
			t.Errorf("repository(%q) = %q, want %q", ref, got, want)
		}
	}
}

// The Dockerfiles of this repository can be built where no registry answers.
func TestDockerfilesStartFromTheBase(t *testing.T) {
	for _, spec := range catalog(checkoutDir) {
		if spec.Kind != Dockerfile {
			continue
		}
		if err := checkDockerfile(filepath.Join(checkoutDir, spec.From, "Dockerfile")); err != nil {
			t.Error(err)
		}
	}
}

// TestOwnProgramsAreMadeOfTheirDirectory: what another package brings would change
// a program under an image's name that stays.
func TestOwnProgramsAreMadeOfTheirDirectory(t *testing.T) {
	seen := map[string]bool{}
	for _, spec := range catalog(checkoutDir) {
		if !spec.own() {
			continue
		}
		seen[spec.From] = true
		err := filepath.WalkDir(filepath.Join(checkoutDir, spec.From), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, imported := range file.Imports {
				name := strings.Trim(imported.Path.Value, `"`)
				first, _, _ := strings.Cut(name, "/")
				if strings.Contains(first, ".") && !strings.HasPrefix(name, "slipway.dev/slipway/"+spec.From+"/") {
					t.Errorf("%s imports %s, which is neither of the standard library nor below %s", path, name, spec.From)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !seen[benchmarkDir] || !seen[discoveryDir] {
		t.Errorf("only %v were looked at", seen)
	}
}

func TestACommitWithoutTheBenchmarkHasNoImageOfIt(t *testing.T) {
	measures := func(s Spec) bool { return s.Repository() == Benchmark }
	if !slices.ContainsFunc(catalog(checkoutDir), measures) {
		t.Error("this checkout has no image that measures")
	}
	if slices.ContainsFunc(catalog(t.TempDir()), measures) {
		t.Error("an image that nothing runs would be built, and fail")
	}
}

func TestACommitWithoutTheListHasNoImageThatMigrates(t *testing.T) {
	migrates := func(s Spec) bool { return s.Repository() == Migrations }
	at := slices.IndexFunc(catalog(checkoutDir), migrates)
	if at < 0 || catalog(checkoutDir)[at].fault != nil {
		t.Error("this checkout has no image that migrates")
	}
	older := t.TempDir()
	if slices.ContainsFunc(catalog(older), migrates) {
		t.Error("an image that nothing runs would be built, and fail")
	}
	write(t, older, map[string]string{source.Migrating: "gone.py\n"})
	if at := slices.IndexFunc(catalog(older), migrates); at < 0 || catalog(older)[at].fault == nil {
		t.Error("what is listed and not there is no fault")
	}
}
