package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A persistent volume is a file with a file system of the claimed size,
// mounted over a loop device in its node's mount namespace: a database that
// fills its volume gets ENOSPC and takes nothing from the others. The file is
// sparse, it costs what is written to it. Where the machine has no loop
// devices, volumes are plain directories without a bound.

// volumeSuffix of the file beside a volume's directory.
const volumeSuffix = ".img"

// canBoundVolumes reports whether the machine has loop devices.
func canBoundVolumes() bool {
	_, err := os.Stat("/dev/loop-control")
	return err == nil
}

// volumeSetup is run by the provisioner's helper pod, which sees the node's
// root at /host, with VOL_DIR and VOL_SIZE_BYTES. It may run twice.
func volumeSetup(bounded bool) string {
	if !bounded {
		return `#!/bin/sh
set -eu
mkdir -m 0777 -p "$VOL_DIR"
`
	}
	return `#!/bin/sh
set -eu
exec chroot /host /bin/sh -eu -c '
PATH=` + searchPath + `
dir=$1 size=$2 image=$1` + volumeSuffix + `
if mountpoint -q "$dir"; then exit 0; fi
[ "$size" -ge 16777216 ] || size=16777216
if ! [ -e "$image" ]; then
  truncate -s "$size" "$image.new"
  mkfs.ext4 -q -F -m 0 -E root_owner=0:0 "$image.new"
  mv "$image.new" "$image"
fi
mkdir -p "$dir"
# Nothing may be written below the mount while it is away.
chattr +i "$dir" 2>/dev/null || chmod 0 "$dir"
mount -t ext4 -o loop,nosuid,nodev "$image" "$dir"
rmdir "$dir/lost+found" 2>/dev/null || true
chmod 0777 "$dir"
' sh "$VOL_DIR" "$VOL_SIZE_BYTES"
`
}

// volumeTeardown undoes either way of setting a volume up.
const volumeTeardown = `#!/bin/sh
set -eu
# The pod has a copy of the mount, which keeps the directory busy for it.
umount "$VOL_DIR" 2>/dev/null || true
exec chroot /host /bin/sh -eu -c '
PATH=` + searchPath + `
dir=$1 image=$1` + volumeSuffix + `
if mountpoint -q "$dir"; then umount "$dir"; fi
chattr -i "$dir" 2>/dev/null || true
rm -rf "$dir" "$image" "$image.new"
' sh "$VOL_DIR"
`

// mountVolumes mounts every volume of a node that is not among its mounts. A
// node must not start without them: a database would find an empty directory.
func (l *Lab) mountVolumes(ctx context.Context, node string, mounted []string) error {
	if err := os.MkdirAll(l.volumes(node), 0o711); err != nil {
		return fmt.Errorf("making the volume directory: %w", err)
	}
	images, err := filepath.Glob(filepath.Join(l.volumes(node), "*"+volumeSuffix))
	if err != nil {
		return fmt.Errorf("listing volumes: %w", err)
	}
	for _, image := range images {
		dir := strings.TrimSuffix(image, volumeSuffix)
		if slices.Contains(mounted, dir) {
			continue
		}
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue // set up only halfway; the provisioner comes back to it
		}
		if _, err := output(ctx, systemTool("nsenter"), "--mount="+l.pinned(node), "--",
			systemTool("mount"), "-t", "ext4", "-o", "loop,nosuid,nodev", image, dir); err != nil {
			return fmt.Errorf("mounting volume %s: %w (check it with e2fsck %s)", filepath.Base(dir), err, image)
		}
	}
	return nil
}

// immutable is FS_IMMUTABLE_FL of linux/fs.h.
const immutable = 0x10

// allowRemoval clears the immutable flag of a volume's mount point.
func allowRemoval(dir string) error {
	file, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("opening %s: %w", dir, err)
	}
	defer func() { _ = file.Close() }()
	flags, err := unix.IoctlGetUint32(int(file.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil || flags&immutable == 0 {
		return nil //nolint:nilerr // a file system without flags has none set
	}
	if err := unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, int(flags&^immutable)); err != nil {
		return fmt.Errorf("unlocking %s: %w", dir, err)
	}
	return nil
}
