package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Annotations an importer reads the image's name from.
const (
	containerdName = "io.containerd.image.name"
	layoutName     = "org.opencontainers.image.ref.name"
)

// compose makes an image of layers and a configuration. A history in config is
// kept: it lists a Dockerfile's steps.
func compose(config v1.ConfigFile, layers ...v1.Layer) (v1.Image, error) {
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	additions := make([]mutate.Addendum, 0, len(layers))
	for _, l := range layers {
		additions = append(additions, mutate.Addendum{Layer: l, History: v1.History{
			Created: v1.Time{Time: epoch}, CreatedBy: "slipway image build",
		}})
	}
	image, err := mutate.Append(image, additions...)
	if err != nil {
		return nil, err
	}
	stacked, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.RootFS = stacked.RootFS
	if len(config.History) == 0 {
		config.History = stacked.History
	}
	return mutate.ConfigFile(image, &config)
}

// errChanged is returned when a file differs between being measured and being
// packed.
var errChanged = errors.New("a file of the image changed while it was read; run the command again")

// writeArchive writes image to path as a tar of an OCI layout that names it
// ref, and returns the manifest's digest. The file is complete and on disk
// when it returns without error; a caller renames it into place.
func writeArchive(path, ref string, image v1.Image) (digest string, err error) {
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() {
		if closing := out.Close(); err == nil {
			err = closing
		}
	}()
	a := &archiver{tar: tar.NewWriter(out), have: map[v1.Hash]bool{}}
	if digest, err = a.image(ref, image); err != nil {
		return "", err
	}
	if err := a.tar.Close(); err != nil {
		return "", err
	}
	return digest, out.Sync()
}

type archiver struct {
	tar  *tar.Writer
	have map[v1.Hash]bool
}

func (a *archiver) image(ref string, image v1.Image) (string, error) {
	layers, err := image.Layers()
	if err != nil {
		return "", err
	}
	for _, l := range layers {
		if err := a.layer(l); err != nil {
			return "", err
		}
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return "", err
	}
	if err := a.bytes(config); err != nil {
		return "", err
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return "", err
	}
	if err := a.bytes(manifest); err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	return digest.String(), a.index(v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Digest: digest, Size: int64(len(manifest)),
		Annotations: map[string]string{containerdName: ref, layoutName: ref},
	})
}

func (a *archiver) index(manifest v1.Descriptor) error {
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{manifest},
	})
	if err != nil {
		return err
	}
	if err := a.entry("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return a.entry("index.json", index)
}

func (a *archiver) layer(l v1.Layer) error {
	digest, err := l.Digest()
	if err != nil {
		return err
	}
	// Two layers of equal content are one blob.
	if a.have[digest] {
		return nil
	}
	a.have[digest] = true
	size, err := l.Size()
	if err != nil {
		return err
	}
	content, err := l.Compressed()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // only read
	if err := a.header(blobName(digest), size); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(a.tar, io.TeeReader(content, sum)); err != nil {
		return fmt.Errorf("writing layer %s: %w", digest, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest.Hex {
		return errChanged
	}
	return nil
}

func (a *archiver) bytes(content []byte) error {
	digest, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return err
	}
	return a.entry(blobName(digest), content)
}

func (a *archiver) entry(name string, content []byte) error {
	if err := a.header(name, int64(len(content))); err != nil {
		return err
	}
	_, err := a.tar.Write(content)
	return err
}

func (a *archiver) header(name string, size int64) error {
	return a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: epoch, Format: tar.FormatPAX,
	})
}

func blobName(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }
