package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sync/errgroup"

	"slipway.dev/slipway/internal/image"
)

// Load imports into every running node the archives it lacks. It may run
// while pods run, and twice: what is there with the same digest is skipped.
//
// Once the lab's own images are there, the add-ons that run them are declared.
//
// An image is stored once: the first node unpacks it, the others get hard
// links to its layers and blobs. Neither is ever written to; a container
// writes to a layer of its own.
func (l *Lab) Load(ctx context.Context, archives []image.Archive) error {
	unlock, err := l.exclude(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	have, err := l.load(ctx, archives)
	if err != nil {
		return err
	}
	for _, ref := range Images() {
		for i := range have {
			if have[i][ref] == "" {
				return nil // the add-ons follow with the Load that brings it
			}
		}
	}
	return l.applyAddons(ctx, true)
}

// Import is Load for whoever only brings images: the add-ons stay as they are.
func (l *Lab) Import(ctx context.Context, archives []image.Archive) error {
	unlock, err := l.exclude(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = l.load(ctx, archives)
	return err
}

// load imports archives and returns what each node then has.
func (l *Lab) load(ctx context.Context, archives []image.Archive) ([]map[string]string, error) {
	nodes, err := l.nodes()
	if err != nil {
		return nil, err
	}
	have := make([]map[string]string, len(nodes))
	for i, node := range nodes {
		if err := l.requireContainerd(node); err != nil {
			return nil, err
		}
		if have[i], err = l.images(ctx, node.Name); err != nil {
			return nil, err
		}
	}
	for _, archive := range archives {
		if err := l.loadEverywhere(ctx, archive, nodes, have); err != nil {
			return nil, fmt.Errorf("loading image %s: %w", archive.Ref, err)
		}
		for i := range have {
			have[i][archive.Ref] = archive.Digest
		}
	}
	return have, nil
}

func (l *Lab) requireContainerd(node Placement) error {
	running, err := l.find(node.Name + "/containerd")
	if err != nil {
		return err
	}
	if len(running) == 0 {
		return fmt.Errorf("loading images into %s: its containerd does not run: run `slipway lab up`", node.Name)
	}
	return nil
}

// loadEverywhere brings one archive into the nodes that lack it; have holds
// what each node has.
func (l *Lab) loadEverywhere(ctx context.Context, archive image.Archive, nodes []Placement, have []map[string]string) error {
	source := ""
	var lacking []Placement
	for i, node := range nodes {
		if have[i][archive.Ref] == archive.Digest {
			source = node.Name
		} else {
			lacking = append(lacking, node)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	if _, err := os.Stat(archive.Path); err != nil {
		return err
	}
	if source == "" {
		source = lacking[0].Name
		if err := l.importArchive(ctx, source, archive); err != nil {
			return err
		}
		lacking = lacking[1:]
	}
	if len(lacking) == 0 {
		return nil
	}
	contents, err := l.contents(ctx, source, archive.Digest)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range lacking {
		group.Go(func() error { return l.share(ctx, archive, contents, source, node.Name) })
	}
	return group.Wait()
}

func (l *Lab) importArchive(ctx context.Context, node string, archive image.Archive) error {
	if _, err := l.ctr(ctx, node, "images", "import", "--snapshotter=overlayfs", archive.Path); err != nil {
		return fmt.Errorf("importing into %s: %w", node, err)
	}
	return nil
}

// images lists a node's images by name, with their digests.
func (l *Lab) images(ctx context.Context, node string) (map[string]string, error) {
	listed, err := l.ctr(ctx, node, "images", "list")
	if err != nil {
		return nil, fmt.Errorf("listing the images of %s: %w", node, err)
	}
	have := map[string]string{}
	for _, line := range strings.Split(listed, "\n") {
		// REF TYPE DIGEST SIZE PLATFORMS LABELS
		if fields := strings.Fields(line); len(fields) > 3 && strings.HasPrefix(fields[2], "sha256:") {
			have[fields[0]] = fields[2]
		}
	}
	return have, nil
}

// ctr runs containerd's own client against one node.
func (l *Lab) ctr(ctx context.Context, node string, args ...string) (string, error) {
	return run(l.ctrCommand(ctx, node, args...))
}

func (l *Lab) ctrCommand(ctx context.Context, node string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, systemTool("ctr"), append([]string{"--address", l.containerdSocket(node), "--namespace", "k8s.io"}, args...)...)
}
