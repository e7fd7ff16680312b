package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ErrForeignBase is returned for a Dockerfile that needs an image other than
// the base: no registry answers here, so nothing else can be had.
var ErrForeignBase = errors.New("a Dockerfile may start only from ${BASE}, scratch or its own stages")

// instruction matches the two kinds of line that name images.
var instruction = regexp.MustCompile(`(?i)^\s*(from|arg|copy|add)\s+(.*)$`)

// checkDockerfile reports every image the Dockerfile needs and cannot have.
func checkDockerfile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the Dockerfile: %w", err)
	}
	var faults []error
	hasBase := false
	stages := map[string]bool{}
	number := 0
	for line := range strings.Lines(string(raw)) {
		number++
		match := instruction.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil {
			continue
		}
		words := strings.Fields(match[2])
		switch strings.ToLower(match[1]) {
		case "arg":
			name, _, _ := strings.Cut(match[2], "=")
			hasBase = hasBase || strings.TrimSpace(name) == "BASE"
		case "from":
			words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "--") })
			if len(words) > 0 && !known(words[0], stages) {
				faults = append(faults, fmt.Errorf("%s:%d: FROM %s: %w", path, number, words[0], ErrForeignBase))
			}
			stages[fmt.Sprint(len(stages))] = true
			if len(words) == 3 && strings.EqualFold(words[1], "as") {
				stages[strings.ToLower(words[2])] = true
			}
		default:
			for _, word := range words {
				if from, ok := strings.CutPrefix(word, "--from="); ok && !known(from, stages) {
					faults = append(faults, fmt.Errorf("%s:%d: --from=%s: %w", path, number, from, ErrForeignBase))
				}
			}
		}
	}
	if !hasBase {
		faults = append(faults, fmt.Errorf("%s: has no line `ARG BASE=...` before FROM ${BASE}: "+
			"the base image could not be swapped", path))
	}
	return errors.Join(faults...)
}

func known(image string, stages map[string]bool) bool {
	return image == "${BASE}" || image == "$BASE" || image == "scratch" || stages[strings.ToLower(image)]
}

// dockerfile builds spec's directory on the base and writes the result to
// path.
func (b *Builder) dockerfile(ctx context.Context, spec Spec, path string, report *progress) (string, error) {
	dir := filepath.Join(b.checkout, spec.From)
	if err := checkDockerfile(filepath.Join(dir, "Dockerfile")); err != nil {
		return "", err
	}
	report.doing(spec.Ref, "waiting for the base image")
	base, err := b.base(ctx, report)
	if err != nil {
		return "", err
	}
	report.doing(spec.Ref, "preparing")
	temp, err := b.tempDir()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	loan := filepath.Join(b.dir, "build", folder(spec.Ref))
	if err := b.lend(ctx, loan); err != nil {
		return "", fmt.Errorf("preparing the build of %s: %w", spec.Ref, err)
	}
	record, err := b.openLog(folder(spec.Ref))
	if err != nil {
		return "", err
	}
	defer record.close()
	record.onStep = func(step string) { report.step(spec.Ref, step) }
	built, err := b.buildStages(ctx, spec, base, stage{temp: temp, loan: loan, source: dir}, record)
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", record.explain(spec.Ref, "preparing the build", err)
	}
	return repack(built, path, spec.Ref)
}

// stage names the directories of one build.
type stage struct{ temp, loan, source string }

// buildStages runs buildah and returns the directory it left the image in.
func (b *Builder) buildStages(ctx context.Context, spec Spec, base Archive, at stage, record *buildLog) (string, error) {
	tool, err := openBuildah(ctx, b.dir, b.run)
	if err != nil {
		return "", err
	}
	if err := tool.adopt(ctx, record, at.temp, base); err != nil {
		return "", fmt.Errorf("taking in the base image: %w", err)
	}
	content := filepath.Join(at.temp, "context")
	if err := copyContext(at.source, content); err != nil {
		return "", fmt.Errorf("copying the build context: %w", err)
	}
	name := "localhost/slipway-build/" + folder(spec.Ref)
	err = tool.run(ctx, record, at.temp, "build",
		"--isolation", "chroot", "--network", "host", "--pull=never", "--format", "oci",
		"--layers", "--force-rm", "--identity-label=false",
		"--build-arg", "BASE="+base.Ref, "--volume", at.loan+":"+inside,
		"--tag", name, "--file", filepath.Join(content, "Dockerfile"), content)
	if err != nil {
		return "", err
	}
	out := filepath.Join(at.temp, "image")
	// The plain directory format is the one that keeps layers uncompressed.
	if err := tool.run(ctx, record, at.temp, "push", "--quiet", "--disable-compression", name, "dir:"+out); err != nil {
		return "", fmt.Errorf("writing the image: %w", err)
	}
	return out, nil
}

// repack turns buildah's directory into an archive, without what the image
// borrowed from this machine.
func repack(dir, path, ref string) (string, error) {
	var manifest v1.Manifest
	if err := readJSON(filepath.Join(dir, "manifest.json"), &manifest); err != nil {
		return "", err
	}
	var config v1.ConfigFile
	if err := readJSON(filepath.Join(dir, manifest.Config.Digest.Hex), &config); err != nil {
		return "", err
	}
	var layers []v1.Layer
	for _, descriptor := range manifest.Layers {
		if descriptor.MediaType != types.OCIUncompressedLayer {
			return "", fmt.Errorf("reading the built image: layer %s is %s, expected an uncompressed one",
				descriptor.Digest, descriptor.MediaType)
		}
		layers = append(layers, &blob{
			path: filepath.Join(dir, descriptor.Digest.Hex), digest: descriptor.Digest, size: descriptor.Size,
		})
	}
	config.Config.Env = giveBack(config.Config.Env)
	config.Author = ""
	image, err := compose(config, layers...)
	if err != nil {
		return "", fmt.Errorf("reading the built image: %w", err)
	}
	return writeArchive(path, ref, image)
}

func readJSON(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the built image: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("reading the built image: %s: %w", path, err)
	}
	return nil
}

// skipped are the names that source.Tag does not count. What the tag does not
// see must not reach the image, or one tag could mean two images.
var skipped = map[string]bool{
	"tests": true, ".venv": true, "__pycache__": true,
	".pytest_cache": true, ".ruff_cache": true, ".hypothesis": true,
}

// copyContext copies what source.Tag counts, with the modes and times it
// counts, so that equal tags give equal build contexts in every checkout.
func copyContext(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir() && path != from && skipped[entry.Name()]:
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case strings.HasSuffix(entry.Name(), ".pyc"):
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target) //nolint:gosec // a copy of the checkout, which nobody else changes
		default:
			return copyFile(path, target)
		}
	})
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	// The umask does not get a say.
	if err := errors.Join(err, out.Chmod(mode), out.Close()); err != nil {
		return err
	}
	return os.Chtimes(to, packed, packed)
}
