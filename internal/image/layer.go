package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the time every file and image made here carries, so that the same
// content gives the same digest on every machine and day.
var epoch = time.Unix(0, 0).UTC()

// file is one entry of a layer made here. Owner and group are always root:
// programs read their image and never write to it.
type file struct {
	// Path is absolute inside the image. Missing parents are added with mode
	// 0755.
	Path string
	// Mode holds permission bits, and the sticky bit where one is wanted.
	Mode int64
	// Dir makes a directory; Link makes a symbolic link to its value.
	Dir  bool
	Link string
	// Content is the file's bytes, or, when From is set, the file on this
	// machine they are read from.
	Content []byte
	From    string
	// Capability is the file's security.capability attribute, already encoded.
	Capability []byte
}

// layer is one uncompressed image layer. It reads its files anew each time it
// is written, so that a large program is never held in memory.
type layer struct {
	files  []file
	digest v1.Hash
	size   int64
}

// newLayer orders files and learns the layer's digest and size.
func newLayer(files []file) (*layer, error) {
	l := &layer{files: withParents(files)}
	sum := sha256.New()
	count := &counter{}
	if err := l.write(io.MultiWriter(sum, count)); err != nil {
		return nil, err
	}
	l.digest = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	l.size = count.n
	return l, nil
}

// withParents adds the directories that files lie in and sorts by path, which
// puts every directory before what it holds.
func withParents(files []file) []file {
	all := slices.Clone(files)
	known := map[string]bool{"/": true}
	for _, f := range files {
		known[f.Path] = true
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			all = append(all, file{Path: dir, Mode: 0o755, Dir: true})
		}
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.Path, b.Path) })
	return all
}

func (l *layer) write(w io.Writer) error {
	out := tar.NewWriter(w)
	for _, f := range l.files {
		if err := f.write(out); err != nil {
			return fmt.Errorf("packing %s: %w", f.Path, err)
		}
	}
	return out.Close()
}

func (f file) write(out *tar.Writer) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg,
		Name:     strings.TrimPrefix(f.Path, "/"),
		Mode:     f.Mode,
		ModTime:  epoch,
		Format:   tar.FormatPAX,
	}
	var content io.Reader = bytes.NewReader(f.Content)
	switch {
	case f.Dir:
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
	case f.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.Link, 0o777
	case f.From != "":
		source, err := os.Open(f.From)
		if err != nil {
			return err
		}
		defer source.Close() //nolint:errcheck // only read
		info, err := source.Stat()
		if err != nil {
			return err
		}
		header.Size = info.Size()
		content = source
	default:
		header.Size = int64(len(f.Content))
	}
	if f.Capability != nil {
		header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(f.Capability)}
	}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(out, content)
	return err
}

// bindService is what `setcap cap_net_bind_service=+ep` writes: revision 2
// with the effective bit, capability 10 permitted, nothing inheritable.
var bindService = []byte{
	0x01, 0x00, 0x00, 0x02,
	0x00, 0x04, 0x00, 0x00, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0,
}

// The methods below make layer a v1.Layer.

// Digest equals DiffID because the layer is not compressed: archives are read
// once, from the same disk, so compressing would only cost time.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the layer's content.
func (l *layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Size is the layer's length in bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType says that the layer is a plain tar.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed is the layer as it lies in the archive.
func (l *layer) Compressed() (io.ReadCloser, error) { return l.Uncompressed() }

// Uncompressed streams the layer's content.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(l.write(writer)) }()
	return reader, nil
}

// blob is a layer that already lies on disk as a file.
type blob struct {
	path   string
	digest v1.Hash
	size   int64
}

// Digest, DiffID and the rest make blob a v1.Layer.
func (b *blob) Digest() (v1.Hash, error) { return b.digest, nil }

// DiffID equals Digest: the blob is not compressed.
func (b *blob) DiffID() (v1.Hash, error) { return b.digest, nil }

// Size is the blob's length in bytes.
func (b *blob) Size() (int64, error) { return b.size, nil }

// MediaType says that the blob is a plain tar.
func (b *blob) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

// Compressed is the blob as it lies on disk.
func (b *blob) Compressed() (io.ReadCloser, error) { return os.Open(b.path) }

// Uncompressed is the same.
func (b *blob) Uncompressed() (io.ReadCloser, error) { return os.Open(b.path) }

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
