package lab

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"slipway.dev/slipway/internal/image"
)

// share gives a node an image that another node of the lab has, without
// copying or unpacking anything. Its layers are committed as snapshots made of
// hard links, under the names that unpacking would give them; its blobs are
// linked into the node's content store, which then takes them as its own; what
// is imported is an archive of the image's names alone. If that leaves the
// image incomplete, or links are not possible (a node's directory on a disk of
// its own), the whole archive is imported.
func (l *Lab) share(ctx context.Context, archive image.Archive, contents imageContents, from, to string) error {
	err := l.link(ctx, archive, contents, from, to)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && l.complete(ctx, archive, to) {
		return nil
	}
	// Linking saves time and disk; when it fails nothing else is lost.
	return l.importArchive(ctx, to, archive)
}

func (l *Lab) link(ctx context.Context, archive image.Archive, contents imageContents, from, to string) error {
	for i, name := range contents.chain {
		parent := ""
		if i > 0 {
			parent = contents.chain[i-1]
		}
		if err := l.seedLayer(ctx, to, name, parent, contents.dirs[i]); err != nil {
			return fmt.Errorf("linking layer %d into %s: %w", i+1, to, err)
		}
	}
	for _, blob := range contents.blobs {
		if err := l.adoptBlob(ctx, from, to, blob); err != nil {
			return fmt.Errorf("linking blob %s into %s: %w", blob.Digest, to, err)
		}
	}
	thin, err := l.thinArchive(archive, contents, from)
	if err != nil {
		return fmt.Errorf("composing an archive for %s: %w", to, err)
	}
	defer func() { _ = os.Remove(thin) }()
	if _, err := l.ctr(ctx, to, "images", "import", "--snapshotter=overlayfs", thin); err != nil {
		return err
	}
	// What unpacking would have noted: the image holds its layers. Then they no
	// longer have to hold themselves.
	if len(contents.chain) > 0 {
		top := contents.chain[len(contents.chain)-1]
		if _, err := l.ctr(ctx, to, "content", "label", contents.config, "containerd.io/gc.ref.snapshot.overlayfs="+top); err != nil {
			return err
		}
	}
	for _, name := range contents.chain {
		if _, err := l.ctr(ctx, to, "snapshots", "--snapshotter=overlayfs", "label", name, collectorRoot+"="); err != nil {
			return err
		}
	}
	for _, blob := range contents.blobs {
		if _, err := l.ctr(ctx, to, "content", "label", blob.Digest, collectorRoot+"="); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether a node has all of an image, unpacked.
func (l *Lab) complete(ctx context.Context, archive image.Archive, node string) bool {
	ready, err := l.ctr(ctx, node, "images", "check", "--quiet", "--snapshotter=overlayfs", "name=="+archive.Ref)
	if err != nil || strings.TrimSpace(ready) != archive.Ref {
		return false
	}
	have, err := l.images(ctx, node)
	return err == nil && have[archive.Ref] == archive.Digest
}

// adoptBlob puts a link to a blob of one node into another's content store and
// makes the store take it. It is held by a label until the image holds it.
func (l *Lab) adoptBlob(ctx context.Context, from, to string, blob descriptor) error {
	source, target := l.blob(from, blob.Digest), l.blob(to, blob.Digest)
	if _, err := os.Stat(target); err == nil {
		if err := linkOver(source, target); err != nil {
			return err
		}
	} else {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.Link(source, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	// Between the taking and the labelling lies a moment in which the store's
	// garbage collection, set off by anybody's import, may drop the blob again.
	for attempt := 1; ; attempt++ {
		err := l.ingest(ctx, source, to, blob)
		if err == nil || attempt == 5 || ctx.Err() != nil {
			return err
		}
		if err := os.Link(source, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// ingest makes a node's content store take a blob that lies in its directory.
// The store compares size and digest and asks for no data; what it knows
// already it refuses to take again.
func (l *Lab) ingest(ctx context.Context, source, to string, blob descriptor) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	cmd := l.ctrCommand(ctx, to, "content", "ingest", "--expected-digest", blob.Digest,
		"--expected-size", strconv.FormatInt(blob.Size, 10), "slipway-"+strings.TrimPrefix(blob.Digest, "sha256:"))
	cmd.Stdin = file
	if printed, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(printed), "already exists") {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(printed)))
	}
	_, err = l.ctr(ctx, to, "content", "label", blob.Digest, collectorRoot+"=slipway")
	return err
}

// thinArchive writes an image archive without layers.
func (l *Lab) thinArchive(archive image.Archive, contents imageContents, node string) (string, error) {
	file, err := os.CreateTemp(l.run, "image-*.tar")
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	writer := tar.NewWriter(file)
	add := func(name string, content []byte) error {
		if err := writer.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err := writer.Write(content)
		return err
	}
	manifest, err := os.ReadFile(l.blob(node, archive.Digest))
	if err != nil {
		return file.Name(), err
	}
	config, err := os.ReadFile(l.blob(node, contents.config))
	if err != nil {
		return file.Name(), err
	}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"manifests": []any{map[string]any{
			"mediaType":   contents.mediaType,
			"digest":      archive.Digest,
			"size":        len(manifest),
			"annotations": map[string]string{"io.containerd.image.name": archive.Ref},
		}},
	})
	if err != nil {
		return file.Name(), err
	}
	blob := func(digest string) string { return "blobs/sha256/" + strings.TrimPrefix(digest, "sha256:") }
	return file.Name(), errors.Join(
		add(blob(archive.Digest), manifest), add(blob(contents.config), config),
		add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), add("index.json", index), writer.Close())
}

