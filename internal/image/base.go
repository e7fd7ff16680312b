package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"slipway.dev/slipway/stacks/source"
)

// packed is the time stamp of files that enter an image from this machine.
// Not the epoch: zip archives, and so Python wheels, begin in 1980.
var packed = time.Unix(315619200, 0).UTC()

// baseName is what Dockerfiles are told to start from, without its tag.
const baseName = "localhost/slipway-base"

// baseKey names the base by its recipe and by when distribution packages were
// last asked for.
func (b *Builder) baseKey() (string, error) {
	tag, err := source.Tag(filepath.Join(b.checkout, baseDir))
	if err != nil {
		return "", fmt.Errorf("reading the recipe of the base image: %w", err)
	}
	return keyOf(recipe, "base", suite, runtime.GOARCH, tag, b.generation())
}

// base returns an archive of the image that Dockerfiles start from, made once
// and shared as the first layer of all of them. Only one process makes it;
// others wait for that.
func (b *Builder) base(ctx context.Context, report *progress) (Archive, error) {
	key, err := b.baseKey()
	if err != nil {
		return Archive{}, err
	}
	held, err := openLock(b.lockPath("base"))
	if err != nil {
		return Archive{}, err
	}
	defer held.release()
	err = held.wait(ctx, unix.LOCK_EX, func() { report.line("base: waiting for another build of it") })
	if err != nil {
		return Archive{}, err
	}
	ref := baseName + ":" + key
	if have, ok := b.store.find(ref, key); ok {
		return have, nil
	}
	done := report.start("base", "installing Debian "+suite)
	archive, err := b.bootstrap(ctx, ref, key)
	done(archive, err)
	if err != nil {
		return Archive{}, err
	}
	return archive, b.store.prune(ref, key)
}

// bootstrap makes the base from this machine's Debian mirrors.
func (b *Builder) bootstrap(ctx context.Context, ref, key string) (Archive, error) {
	if err := require("making the base image", "mmdebstrap", "unshare", "apt-get"); err != nil {
		return Archive{}, err
	}
	temp, err := b.tempDir()
	if err != nil {
		return Archive{}, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	sources, err := aptSources(ctx)
	if err != nil {
		return Archive{}, err
	}
	settings, err := aptSettings(ctx)
	if err != nil {
		return Archive{}, err
	}
	tarball := filepath.Join(temp, "base.tar")
	sourcesFile, settingsFile := filepath.Join(temp, "sources.list"), filepath.Join(temp, "apt.conf")
	if err := os.WriteFile(sourcesFile, sources, 0o644); err != nil {
		return Archive{}, err
	}
	if err := os.WriteFile(settingsFile, []byte(settings), 0o644); err != nil {
		return Archive{}, err
	}
	record, err := b.openLog("base")
	if err != nil {
		return Archive{}, err
	}
	defer record.close()
	env := append(os.Environ(), "TMPDIR="+temp, "SOURCE_DATE_EPOCH="+strconv.FormatInt(packed.Unix(), 10))
	script := filepath.Join(b.checkout, baseDir, "bootstrap")
	err = run(ctx, record, temp, env, confined(script, suite, tarball, sourcesFile, settingsFile)...)
	if err != nil {
		return Archive{}, record.explain("base", "installing Debian "+suite, err)
	}
	return b.packBase(ref, key, temp, tarball)
}

// packBase turns the installed system into an image that lends its children
// this machine's way to package indexes.
func (b *Builder) packBase(ref, key, temp, tarball string) (Archive, error) {
	l, err := tarLayer(tarball)
	if err != nil {
		return Archive{}, err
	}
	image, err := compose(v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, Created: v1.Time{Time: packed},
		Config: v1.Config{
			Env: append([]string{"PATH=" + searchPath}, loanEnvironment()...),
			Cmd: []string{"bash"},
		},
	}, l)
	if err != nil {
		return Archive{}, err
	}
	path := filepath.Join(temp, "archive.tar")
	digest, err := writeArchive(path, ref, image)
	if err != nil {
		return Archive{}, fmt.Errorf("writing the base image: %w", err)
	}
	return b.store.put(ref, key, digest, path)
}

// tarLayer measures a tar on disk that is to become a layer.
func tarLayer(path string) (*blob, error) {
	content, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer content.Close() //nolint:errcheck // only read
	sum := sha256.New()
	size, err := io.Copy(sum, content)
	if err != nil {
		return nil, err
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return &blob{path: path, digest: digest, size: size}, nil
}
