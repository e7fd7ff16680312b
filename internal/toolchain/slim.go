package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// slim edits one file of a module for one tool's build, so that packages which
// only that file asks for need not be compiled.
type slim struct {
	File moduleFile
	// Edit names what is done, for the recipe. It changes with what edit makes.
	Edit string
	// Drop are further files of the module that what edit leaves needs no more.
	Drop []string `json:",omitempty"`
	edit func(source []byte) ([]byte, error)
}

// slimmed copies the modules into temp with their files edited, and returns the
// flags that have a build of b use the copies.
func slimmed(ctx context.Context, c *Chain, b build, slims []slim) ([]string, error) {
	file := filepath.Join(b.dir, "go.mod")
	mod, err := readModule(file)
	if err != nil {
		return nil, err
	}
	copies := map[string]string{}
	for _, s := range slims {
		replaced, copied := copies[s.File.module]
		if !copied {
			replaced = filepath.Join(b.temp, fmt.Sprintf("module-%d", len(copies)))
			if err := c.copyModule(ctx, s.File.module, replaced); err != nil {
				return nil, err
			}
			copies[s.File.module] = replaced
		}
		if err := s.apply(replaced); err != nil {
			return nil, err
		}
		if err := mod.AddReplace(s.File.module, "", replaced, ""); err != nil {
			return nil, fmt.Errorf("replacing module %s: %w", s.File.module, err)
		}
	}
	target := filepath.Join(b.temp, "go.mod")
	return []string{"-modfile=" + target}, writeModule(mod, file, target)
}

// copyModule copies a pinned module to a directory.
func (c *Chain) copyModule(ctx context.Context, module, to string) error {
	original, err := c.ModuleDir(ctx, module)
	if err != nil {
		return err
	}
	if err := copySources(to, original); err != nil {
		return fmt.Errorf("copying module %s: %w", module, err)
	}
	return nil
}

// apply edits the module's copy.
func (s *slim) apply(to string) error {
	target := filepath.Join(to, filepath.FromSlash(s.File.file))
	source, err := os.ReadFile(target)
	if err != nil {
		return fmt.Errorf("reading %s of module %s: %w", s.File.file, s.File.module, err)
	}
	if source, err = s.edit(source); err != nil {
		return fmt.Errorf("editing %s of module %s, which may have changed with its version: %w", s.File.file, s.File.module, err)
	}
	if err := os.WriteFile(target, source, 0o600); err != nil {
		return fmt.Errorf("editing %s of module %s: %w", s.File.file, s.File.module, err)
	}
	for _, drop := range s.Drop {
		if err := os.Remove(filepath.Join(to, filepath.FromSlash(drop))); err != nil {
			return fmt.Errorf("dropping %s of module %s, which may have changed with its version: %w", drop, s.File.module, err)
		}
	}
	return nil
}

// copySources copies what is compiled.
func copySources(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, below)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if !entry.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path) //nolint:gosec // a copy in the cache, which nobody else changes
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}

func readModule(file string) (*modfile.File, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading pins: %w", err)
	}
	mod, err := modfile.Parse(file, raw, nil)
	if err != nil {
		return nil, fmt.Errorf("reading pins: %w", err)
	}
	return mod, nil
}

// writeModule writes a go.mod that was read from a file to another place, and
// the go.sum beside it, where -modfile expects that.
func writeModule(mod *modfile.File, from, to string) error {
	raw, err := mod.Format()
	if err != nil {
		return fmt.Errorf("replacing modules: %w", err)
	}
	sums, err := os.ReadFile(strings.TrimSuffix(from, ".mod") + ".sum")
	if err != nil {
		return fmt.Errorf("reading checksums: %w", err)
	}
	if err := errors.Join(os.WriteFile(to, raw, 0o600), os.WriteFile(strings.TrimSuffix(to, ".mod")+".sum", sums, 0o600)); err != nil {
		return fmt.Errorf("replacing modules: %w", err)
	}
	return nil
}