// collectorRoot is the label by which ctr keeps what it makes from
// containerd's garbage collection.
const collectorRoot = "containerd.io/gc.root"

// descriptor names a blob.
type descriptor struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// imageContents are the parts of an image on a node.
type imageContents struct {
	mediaType string // of the manifest
	config    string // digest
	blobs     []descriptor
	chain     []string // names of the layers' snapshots, lowest first
	dirs      []string // where the node has them unpacked
}

func (l *Lab) blob(node, digest string) string {
	return l.node(node, "containerd", "io.containerd.content.v1.content", "blobs", "sha256", strings.TrimPrefix(digest, "sha256:"))
}

// contents reads what an image consists of from a node that has it.
func (l *Lab) contents(ctx context.Context, node, digest string) (imageContents, error) {
	var manifest struct {
		MediaType string       `json:"mediaType"`
		Config    descriptor   `json:"config"`
		Layers    []descriptor `json:"layers"`
	}
	if err := readJSON(l.blob(node, digest), &manifest); err != nil {
		return imageContents{}, fmt.Errorf("reading the image's manifest: %w", err)
	}
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := readJSON(l.blob(node, manifest.Config.Digest), &config); err != nil {
		return imageContents{}, fmt.Errorf("reading the image's configuration: %w", err)
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return imageContents{}, fmt.Errorf("the image names %d layers and configures %d", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	info, err := os.Stat(l.blob(node, digest))
	if err != nil {
		return imageContents{}, fmt.Errorf("reading the image's manifest: %w", err)
	}
	contents := imageContents{
		mediaType: manifest.MediaType,
		config:    manifest.Config.Digest,
		blobs:     append([]descriptor{{digest, info.Size()}, manifest.Config}, manifest.Layers...),
		chain:     chainIDs(config.RootFS.DiffIDs),
	}
	if contents.mediaType == "" {
		contents.mediaType = "application/vnd.oci.image.manifest.v1+json"
	}
	contents.dirs, err = l.layerDirs(ctx, node, contents.chain)
	return contents, err
}

func readJSON(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

// chainIDs names each layer together with all below it, by the rule of the OCI
// image specification.
func chainIDs(diffs []string) []string {
	chain := make([]string, 0, len(diffs))
	for i, diff := range diffs {
		if i > 0 {
			sum := sha256.Sum256([]byte(chain[i-1] + " " + diff))
			diff = "sha256:" + hex.EncodeToString(sum[:])
		}
		chain = append(chain, diff)
	}
	return chain
}

// snapshotMount is how containerd describes a mount of a snapshot.
type snapshotMount struct {
	Type    string
	Source  string
	Options []string
}

// dirs lists the layer directories of a mount, lowest first.
func (m snapshotMount) dirs() []string {
	if m.Type == "bind" {
		return []string{m.Source}
	}
	for _, option := range m.Options {
		if lower, ok := strings.CutPrefix(option, "lowerdir="); ok {
			dirs := strings.Split(lower, ":")
			for i, j := 0, len(dirs)-1; i < j; i, j = i+1, j-1 {
				dirs[i], dirs[j] = dirs[j], dirs[i]
			}
			return dirs
		}
	}
	return nil
}

// layerDirs finds the directories of an image's unpacked layers on the
// machine, lowest first.
func (l *Lab) layerDirs(ctx context.Context, node string, chain []string) ([]string, error) {
	if len(chain) == 0 {
		return nil, nil
	}
	view := "slipway-view-" + strings.TrimPrefix(chain[len(chain)-1], "sha256:")
	mount, err := l.snapshot(ctx, node, "view", view, chain[len(chain)-1])
	if err != nil {
		return nil, err
	}
	defer func() {
		_, _ = l.ctr(context.WithoutCancel(ctx), node, "snapshots", "--snapshotter=overlayfs", "remove", view)
	}()
	dirs := mount.dirs()
	if len(dirs) != len(chain) {
		return nil, fmt.Errorf("the image on %s has %d layers unpacked, not %d", node, len(dirs), len(chain))
	}
	for i, dir := range dirs {
		dirs[i] = l.outside(node, dir)
	}
	return dirs, nil
}

// outside translates a path below a node's /var/lib/containerd to the
// machine's.
func (l *Lab) outside(node, path string) string {
	return filepath.Join(l.node(node, "containerd"), strings.TrimPrefix(path, "/var/lib/containerd"))
}

// snapshot makes a view or an active snapshot, replacing one of that name that
// an interrupted command left.
func (l *Lab) snapshot(ctx context.Context, node, verb, name, parent string) (snapshotMount, error) {
	_, _ = l.ctr(ctx, node, "snapshots", "--snapshotter=overlayfs", "remove", name)
	args := []string{"snapshots", "--snapshotter=overlayfs", verb, "--mounts", name}
	if parent != "" {
		args = append(args, parent)
	}
	printed, err := l.ctr(ctx, node, args...)
	if err != nil {
		return snapshotMount{}, err
	}
	var mounts []snapshotMount
	if err := json.Unmarshal([]byte(printed), &mounts); err != nil || len(mounts) != 1 {
		return snapshotMount{}, fmt.Errorf("ctr describes a snapshot as %q: %w", printed, err)
	}
	return mounts[0], nil
}

// seedLayer commits a snapshot of the given name made of links to dir, unless
// the node has the layer. It is held by a label until the image holds it.
func (l *Lab) seedLayer(ctx context.Context, node, name, parent, dir string) error {
	if _, err := l.ctr(ctx, node, "snapshots", "--snapshotter=overlayfs", "info", name); err == nil {
		return nil
	}
	key := "slipway-seed-" + strings.TrimPrefix(name, "sha256:")
	mount, err := l.snapshot(ctx, node, "prepare", key, parent)
	if err != nil {
		return err
	}
	target := mount.Source // of a bind: a lowest layer is written directly
	for _, option := range mount.Options {
		if upper, ok := strings.CutPrefix(option, "upperdir="); ok {
			target = upper
		}
	}
	if err := linkTree(ctx, dir, l.outside(node, target)); err != nil {
		_, _ = l.ctr(context.WithoutCancel(ctx), node, "snapshots", "--snapshotter=overlayfs", "remove", key)
		return err
	}
	_, err = l.ctr(ctx, node, "snapshots", "--snapshotter=overlayfs", "commit", name, key)
	return err
}
