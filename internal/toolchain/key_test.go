package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var testGo = golang{path: "/go/bin/go", Version: "go1.26.8", OS: "linux", Arch: "amd64", Level: "v1"}

func keyOf(t *testing.T, checkout, name string, g golang) string {
	t.Helper()
	p, err := readPins(checkout)
	require.NoError(t, err)
	found, err := lookup(name)
	require.NoError(t, err)
	r, err := found.recipe(checkout, p, g)
	require.NoError(t, err)
	key, err := r.key()
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-f]{12}$`, key)
	return key
}

func TestKeyChangesWithWhatDecidesTheTool(t *testing.T) {
	for _, c := range []struct {
		name, tool string
		change     func(e edit)
		changes    bool
	}{
		{"nothing", "kube", func(edit) {}, false},
		{"a pin", "kube", func(e edit) {
			e.replace("tools/go.mod", "v1.34.4", "v1.34.5")
		}, true},
		{"a checksum", "kube", func(e edit) {
			e.write("tools/go.sum", "example.org/x v1 h1:y=\n")
		}, true},
		{"the main package", "kube", func(e edit) {
			e.write("tools/kube/main.go", "package main // changed\n")
		}, true},
		{"a new source file", "pulumi-language-go", func(e edit) {
			e.write("internal/languagehost/new.go", "package languagehost\n")
		}, true},
		{"an embedded file of a source", "pulumi-resource-random", func(e edit) {
			e.write("internal/randomprovider/words.txt", "boat\n")
		}, true},
		{"the Go release", "kube", func(e edit) { e.golang.Version = "go1.26.9" }, true},
		{"the processor level", "kube", func(e edit) { e.golang.Level = "v3" }, true},
		{"the SDK whose version the plugin answers", "pulumi-resource-kubernetes", func(e edit) {
			e.replace("go.mod", k8sPluginSDK+" v4.30.0", k8sPluginSDK+" v4.31.0")
		}, true},
		{"another tool's source", "kube", func(e edit) {
			e.write("internal/languagehost/new.go", "package languagehost\n")
		}, false},
		{"another module's pin", "kube", func(e edit) {
			e.replace("tools/cert-manager/go.mod", "v1.34.4", "v1.34.5")
		}, false},
		{"a test", "pulumi-language-go", func(e edit) {
			e.write("internal/languagehost/host_test.go", "package languagehost\n")
			e.write("internal/languagehost/testdata/x.go", "package x\n")
		}, false},
		{"where Go is", "kube", func(e edit) { e.golang.path = "/other/go" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkout, g := fakeCheckout(t), testGo
			before := keyOf(t, checkout, c.tool, g)
			c.change(edit{t, checkout, &g})
			after := keyOf(t, checkout, c.tool, g)
			require.Equal(t, c.changes, before != after)
		})
	}
}

// Two checkouts of one commit share their tools.
func TestKeyDoesNotDependOnWhereTheCheckoutLies(t *testing.T) {
	for _, name := range Names() {
		require.Equal(t, keyOf(t, fakeCheckout(t), name, testGo), keyOf(t, fakeCheckout(t), name, testGo), name)
	}
}

// A source that the catalog forgets is a change that builds nothing.
func TestSourcesCoverWhatThePluginsImport(t *testing.T) {
	for _, tool := range catalog {
		if !tool.plain {
			continue
		}
		cmd := exec.Command("go", "list", "-deps", "-f", "{{if and .Module .Module.Main}}{{.Dir}}{{end}}", tool.pkg)
		cmd.Dir = root
		out, err := cmd.Output()
		require.NoError(t, err)
		checkout, err := filepath.Abs(root)
		require.NoError(t, err)
		for _, dir := range strings.Fields(string(out)) {
			below, err := filepath.Rel(checkout, dir)
			require.NoError(t, err)
			covered := slices.ContainsFunc(tool.sources, func(source string) bool {
				return below == source || strings.HasPrefix(below, source+"/")
			})
			require.True(t, covered, "%s imports %s, which is not among its sources in the catalog", tool.name, below)
		}
	}
}

func TestFlagsStampTheVersion(t *testing.T) {
	p, err := readPins(fakeCheckout(t))
	require.NoError(t, err)
	kube, err := lookup("kubelet")
	require.NoError(t, err)
	flags := strings.Join(kube.flags(p), " ")
	for _, want := range []string{"-trimpath", "gitVersion=v1.34.4", "gitMajor=1 ", "gitMinor=34 "} {
		require.Contains(t, flags, want)
	}
}

// edit is a checkout and a Go that a test changes.
type edit struct {
	t        *testing.T
	checkout string
	golang   *golang
}

func (e edit) write(path, content string) {
	e.t.Helper()
	write(e.t, filepath.Join(e.checkout, path), content)
}

func (e edit) replace(path, old, replacement string) {
	e.t.Helper()
	raw, err := os.ReadFile(filepath.Join(e.checkout, path))
	require.NoError(e.t, err)
	require.Contains(e.t, string(raw), old)
	e.write(path, strings.ReplaceAll(string(raw), old, replacement))
}
