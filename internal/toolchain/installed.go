package toolchain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// installed says which program of the machine is as good as a built one.
type installed struct {
	// minimum gives the oldest version that does, as v1.2.3.
	minimum func(p pins) string
	// candidates lists programs with their versions, best first.
	candidates func(h host) []candidate
}

// candidate is a program that was found.
type candidate struct {
	path string
	// version is as v1.2.3; empty when it cannot be found out.
	version string
}

// host is where installed programs are looked for.
type host struct {
	ctx context.Context
	// path is a search path without Slipway's own tools.
	path []string
	// plugins is Pulumi's plugin cache.
	plugins string
}

// probeTimeout bounds a question for a version. A program that takes longer is
// not used.
const probeTimeout = 10 * time.Second

// versionIn is the first version number in a program's answer.
var versionIn = regexp.MustCompile(`\bv?([0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?)`)

// choose returns the first candidate that is new enough. The major version has
// to be the same: a later one promises nothing to a caller of this one.
func choose(minimum string, found []candidate) (candidate, bool) {
	for _, c := range found {
		if semver.IsValid(c.version) && semver.Major(c.version) == semver.Major(minimum) && semver.Compare(c.version, minimum) >= 0 {
			return c, true
		}
	}
	return candidate{}, false
}

// find lists the executables of a name on the search path, first come first.
func (h host) find(name string) []string {
	var found []string
	for _, dir := range h.path {
		path := filepath.Join(dir, name)
		if filepath.IsAbs(path) && executable(path) {
			found = append(found, path)
		}
	}
	return found
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// ask runs a program and takes the version out of what it prints.
func (h host) ask(path string, args ...string) string {
	ctx, cancel := context.WithTimeout(h.ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), quiet...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return ""
	}
	match := versionIn.FindSubmatch(out)
	if match == nil {
		return ""
	}
	return "v" + string(match[1])
}

// onPath is a program that tells its version when asked with args.
func onPath(name string, args ...string) func(h host) []candidate {
	return func(h host) []candidate {
		var found []candidate
		for _, path := range h.find(name) {
			found = append(found, candidate{path, h.ask(path, args...)})
		}
		return found
	}
}

var (
	installedPulumi = installed{
		minimum:    pinned(pulumiModule),
		candidates: onPath("pulumi", "version"),
	}
	// The language host has no version of its own. The release puts it beside
	// the CLI, so it is as new as that; alone, it may be of any age.
	installedLanguageHost = installed{
		minimum: pinned(pulumiModule),
		candidates: func(h host) []candidate {
			var found []candidate
			for _, cli := range onPath("pulumi", "version")(h) {
				for _, dir := range []string{filepath.Dir(cli.path), filepath.Dir(resolved(cli.path))} {
					if path := filepath.Join(dir, "pulumi-language-go"); executable(path) {
						found = append(found, candidate{path, cli.version})
						break
					}
				}
			}
			return found
		},
	}
	installedGolangci   = installed{minimum: pinned(golangciModule), candidates: onPath("golangci-lint", "version")}
	installedActionlint = installed{minimum: pinned(lintModule), candidates: onPath("actionlint", "-version")}
)

func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// plugin is a resource plugin, as released: on the search path, where the
// engine looks first, or in Pulumi's plugin cache. It has to be at least what
// the program's SDK asks for, or the engine goes looking for another.
func plugin(name, sdk string) *installed {
	return &installed{
		minimum: asked(sdk),
		candidates: func(h host) []candidate {
			file := "pulumi-resource-" + name
			found := onPath(file, "--version")(h)
			prefix := "resource-" + name + "-v"
			dirs, _ := filepath.Glob(filepath.Join(h.plugins, prefix+"*"))
			var cached []candidate
			for _, dir := range dirs {
				// A plugin whose installation was cut short has a marker.
				if _, err := os.Stat(dir + ".partial"); err == nil || strings.HasSuffix(dir, ".partial") || !executable(filepath.Join(dir, file)) {
					continue
				}
				cached = append(cached, candidate{filepath.Join(dir, file), "v" + strings.TrimPrefix(filepath.Base(dir), prefix)})
			}
			slices.SortFunc(cached, func(a, b candidate) int { return semver.Compare(b.version, a.version) })
			return append(found, cached...)
		},
	}
}

// explain says why none of the candidates was taken; empty when there were
// none.
func explain(minimum string, found []candidate) string {
	var reasons []string
	for _, c := range found {
		have := c.version
		if have == "" {
			have = "of unknown version"
		}
		reasons = append(reasons, fmt.Sprintf("%s is %s, %s or later of the same major version is needed", c.path, have, minimum))
	}
	return strings.Join(reasons, "; ")
}
