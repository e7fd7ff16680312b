package toolchain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/semver"
)

// root is this repository.
const root = "../.."

func TestEveryToolIsPinned(t *testing.T) {
	p, err := readPins(root)
	require.NoError(t, err)
	for _, tool := range catalog {
		t.Run(tool.name, func(t *testing.T) {
			if tool.plain {
				require.Nil(t, tool.version, "Slipway's own tools are made of this checkout")
			} else {
				require.True(t, semver.IsValid(tool.version(p)), "version %q", tool.version(p))
			}
			for _, source := range tool.embeds {
				_, dir, ok := p.find(source.module)
				require.True(t, ok, source.module)
				require.Equal(t, tool.module, dir, "an embedded file comes from the module the tool is built in")
			}
			for _, slim := range tool.slim {
				_, dir, ok := p.find(slim.File.module)
				require.True(t, ok, slim.File.module)
				require.Equal(t, tool.module, dir, "what is edited is what the tool is built from")
			}
			if tool.installed != nil {
				require.True(t, semver.IsValid(tool.installed.minimum(p)), "minimum %q", tool.installed.minimum(p))
			}
			for _, source := range tool.sources {
				require.DirExists(t, filepath.Join(root, source))
			}
		})
	}
}

func TestReplacementsAreFollowed(t *testing.T) {
	checkout := fakeCheckout(t)
	write(t, filepath.Join(checkout, "tools/go.mod"), `module tools

go 1.99.1

require (
	example.org/a v1.0.0
	example.org/b v1.0.0
	example.org/c v1.0.0
)

replace example.org/a => example.org/fork v1.2.0

replace example.org/b v0.9.0 => example.org/b v0.9.1

replace example.org/c v1.0.0 => example.org/c v1.0.1
`)
	p, err := readPins(checkout)
	require.NoError(t, err)
	a, dir, ok := p.find("example.org/a")
	require.True(t, ok)
	require.Equal(t, "tools", dir)
	require.Equal(t, "example.org/fork@v1.2.0", a.String())
	require.Equal(t, "v1.0.0", p.version("example.org/b"), "another version is replaced, not this one")
	require.Equal(t, "v1.0.1", p.version("example.org/c"))
	require.Equal(t, "1.99.1", p.goVersion, "the highest go line counts")
}

func TestBrokenPinsAreNamed(t *testing.T) {
	for name, content := range map[string]string{
		"unreadable": "modul x\n",
		"no go line": "module x\n",
	} {
		t.Run(name, func(t *testing.T) {
			checkout := fakeCheckout(t)
			write(t, filepath.Join(checkout, "tools/actionlint/go.mod"), content)
			_, err := readPins(checkout)
			require.ErrorContains(t, err, filepath.Join("tools", "actionlint", "go.mod"))
		})
	}
}

// The script fetches a release of its own choice when no Go is installed.
func TestBootstrapFetchesAGoThatIsNewEnough(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, "scripts/bootstrap"))
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(script), "readonly release=")
	require.True(t, ok)
	release, _, _ := strings.Cut(after, "\n")
	p, err := readPins(root)
	require.NoError(t, err)
	require.False(t, newerGo(p.goVersion, release), "scripts/bootstrap fetches Go %s, the go.mod files ask for %s", release, p.goVersion)
}

// fakeCheckout has a go.mod and go.sum wherever a tool's are.
func fakeCheckout(t *testing.T) string {
	t.Helper()
	checkout := t.TempDir()
	for _, dir := range moduleDirs {
		write(t, filepath.Join(checkout, dir, "go.mod"), "module example.org/"+filepath.Base(dir)+"\n\ngo 1.20\n\nrequire (\n"+
			"\tk8s.io/kubernetes v1.34.4\n\t"+traefikModule+" v3.6.2\n\t"+legoModule+" v4.28.0\n\t"+pulumiModule+" v3.230.0\n\t"+k8sPluginSDK+" v4.30.0\n\t"+randomSDK+" v4.21.2\n\t"+k8sPlugin+" v4.0.0\n)\n")
		write(t, filepath.Join(checkout, dir, "go.sum"), "")
	}
	for _, tool := range catalog {
		for _, source := range tool.sources {
			write(t, filepath.Join(checkout, source, "main.go"), "package main\n")
		}
	}
	return checkout
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
