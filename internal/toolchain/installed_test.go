package toolchain

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChooseTakesTheFirstThatIsNewEnough(t *testing.T) {
	for _, c := range []struct {
		minimum  string
		versions []string
		want     int // -1 for none
	}{
		{"v3.230.0", nil, -1},
		{"v3.230.0", []string{"v3.230.0"}, 0},
		{"v3.230.0", []string{"v3.229.9", "v3.231.0"}, 1},
		{"v3.230.0", []string{"v3.1000.0", "v3.230.0"}, 0},
		{"v3.230.0", []string{"v4.0.0"}, -1},
		{"v3.230.0", []string{"v3.230.0-alpha.1"}, -1},
		{"v3.230.0", []string{"v3.231.0-alpha.1"}, 0},
		{"v3.230.0", []string{"", "not a version", "v3.240.0"}, 2},
		{"v1.7.12", []string{"v1.7.9"}, -1},
	} {
		t.Run(fmt.Sprint(c.versions), func(t *testing.T) {
			var found []candidate
			for i, version := range c.versions {
				found = append(found, candidate{path: fmt.Sprint(i), version: version})
			}
			got, ok := choose(c.minimum, found)
			require.Equal(t, c.want >= 0, ok)
			if ok {
				require.Equal(t, fmt.Sprint(c.want), got.path)
			}
		})
	}
}

func TestGoReleasesAreComparedAsReleases(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		newer bool
	}{
		{"1.26.8", "1.26.6", true}, {"1.26.6", "1.26.8", false}, {"1.26.8", "1.26.8", false},
		{"1.26.10", "1.26.9", true}, {"1.27", "1.26.8", true}, {"1.26.0", "1.19.8", true},
		{"1.26.0", "1.26rc1", true}, {"1.26.0", "", true},
	} {
		require.Equal(t, c.newer, newerGo(c.a, c.b), "%s newer than %s", c.a, c.b)
	}
}

// script makes an executable that prints what it is given.
func script(t *testing.T, path, says string) {
	t.Helper()
	write(t, path, "#!/bin/sh\necho '"+says+"'\n")
	require.NoError(t, os.Chmod(path, 0o755))
}

func TestInstalledProgramsWin(t *testing.T) {
	bin := t.TempDir()
	script(t, filepath.Join(bin, "pulumi"), "v3.240.1")
	script(t, filepath.Join(bin, "pulumi-language-go"), "no version at all")
	c := fakeChain(t, program, bin)
	script(t, filepath.Join(c.plugins, "resource-random-v4.22.0", "pulumi-resource-random"), "")
	script(t, filepath.Join(c.plugins, "resource-random-v4.23.0", "pulumi-resource-random"), "")
	write(t, filepath.Join(c.plugins, "resource-random-v4.23.0.partial"), "")

	for name, want := range map[string]string{
		"pulumi":                 filepath.Join(bin, "pulumi"),
		"pulumi-language-go":     filepath.Join(bin, "pulumi-language-go"),
		"pulumi-resource-random": filepath.Join(c.plugins, "resource-random-v4.22.0", "pulumi-resource-random"),
	} {
		path, err := c.Path(name)
		require.NoError(t, err)
		require.Equal(t, want, path)
	}
	_, err := c.Path("pulumi-resource-kubernetes")
	require.ErrorIs(t, err, ErrMissing)
}

func TestInstalledProgramsThatAreTooOldArePassedOverAndNamed(t *testing.T) {
	bin := t.TempDir()
	script(t, filepath.Join(bin, "pulumi"), "v3.100.0")
	script(t, filepath.Join(bin, "pulumi-language-go"), "")
	c := fakeChain(t, program, bin)
	_, err := c.Path("pulumi")
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorContains(t, err, filepath.Join(bin, "pulumi")+" is v3.100.0, v3.230.0 or later")
	require.NoError(t, c.Ensure(t.Context(), "pulumi", "pulumi-language-go"))
	path, err := c.Path("pulumi-language-go")
	require.NoError(t, err)
	require.Contains(t, path, c.toolsDir(), "a language host beside an old CLI is as old")
}

// What the lab runs is what was pinned, whatever else is on the machine.
func TestClusterProgramsAreNeverTakenFromTheMachine(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"kubelet", "coredns", "traefik"} {
		script(t, filepath.Join(bin, name), "v99.0.0")
	}
	c := fakeChain(t, program, bin)
	for _, name := range []string{"kubelet", "coredns", "traefik"} {
		_, err := c.Path(name)
		require.ErrorIs(t, err, ErrMissing, name)
	}
}

// A person who exported what `slipway env` prints has built tools on PATH; they
// are no installed programs.
func TestBuiltToolsOnPathAreNotTakenForInstalledOnes(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("SLIPWAY_CACHE", cache)
	old := filepath.Join(cache, "tools", "pulumi-000000000000", "bin")
	script(t, filepath.Join(old, "pulumi"), "v3.999.0")
	t.Setenv("PATH", old+string(os.PathListSeparator)+os.Getenv("PATH"))
	c, err := Open(root)
	require.NoError(t, err)
	require.NotContains(t, c.search, old)
	env, err := c.Env()
	require.NoError(t, err)
	require.NotContains(t, env[0], old)
}
