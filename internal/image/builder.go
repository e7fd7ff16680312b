package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/paths"
)

// How many images are made at once: those of programs wait for the disk,
// those of Dockerfiles for the network and for dpkg.
const (
	programsAtOnce    = 1
	dockerfilesAtOnce = 2
)

// Tools finds the pinned programs that images are made of.
type Tools interface {
	// Path returns the absolute path of a tool that is present, or an error
	// that says how to get it.
	Path(name string) (string, error)
}

// Directory is Tools in one directory, each under its own name.
type Directory string

// Path returns the tool's file in the directory.
func (d Directory) Path(name string) (string, error) {
	path := filepath.Join(string(d), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for the tool %s: %w", name, err)
	}
	return path, nil
}

// Builder makes images into the cache. It is safe for concurrent use, also by
// several processes at once.
type Builder struct {
	checkout  string
	tools     Tools
	dir       string
	run, logs string
	specs     []Spec
	store     store
	digests   *digests
	packages  sync.Mutex
}

// Open prepares to build the images of a checkout. It only reads; the cache
// directories are made by the first build.
func Open(checkout string, tools Tools) (*Builder, error) {
	cache, err := paths.Cache()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "images")
	return &Builder{
		checkout: checkout, tools: tools, dir: dir,
		run: paths.Run(), logs: filepath.Join(cache, "logs"),
		specs:   catalog(checkout),
		store:   store{filepath.Join(dir, "archives")},
		digests: openDigests(filepath.Join(dir, "digests.json")),
	}, nil
}

// Catalog lists every image of the platform, in the order they are started.
func (b *Builder) Catalog() []Spec { return slices.Clone(b.specs) }

// Find returns the archive of an image whose inputs have not changed since it
// was built; ok is false when it has to be built.
func (b *Builder) Find(spec Spec) (archive Archive, ok bool, err error) {
	key, err := b.key(spec)
	if err != nil {
		return Archive{}, false, err
	}
	archive, ok = b.store.find(spec.Ref, key)
	return archive, ok, nil
}

// Select returns the images named, all of them when none is. A name without a
// tag means the one this checkout has.
func (b *Builder) Select(refs ...string) ([]Spec, error) {
	if len(refs) == 0 {
		return b.Catalog(), nil
	}
	var chosen []Spec
	var faults []error
	for _, ref := range refs {
		at := slices.IndexFunc(b.specs, func(s Spec) bool { return s.Ref == ref || s.Repository() == ref })
		if at < 0 {
			faults = append(faults, b.unknown(ref))
			continue
		}
		chosen = append(chosen, b.specs[at])
	}
	return chosen, errors.Join(faults...)
}

// Tools names the pinned programs that the images named are made of, all
// images when none is named. Tools has to be able to find them before Ensure.
func (b *Builder) Tools(refs ...string) ([]string, error) {
	specs, err := b.Select(refs...)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, spec := range specs {
		if spec.Kind == Program && !spec.own() && !slices.Contains(names, spec.From) {
			names = append(names, spec.From)
		}
	}
	return names, nil
}

// ErrUnknown is returned for an image that is not in the catalog.
var ErrUnknown = errors.New("no such image; `slipway image list` shows those there are")

func (b *Builder) unknown(ref string) error {
	for _, spec := range b.specs {
		if spec.Repository() == repository(ref) {
			return fmt.Errorf("image %s: this checkout builds %s: %w", ref, spec.Ref, ErrUnknown)
		}
	}
	return fmt.Errorf("image %s: %w", ref, ErrUnknown)
}

// Ensure returns the archives of the images named, in that order, all of them
// when none is named. It builds what is missing or was built from something
// else, reporting to log, and leaves the rest alone. Every failure is
// reported; what could be built stays built.
func (b *Builder) Ensure(ctx context.Context, log io.Writer, refs ...string) ([]Archive, error) {
	specs, err := b.Select(refs...)
	if err != nil {
		return nil, err
	}
	archives := make([]Archive, len(specs))
	missing, err := b.missing(specs, archives)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		if err := b.buildAll(ctx, log, specs, archives, missing); err != nil {
			return nil, err
		}
	}
	// Forgetting what was learnt only costs time.
	_ = b.digests.save()
	return archives, nil
}

