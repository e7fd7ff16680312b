package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"slipway.dev/slipway/internal/paths"
)

// Errors a caller can act on.
var (
	// ErrUnknown is returned for a name that is not in the catalog.
	ErrUnknown = errors.New("unknown tool")
	// ErrMissing is returned for a tool that is neither installed nor built.
	ErrMissing = errors.New("tool is not there")
)

// Source says where a tool comes from.
type Source string

const (
	Installed Source = "installed"
	Built     Source = "built"
	Missing   Source = "missing"
)

// Found is a tool as it is on this machine.
type Found struct {
	Name  string
	Group Group
	// Source is Missing when there is neither an installed program that is new
	// enough nor a built one.
	Source Source
	// Path is absolute; for a missing tool, where it will be.
	Path string
	// Version is the installed program's, or the pinned one.
	Version string
	// Note says why an installed program was passed over.
	Note string
}

// Chain resolves the tools of one checkout. It is safe for concurrent use.
type Chain struct {
	// Out receives the progress of Ensure. Default os.Stderr.
	Out io.Writer

	checkout string
	cache    string
	pins     pins
	compile  compiler
	apt      *debian
	// search and plugins are where installed programs are looked for.
	search  []string
	plugins string

	golang func(ctx context.Context) (golang, error)

	mu    sync.Mutex
	known map[string]place
}

// place is where a tool is, or belongs.
type place struct {
	Found
	// dir is the directory of the built tool, present or not.
	dir    string
	recipe recipe
}

// Open reads the pins of a checkout. It looks for no tool yet. When no usable
// Go is on PATH, the one that scripts/bootstrap fetched is put there, for all
// that this process starts.
func Open(checkout string) (*Chain, error) {
	checkout, err := filepath.Abs(checkout)
	if err != nil {
		return nil, fmt.Errorf("finding the checkout: %w", err)
	}
	cache, err := paths.Cache()
	if err != nil {
		return nil, err
	}
	p, err := readPins(checkout)
	if err != nil {
		return nil, err
	}
	c := &Chain{
		Out: os.Stderr, checkout: checkout, cache: cache, pins: p,
		compile: goBuild, apt: newDebian(), plugins: pulumiPlugins(cache), known: map[string]place{},
	}
	c.search = slices.DeleteFunc(filepath.SplitList(os.Getenv("PATH")), c.owns)
	c.golang = remember(func(ctx context.Context) (golang, error) { return findGo(ctx, cache, p.goVersion) })
	return c, c.adoptGo()
}

// adoptGo makes the fetched Go what "go" means, unless PATH has one already
// that is new enough.
func (c *Chain) adoptGo() error {
	own := filepath.Join(c.cache, "go", "bin")
	if !executable(filepath.Join(own, "go")) || slices.Contains(filepath.SplitList(os.Getenv("PATH")), own) {
		return nil
	}
	g, err := c.golang(context.Background())
	if err != nil || g.path != filepath.Join(own, "go") {
		return nil // whoever needs Go gets the error then
	}
	return os.Setenv("PATH", own+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// remember keeps the first answer that is no error.
func remember[T any](ask func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var answer T
	done := false
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return answer, nil
		}
		fresh, err := ask(ctx)
		if err == nil {
			answer, done = fresh, true
		}
		return fresh, err
	}
}

// pulumiPlugins is the user's plugin cache.
func pulumiPlugins(cache string) string {
	home := userHome(cache)
	if home == "" {
		return ""
	}
	return filepath.Join(home, "plugins")
}

func (c *Chain) toolsDir() string { return filepath.Join(c.cache, "tools") }

// owns reports whether a directory of the search path holds built tools; such a
// one gets there when a person exports what `slipway env` prints.
func (c *Chain) owns(dir string) bool {
	dir = filepath.Clean(dir) + string(filepath.Separator)
	return slices.ContainsFunc([]string{c.toolsDir(), c.homes()}, func(own string) bool {
		return strings.HasPrefix(dir, own+string(filepath.Separator))
	})
}

// locate finds a tool, and remembers it once it is there.
func (c *Chain) locate(ctx context.Context, t tool) (place, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.known[t.name]; ok {
		return p, nil
	}
	g, err := c.golang(ctx)
	if err != nil {
		return place{}, err
	}
	r, err := t.recipe(c.checkout, c.pins, g)
	if err != nil {
		return place{}, err
	}
	key, err := r.key()
	if err != nil {
		return place{}, err
	}
	p := place{recipe: r, dir: filepath.Join(c.toolsDir(), t.name+"-"+key)}
	p.Found = Found{
		Name: t.name, Group: t.group, Source: Missing,
		Path: filepath.Join(p.dir, "bin", t.name),
	}
	if t.version != nil {
		p.Version = t.version(c.pins)
	}
	if executable(p.Path) {
		p.Source = Built
	}
	if t.installed != nil {
		minimum := t.installed.minimum(c.pins)
		candidates := t.installed.candidates(host{ctx: ctx, path: c.search, plugins: c.plugins})
		if best, ok := choose(minimum, candidates); ok {
			p.Source, p.Path, p.Version = Installed, best.path, best.version
		} else {
			p.Note = explain(minimum, candidates)
		}
	}
	if p.Source != Missing {
		c.known[t.name] = p
	}
	return p, nil
}

// Path returns the absolute path of a tool that is present, under its name or
// one of its links. ErrMissing says that Ensure has to bring it first.
func (c *Chain) Path(name string) (string, error) {
	t, err := lookup(name)
	if err != nil {
		return "", err
	}
	p, err := c.locate(context.Background(), t)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", name, err)
	}
	if p.Source == Missing {
		hint := ""
		if p.Note != "" {
			hint = " (" + p.Note + ")"
		}
		return "", fmt.Errorf("%w: %s%s; run: slipway tools %s", ErrMissing, name, hint, t.name)
	}
	return filepath.Join(filepath.Dir(p.Path), name), nil
}

// Inspect tells of every tool what there is. It builds nothing.
func (c *Chain) Inspect(ctx context.Context) ([]Found, error) {
	var all []Found
	for _, t := range catalog {
		p, err := c.locate(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", t.name, err)
		}
		all = append(all, p.Found)
	}
	return all, nil
}

// Go returns the go command that builds, and its release.
func (c *Chain) Go(ctx context.Context) (path, release string, err error) {
	g, err := c.golang(ctx)
	return g.path, g.Version, err
}

// quiet keeps the Pulumi CLI from asking the internet for anything.
var quiet = []string{
	"PULUMI_SKIP_UPDATE_CHECK=true",
	"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
	"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK=true",
}

// firstOn returns what a name means on a search path, empty for nothing.
func firstOn(search []string, name string) string {
	for _, dir := range search {
		if path := filepath.Join(dir, name); executable(path) {
			return path
		}
	}
	return ""
}

// run is exec with an error that says what was run.
func run(cmd *exec.Cmd) error {
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	return nil
}
