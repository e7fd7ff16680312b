package image

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway.dev/slipway/stacks/source"
)

// searchPath is the PATH inside images made here.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// certificatesPath is where Go, OpenSSL and curl look first on Debian.
const certificatesPath = "/etc/ssl/certs/ca-certificates.crt"

// rootFiles are what even a static program expects: its user's name, and a
// place for temporary files.
func rootFiles() []file {
	return []file{
		{Path: "/etc/passwd", Mode: 0o644, Content: []byte(
			"root:x:0:0:root:/root:/bin/sh\n" +
				"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" +
				"nonroot:x:65532:65532:nonroot:/nonexistent:/usr/sbin/nologin\n")},
		{Path: "/etc/group", Mode: 0o644, Content: []byte(
			"root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n")},
		{Path: "/tmp", Mode: 0o1777, Dir: true},
	}
}

// programImage lays out the image of one static Go program: the common files
// and the program are layers that images with equal content share.
func (b *Builder) programImage(ctx context.Context, spec Spec) (v1.Image, error) {
	binary, err := b.binary(ctx, spec)
	if err != nil {
		return nil, err
	}
	common := rootFiles()
	if spec.program.Certificates {
		bundle, err := b.authorities(ctx)
		if err != nil {
			return nil, err
		}
		common = append(common, file{Path: certificatesPath, Mode: 0o644, Content: bundle})
	}
	programFile := file{Path: spec.program.Path, Mode: 0o755, From: binary}
	if spec.program.BindService {
		programFile.Capability = bindService
	}
	groups := [][]file{common, {programFile}}
	if link := spec.program.Link; link != "" {
		groups = append(groups, []file{{Path: link, Link: spec.program.Path}})
	}
	var layers []v1.Layer
	for _, files := range groups {
		l, err := newLayer(files)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return compose(v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, Created: v1.Time{Time: epoch},
		Config: v1.Config{
			Env: []string{"PATH=" + searchPath}, WorkingDir: "/",
			Entrypoint: spec.program.Entrypoint, User: spec.program.User,
		},
	}, layers...)
}

// busyboxImage lays out the busybox image, which runs a shell by default.
func (b *Builder) busyboxImage(ctx context.Context, spec Spec) (v1.Image, error) {
	files, err := b.busybox(ctx, spec.From)
	if err != nil {
		return nil, err
	}
	l, err := newLayer(files)
	if err != nil {
		return nil, err
	}
	return compose(v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, Created: v1.Time{Time: epoch},
		Config: v1.Config{Env: []string{"PATH=" + searchPath}, Cmd: []string{"sh"}},
	}, l)
}

// binary returns the program that goes into spec's image.
func (b *Builder) binary(ctx context.Context, spec Spec) (string, error) {
	if spec.own() {
		return b.compiled(ctx, spec)
	}
	path, err := b.tools.Path(spec.From)
	if err != nil {
		return "", err
	}
	return path, checkStatic(path)
}

// ErrDynamic is returned for a program that needs a loader and libraries: its
// image has none, and the kernel would only say "no such file or directory".
var ErrDynamic = errors.New("the program is linked dynamically; build it with CGO_ENABLED=0")

func checkStatic(path string) error {
	program, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	defer program.Close() //nolint:errcheck // only read
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("reading %s: %w", path, ErrDynamic)
		}
	}
	return nil
}

// ownKey names a program of this repository by its source and by what compiles
// it.
func (b *Builder) ownKey(spec Spec) (string, error) {
	tag, err := source.Tag(filepath.Join(b.checkout, spec.From))
	if err != nil {
		return "", err
	}
	return tag + "-" + runtime.Version() + "-" + runtime.GOARCH, nil
}

// compiled compiles a program of this repository, or finds it compiled. It uses
// the standard library and what lies in its own directory, and nothing else: its
// key names no other package.
func (b *Builder) compiled(ctx context.Context, spec Spec) (string, error) {
	key, err := b.ownKey(spec)
	if err != nil {
		return "", err
	}
	name := filepath.Base(spec.From)
	dir := filepath.Join(b.dir, "programs")
	path := filepath.Join(dir, name+"-"+key)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := require("compiling the "+name+" program", "go"); err != nil {
		return "", err
	}
	temp, err := b.tempDir()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	built := filepath.Join(temp, name)
	var said strings.Builder
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=-buildvcs=false")
	err = run(ctx, &said, b.checkout, env,
		"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, "./"+spec.From)
	if err != nil {
		return "", fmt.Errorf("compiling %s: %w\n%s", spec.From, err, said.String())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return path, os.Rename(built, path)
}
