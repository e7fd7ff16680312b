package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// storageLimit is how large the layers of Dockerfile builds may grow, in
// bytes, before they are thrown away. They only save time: what a build
// downloads is kept elsewhere, and finished images are archives.
const storageLimit = 8 << 30

// buildah runs the program of that name on a storage of its own, which no
// other user of buildah or podman on the machine sees.
type buildah struct {
	root, runroot, driver, conf string
}

// openBuildah chooses a storage driver for dir: overlay where the file system
// can stack, and vfs, which copies every layer in full, where it cannot.
func openBuildah(ctx context.Context, dir, runDir string) (*buildah, error) {
	if err := require("building images from Dockerfiles", "buildah", "unshare"); err != nil {
		return nil, err
	}
	driver := "vfs"
	if stacks(ctx, dir) {
		driver = "overlay"
	}
	// The run directory counts mounts of one storage, so each has its own.
	sum := sha256.Sum256([]byte(dir))
	a := &buildah{
		root:    filepath.Join(dir, "storage-"+driver),
		runroot: filepath.Join(runDir, "images-"+hex.EncodeToString(sum[:4])),
		driver:  driver,
		conf:    filepath.Join(dir, "storage-"+driver+".conf"),
	}
	for _, path := range []string{a.root, a.runroot} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
	}
	conf := fmt.Sprintf("[storage]\ndriver = %q\ngraphroot = %q\nrunroot = %q\n", driver, a.root, a.runroot)
	return a, replaceFile(a.conf, []byte(conf))
}

// stacks reports whether overlay mounts work below dir, by making one in a
// mount namespace that ends at once.
func stacks(ctx context.Context, dir string) bool {
	probe, err := os.MkdirTemp(filepath.Join(dir, "tmp"), "overlay-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(probe) //nolint:errcheck // swept at the next start
	for _, sub := range []string{"lower", "upper", "work", "merged"} {
		if os.Mkdir(filepath.Join(probe, sub), 0o755) != nil {
			return false
		}
	}
	_, err = output(ctx, probe, confined("mount", "-t", "overlay", "overlay",
		"-o", "lowerdir=lower,upperdir=upper,workdir=work", "merged")...)
	return err == nil
}

// command is a buildah command line on this storage.
func (a *buildah) command(args ...string) []string {
	return confined(append([]string{"buildah", "--root", a.root, "--runroot", a.runroot,
		"--storage-driver", a.driver}, args...)...)
}

// environ is this process's environment without the settings that a person's
// own use of buildah or podman left in it.
func (a *buildah) environ(temp string) []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		for _, prefix := range []string{"BUILDAH_", "CONTAINERS_", "STORAGE_", "REGISTRY_AUTH_FILE"} {
			if strings.HasPrefix(entry, prefix) {
				return true
			}
		}
		return false
	})
	return append(env, "CONTAINERS_STORAGE_CONF="+a.conf, "TMPDIR="+temp)
}

func (a *buildah) run(ctx context.Context, out io.Writer, temp string, args ...string) error {
	return run(ctx, out, temp, a.environ(temp), a.command(args...)...)
}

// adopt makes the base known to the storage.
func (a *buildah) adopt(ctx context.Context, out io.Writer, temp string, base Archive) error {
	if a.run(ctx, io.Discard, temp, "inspect", "--type", "image", base.Ref) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.run(ctx, out, temp, "pull", "--quiet", "oci-archive:"+base.Path)
}

// sweep removes what a killed build left behind: working containers, and the
// whole storage once it is too large. The caller makes sure that nothing
// builds meanwhile.
func (a *buildah) sweep(ctx context.Context, temp string) error {
	size, err := treeSize(a.root)
	if err != nil {
		return err
	}
	if size > storageLimit {
		return a.reset()
	}
	if !a.hasContainers() {
		return nil
	}
	var said strings.Builder
	if err := a.run(ctx, &said, temp, "rm", "--all"); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A storage that cannot be cleaned is not worth keeping.
		return a.reset()
	}
	return nil
}

// hasContainers reports whether working containers are recorded.
func (a *buildah) hasContainers() bool {
	raw, err := os.ReadFile(filepath.Join(a.root, a.driver+"-containers", "containers.json"))
	if err != nil {
		return false
	}
	var list []json.RawMessage
	return json.Unmarshal(raw, &list) != nil || len(list) > 0
}

// reset throws the storage away.
func (a *buildah) reset() error {
	for _, path := range []string{a.root, a.runroot} {
		if err := removeTree(path); err != nil {
			return fmt.Errorf("emptying the build storage: %w", err)
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// bound empties dir when it holds more than limit bytes.
func bound(dir string, limit int64) error {
	size, err := treeSize(dir)
	if err != nil || size <= limit {
		return err
	}
	return removeTree(dir)
}

// treeSize adds up the regular files below dir.
func treeSize(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", dir, err)
	}
	return total, nil
}

// removeTree deletes dir and all below it, but never through a mount: a bind
// mount of something else would be emptied with it.
func removeTree(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("%s is still mounted: unmount it, then run the command again", strings.Join(mounts, ", "))
	}
	return os.RemoveAll(dir)
}

// mountsBelow lists the mount points at or below dir that this process sees.
func mountsBelow(dir string) ([]string, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var below []string
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && (fields[4] == dir || strings.HasPrefix(fields[4], dir+"/")) {
			below = append(below, fields[4])
		}
	}
	return below, nil
}
