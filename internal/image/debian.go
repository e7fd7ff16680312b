package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// deb returns the path of a Debian package of this machine's release and
// architecture, downloaded at most once per generation.
func (b *Builder) deb(ctx context.Context, name string) (string, error) {
	b.packages.Lock()
	defer b.packages.Unlock()
	dir := filepath.Join(b.dir, "packages", b.generation())
	path := filepath.Join(dir, name+".deb")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := require("downloading Debian packages", "apt-get", "dpkg-deb"); err != nil {
		return "", err
	}
	temp, err := b.tempDir()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	if err := download(ctx, temp, name); err != nil {
		return "", fmt.Errorf("downloading the Debian package %s (are this machine's apt sources right?): %w", name, err)
	}
	got, err := filepath.Glob(filepath.Join(temp, name+"_*.deb"))
	if err != nil || len(got) != 1 {
		return "", fmt.Errorf("downloading the Debian package %s: expected one file, got %d", name, len(got))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(got[0], path); err != nil {
		return "", err
	}
	return path, forgetOthers(dir)
}

// forgetOthers deletes what lies beside dir: packages of earlier generations.
func forgetOthers(dir string) error {
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(dir) {
			if err := os.RemoveAll(filepath.Join(filepath.Dir(dir), entry.Name())); err != nil {
				return fmt.Errorf("deleting packages of an earlier generation: %w", err)
			}
		}
	}
	return nil
}

// download fetches a package into dir. A machine that has never run apt-get
// update knows no packages, so that is tried once before giving up.
func download(ctx context.Context, dir, name string) error {
	// Downloads by apt's own user would need dir to be writable for it.
	get := []string{"apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name}
	_, first := output(ctx, dir, get...)
	if first == nil || ctx.Err() != nil {
		return first
	}
	if _, err := output(ctx, dir, "apt-get", "-q", "update"); err != nil {
		return errors.Join(first, err)
	}
	_, err := output(ctx, dir, get...)
	return err
}

// unpack calls visit with every regular file of a Debian package; names are
// absolute.
func unpack(ctx context.Context, deb string, visit func(name string, content io.Reader) error) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("unpacking %s: %w", deb, err)
	}
	reading := walkTar(pipe, visit)
	// Drain, or dpkg-deb dies of a broken pipe on the padding at the end.
	_, draining := io.Copy(io.Discard, pipe)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("unpacking %s: %w: %s", deb, err, strings.TrimSpace(stderr.String()))
	}
	return errors.Join(reading, draining)
}

func walkTar(source io.Reader, visit func(name string, content io.Reader) error) error {
	in := tar.NewReader(source)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := visit(path.Join("/", header.Name), in); err != nil { //nolint:gosec // only a name to compare with, nothing is written there
			return err
		}
	}
}

// authorities returns the public certificate authorities of Debian's
// ca-certificates, as one PEM file. Those that this machine trusts besides,
// a company's proxy for instance, are deliberately not among them.
func (b *Builder) authorities(ctx context.Context) ([]byte, error) {
	deb, err := b.deb(ctx, "ca-certificates")
	if err != nil {
		return nil, err
	}
	byName := map[string][]byte{}
	err = unpack(ctx, deb, func(name string, content io.Reader) error {
		if !strings.HasPrefix(name, "/usr/share/ca-certificates/mozilla/") {
			return nil
		}
		pem, err := io.ReadAll(content)
		byName[name] = pem
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(byName) == 0 {
		return nil, fmt.Errorf("reading certificate authorities: %s holds none", deb)
	}
	var bundle bytes.Buffer
	for _, name := range sortedKeys(byName) {
		bundle.Write(bytes.TrimSpace(byName[name]))
		bundle.WriteByte('\n')
	}
	return bundle.Bytes(), nil
}

// busybox lays out an image with the one program of busybox-static and a link
// for each command it can be.
func (b *Builder) busybox(ctx context.Context, name string) ([]file, error) {
	deb, err := b.deb(ctx, name)
	if err != nil {
		return nil, err
	}
	var program []byte
	err = unpack(ctx, deb, func(name string, content io.Reader) (err error) {
		if path.Base(name) == "busybox" && path.Base(path.Dir(name)) == "bin" {
			program, err = io.ReadAll(content)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if program == nil {
		return nil, fmt.Errorf("reading %s: it holds no busybox program", deb)
	}
	commands, err := b.busyboxCommands(ctx, program)
	if err != nil {
		return nil, err
	}
	files := append(rootFiles(),
		file{Path: "/bin/busybox", Mode: 0o755, Content: program},
		file{Path: "/root", Mode: 0o700, Dir: true},
		// Scripts name their interpreter by this path.
		file{Path: "/usr/bin/env", Link: "/bin/busybox"},
	)
	for _, command := range commands {
		if command != "busybox" {
			files = append(files, file{Path: "/bin/" + command, Link: "busybox"})
		}
	}
	return files, nil
}

// busyboxCommands asks the program itself what it can be.
func (b *Builder) busyboxCommands(ctx context.Context, program []byte) ([]string, error) {
	temp, err := b.tempDir()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	path := filepath.Join(temp, "busybox")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		return nil, err
	}
	list, err := output(ctx, temp, path, "--list")
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(list)), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
