package toolchain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// layout is bumped when the content of a tool's directory changes meaning.
const layout = 1

// recipe is everything that decides a built tool.
type recipe struct {
	Layout   int
	Name     string
	Package  string
	Links    []string
	Go       string
	Platform string
	Flags    []string
	Embeds   map[string]moduleFile
	Slim     []slim `json:",omitempty"`
	// Files maps each source, below the checkout, to the hash of its content.
	Files map[string]string
}

// flags are those of the compiler and the linker, in a fixed order.
func (t tool) flags(p pins) []string {
	linker := []string{"-s", "-w"}
	if t.stamps != nil {
		stamps := t.stamps(t.version(p))
		for _, name := range slices.Sorted(maps.Keys(stamps)) {
			linker = append(linker, "-X", name+"="+stamps[name])
		}
	}
	flags := []string{"-ldflags=" + strings.Join(linker, " ")}
	if t.plain {
		return flags
	}
	// The compiler leaves out what the linker would strip: a quarter of the
	// build cache and a twentieth of the time. Stack traces need none of it.
	return append([]string{"-trimpath", "-gcflags=all=-dwarf=false"}, flags...)
}

func (t tool) recipe(checkout string, p pins, g golang) (recipe, error) {
	files, err := hashSources(checkout, append([]string{
		filepath.Join(t.module, "go.mod"), filepath.Join(t.module, "go.sum"),
	}, t.sources...))
	if err != nil {
		return recipe{}, fmt.Errorf("reading the sources of %s: %w", t.name, err)
	}
	return recipe{
		Layout: layout, Name: t.name, Package: t.pkg, Links: t.links, Go: g.Version,
		Platform: g.OS + "/" + g.Arch + "/" + g.Level,
		Flags:    t.flags(p), Embeds: t.embeds, Slim: t.slim, Files: files,
	}, nil
}

// key names a recipe: the first 12 hexadecimal digits of its hash.
func (r recipe) key() (string, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("hashing the recipe of %s: %w", r.Name, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])[:12], nil
}

// MarshalJSON makes the fields part of the hash.
func (f moduleFile) MarshalJSON() ([]byte, error) {
	return json.Marshal([]string{f.module, f.file})
}

// hashSources hashes files, and all that directories hold except tests and
// their data, which no program is compiled from.
func hashSources(checkout string, paths []string) (map[string]string, error) {
	sums := map[string]string{}
	for _, path := range paths {
		err := filepath.WalkDir(filepath.Join(checkout, path), func(full string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() {
				if entry.Name() == "testdata" {
					return filepath.SkipDir
				}
				return nil
			}
			if strings.HasSuffix(entry.Name(), "_test.go") || !entry.Type().IsRegular() {
				return nil
			}
			below, err := filepath.Rel(checkout, full)
			if err != nil {
				return err
			}
			sums[filepath.ToSlash(below)], err = hashFile(full)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// describe is what a tool's directory says about itself.
func (r recipe) describe() ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("describing %s: %w", r.Name, err)
	}
	return out.Bytes(), nil
}
