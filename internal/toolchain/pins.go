package toolchain

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// moduleDirs are the directories with a go.mod, below the checkout. The first
// that requires a module decides its version for a question that names no tool.
var moduleDirs = []string{
	"tools", "tools/cert-manager", "tools/golangci-lint", "tools/actionlint", "tools/govulncheck", "tools/versitygw",
	"tools/kube-state-metrics", "images/collector", ".",
}

// pins are the versions that the go.mod files require, replacements applied.
type pins struct {
	// byDir holds, for each of moduleDirs, module path to what is compiled.
	byDir map[string]map[string]module.Version
	// goVersion is the highest go line of all, without "go".
	goVersion string
}

func readPins(checkout string) (pins, error) {
	p := pins{byDir: map[string]map[string]module.Version{}}
	for _, dir := range moduleDirs {
		path := filepath.Join(checkout, dir, "go.mod")
		raw, err := os.ReadFile(path)
		if err != nil {
			return pins{}, fmt.Errorf("reading pins: %w", err)
		}
		mod, err := modfile.Parse(path, raw, nil)
		if err != nil {
			return pins{}, fmt.Errorf("reading pins: %w", err)
		}
		if mod.Go == nil {
			return pins{}, fmt.Errorf("reading pins: %s has no go line", path)
		}
		if newerGo(mod.Go.Version, p.goVersion) {
			p.goVersion = mod.Go.Version
		}
		required := map[string]module.Version{}
		for _, require := range mod.Require {
			required[require.Mod.Path] = require.Mod
		}
		for _, replace := range mod.Replace {
			old, ok := required[replace.Old.Path]
			if ok && (replace.Old.Version == "" || replace.Old.Version == old.Version) {
				required[replace.Old.Path] = replace.New
			}
		}
		p.byDir[dir] = required
	}
	return p, nil
}

// find returns what a module path stands for and the directory that says so.
func (p pins) find(path string) (module.Version, string, bool) {
	for _, dir := range moduleDirs {
		if mod, ok := p.byDir[dir][path]; ok {
			return mod, dir, true
		}
	}
	return module.Version{}, "", false
}

// version is the version a tool's module is pinned at, empty when nothing pins
// it.
func (p pins) version(path string) string {
	mod, _, _ := p.find(path)
	return mod.Version
}

// program is the version of a module that the Pulumi program compiles. The
// tools may well contain another.
func (p pins) program(path string) string { return p.byDir["."][path].Version }

// pinned is the version of a module that a tool is made of.
func pinned(module string) func(pins) string {
	return func(p pins) string { return p.version(module) }
}

// asked is the version of an SDK that the program is compiled with, which is
// the version it asks of the plugin.
func asked(sdk string) func(pins) string {
	return func(p pins) string { return p.program(sdk) }
}
