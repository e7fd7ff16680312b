package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// home is a PULUMI_HOME in which the engine finds the built tools where it
// expects official ones, so that it has nothing to warn of: plugins in its
// plugin cache, the language host in the CLI's own directory. What the user's
// home has installed is there too and comes first.
type home struct {
	dir string
	// cli is the CLI to start: the built one in the home, or the installed one.
	// Empty when there is neither.
	cli string
}

func (h home) bin() string { return filepath.Join(h.dir, "bin") }

// homes is where homes are; each is named by what it holds.
func (c *Chain) homes() string { return filepath.Join(c.cache, "pulumi") }

// entry is one file of a home: made by linking or, with copied set, as a file
// of its own.
type entry struct {
	at, from string
	copied   bool
}

// arrange makes the home for the tools that are present, unless it is there.
// It appears by one rename.
func (c *Chain) arrange() (home, error) {
	entries, err := c.homeEntries()
	if err != nil {
		return home{}, err
	}
	sum := sha256.New()
	for _, e := range entries {
		_, _ = fmt.Fprintf(sum, "%s\x00%s\x00%t\x00", e.at, e.from, e.copied)
	}
	h := home{dir: filepath.Join(c.homes(), hex.EncodeToString(sum.Sum(nil))[:12])}
	if h.cli, err = c.Path("pulumi"); err != nil && !errors.Is(err, ErrMissing) {
		return home{}, err
	}
	if strings.HasPrefix(h.cli, c.toolsDir()+string(filepath.Separator)) {
		h.cli = filepath.Join(h.bin(), "pulumi")
	}
	if _, err := os.Stat(h.dir); err == nil {
		return h, nil
	}
	if err := c.makeHome(h.dir, entries); err != nil {
		return home{}, fmt.Errorf("arranging plugins for pulumi: %w", err)
	}
	return h, nil
}

func (c *Chain) makeHome(dir string, entries []entry) error {
	if err := os.MkdirAll(c.homes(), 0o755); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(c.homes(), ".partial-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(partial) }()
	for _, e := range entries {
		at := filepath.Join(partial, e.at)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		place := os.Symlink
		if e.copied {
			place = linkOrCopy
		}
		if err := place(e.from, at); err != nil {
			return err
		}
	}
	if err := os.Chmod(partial, 0o755); err != nil {
		return err
	}
	err = os.Rename(partial, dir)
	if _, there := os.Stat(dir); there == nil {
		return nil // perhaps another process's, which is the same
	}
	return err
}

// linkOrCopy makes a file that is no symbolic link.
func linkOrCopy(from, to string) error {
	if err := os.Link(from, to); err == nil {
		return nil
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

func (c *Chain) homeEntries() ([]entry, error) {
	var entries []entry
	for _, name := range Names(Pulumi) {
		t, err := lookup(name)
		if err != nil {
			return nil, err
		}
		path, err := c.Path(name)
		if errors.Is(err, ErrMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(path, c.toolsDir()+string(filepath.Separator)) {
			continue // installed: on PATH, or in the plugin cache that is taken over below
		}
		if kind, ok := strings.CutPrefix(name, "pulumi-resource-"); ok {
			at := filepath.Join("plugins", "resource-"+kind+"-"+t.installed.minimum(c.pins), name)
			entries = append(entries, entry{at: at, from: path})
			continue
		}
		entries = append(entries, entry{at: filepath.Join("bin", name), from: path, copied: true})
	}
	installed, err := c.installedPlugins()
	return append(entries, installed...), err
}

// installedPlugins lists what the user's plugin cache holds. The engine takes
// real directories only, so what is in them is linked, not they.
func (c *Chain) installedPlugins() ([]entry, error) {
	plugins, err := os.ReadDir(c.plugins)
	if errors.Is(err, fs.ErrNotExist) || c.plugins == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for installed plugins: %w", err)
	}
	var entries []entry
	for _, plugin := range plugins {
		dir := filepath.Join(c.plugins, plugin.Name())
		_, unfinished := os.Stat(dir + ".partial")
		if !plugin.IsDir() || unfinished == nil {
			continue
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("looking for installed plugins: %w", err)
		}
		for _, file := range files {
			entries = append(entries, entry{at: filepath.Join("plugins", plugin.Name(), file.Name()), from: filepath.Join(dir, file.Name())})
		}
	}
	return entries, nil
}

// userHome is the user's own PULUMI_HOME, also for a shell that has exported
// what Env returns. Empty when there is none.
func userHome(cache string) string {
	dir := os.Getenv("PULUMI_HOME")
	if dir != "" && strings.HasPrefix(filepath.Clean(dir), filepath.Join(cache, "pulumi")+string(filepath.Separator)) {
		dir = os.Getenv(credentialsVariable)
	}
	if dir != "" {
		return dir
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(user, ".pulumi")
}

// credentialsVariable says where the CLI keeps who is logged in where, which
// has to be the user's home even if plugins are elsewhere.
const credentialsVariable = "PULUMI_CREDENTIALS_PATH" //nolint:gosec // the name of a variable

// Pulumi returns the CLI to start and the environment for it, as Env does.
// ErrMissing says that Ensure has to bring it first.
func (c *Chain) Pulumi() (cli string, env []string, err error) {
	if _, err := c.Path("pulumi"); err != nil {
		return "", nil, err
	}
	h, err := c.arrange()
	if err != nil {
		return "", nil, err
	}
	return h.cli, c.environment(h), nil
}

// Env returns what pulumi needs in its environment, as KEY=VALUE, to find those
// of these tools that are present, and no others, without a word about where.
func (c *Chain) Env() ([]string, error) {
	h, err := c.arrange()
	if err != nil {
		return nil, err
	}
	return c.environment(h), nil
}

func (c *Chain) environment(h home) []string {
	first := []string{h.bin()}
	add := func(dir string) {
		if !slices.Contains(first, dir) {
			first = append(first, dir)
		}
	}
	if h.cli != "" && filepath.Dir(h.cli) != h.bin() && firstOn(c.search, "pulumi") != h.cli {
		add(filepath.Dir(h.cli))
	}
	for _, name := range Names(Pulumi) {
		// The engine prefers PATH to its cache. So one there that was passed
		// over has to be hidden behind the one that was taken.
		path, err := c.Path(name)
		if shadow := firstOn(c.search, name); err == nil && shadow != "" && shadow != path && strings.HasPrefix(name, "pulumi-resource-") {
			add(filepath.Dir(path))
		}
	}
	if path, err := c.Path("kubectl"); err == nil && firstOn(c.search, "kubectl") == "" {
		add(filepath.Dir(path))
	}
	if g, err := c.golang(context.Background()); err == nil && firstOn(c.search, "go") != g.path {
		add(filepath.Dir(g.path))
	}
	// Built tools of another checkout or an older pin must not come before an
	// installed program, so none of those that PATH holds is kept.
	path := append(first, slices.DeleteFunc(slices.Clone(c.search), func(dir string) bool { return slices.Contains(first, dir) })...)
	env := append([]string{"PATH=" + strings.Join(path, string(filepath.ListSeparator)), "PULUMI_HOME=" + h.dir}, quiet...)
	if user := userHome(c.cache); user != "" && (os.Getenv(credentialsVariable) == "" || os.Getenv("PULUMI_HOME") == h.dir) {
		env = append(env, credentialsVariable+"="+user)
	}
	return env
}