// missing fills archives with what is there and returns the places of the
// rest.
func (b *Builder) missing(specs []Spec, archives []Archive) ([]int, error) {
	var missing []int
	var faults []error
	for i, spec := range specs {
		have, ok, err := b.Find(spec)
		switch {
		case err != nil:
			faults = append(faults, err)
		case ok:
			archives[i] = have
		default:
			missing = append(missing, i)
		}
	}
	return missing, errors.Join(faults...)
}

func (b *Builder) buildAll(ctx context.Context, log io.Writer, specs []Spec, archives []Archive, missing []int) error {
	held, err := b.prepare(ctx, specs, missing)
	if err != nil {
		return err
	}
	defer held.release()
	report := newProgress(log, len(missing))
	stop := make(chan struct{})
	defer close(stop)
	go report.heartbeat(stop)

	faults := make([]error, len(missing))
	queue := func(atOnce int, ofQueue func(Kind) bool) func() {
		return func() {
			var group errgroup.Group
			group.SetLimit(atOnce)
			for n, i := range missing {
				if !ofQueue(specs[i].Kind) {
					continue
				}
				group.Go(func() error {
					archives[i], faults[n] = b.build(ctx, specs[i], report)
					report.finished()
					return nil
				})
			}
			_ = group.Wait() // each build keeps its own error
		}
	}
	var queues sync.WaitGroup
	queues.Go(queue(dockerfilesAtOnce, func(kind Kind) bool { return kind == Dockerfile }))
	queues.Go(queue(programsAtOnce, func(kind Kind) bool { return kind != Dockerfile }))
	queues.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(faults...)
}

// build makes one image unless another process just did.
func (b *Builder) build(ctx context.Context, spec Spec, report *progress) (Archive, error) {
	if err := ctx.Err(); err != nil {
		return Archive{}, err
	}
	held, err := openLock(b.lockPath(folder(spec.Ref)))
	if err != nil {
		return Archive{}, err
	}
	defer held.release()
	err = held.wait(ctx, unix.LOCK_EX, func() { report.line("%s: waiting for another build of it", spec.Ref) })
	if err != nil {
		return Archive{}, err
	}
	key, err := b.key(spec)
	if err != nil {
		return Archive{}, err
	}
	if have, ok := b.store.find(spec.Ref, key); ok {
		return have, nil
	}
	done := report.start(spec.Ref, "building from "+spec.From)
	archive, err := b.make(ctx, spec, key, report)
	done(archive, err)
	if err != nil {
		return Archive{}, err
	}
	return archive, b.store.prune(spec.Ref, key)
}

func (b *Builder) make(ctx context.Context, spec Spec, key string, report *progress) (Archive, error) {
	temp, err := b.tempDir()
	if err != nil {
		return Archive{}, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // swept at the next start
	path := filepath.Join(temp, "archive.tar")
	var digest string
	if spec.Kind == Dockerfile {
		digest, err = b.dockerfile(ctx, spec, path, report)
	} else {
		digest, err = b.assemble(ctx, spec, path)
	}
	if err != nil {
		return Archive{}, err
	}
	return b.store.put(spec.Ref, key, digest, path)
}

// assemble makes an image without running anything in it.
func (b *Builder) assemble(ctx context.Context, spec Spec, path string) (digest string, err error) {
	var image v1.Image
	if spec.Kind == Package {
		image, err = b.busyboxImage(ctx, spec)
	} else {
		image, err = b.programImage(ctx, spec)
	}
	if err == nil {
		digest, err = writeArchive(path, spec.Ref, image)
	}
	if err != nil {
		return "", fmt.Errorf("building image %s: %w", spec.Ref, err)
	}
	return digest, nil
}

// tempDir makes a directory for one build. It lies beside the archives, so
// that a finished one is renamed and not copied.
func (b *Builder) tempDir() (string, error) {
	dir := filepath.Join(b.dir, "tmp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, "build-")
}

func (b *Builder) lockPath(name string) string { return filepath.Join(b.dir, "locks", name+".lock") }

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
