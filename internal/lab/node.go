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

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// raiseGround gives a node everything below its kubelet: network, directories,
// mount namespace, volumes and containerd.
func (l *Lab) raiseGround(ctx context.Context, node Placement, peers []Placement, bridge netlink.Link, p *progress) error {
	if err := ensureNodeNetwork(node, peers, bridge); err != nil {
		return err
	}
	if err := ensureNodeFirewall(ctx, node); err != nil {
		return err
	}
	if err := l.configureNode(node, len(peers)); err != nil {
		return fmt.Errorf("configuring %s: %w", node.Name, err)
	}
	if err := l.ensureMounts(ctx, node); err != nil {
		return fmt.Errorf("setting up the directories of %s: %w", node.Name, err)
	}
	containerd := l.containerd(node)
	if err := l.bring(ctx, containerd, p); err != nil {
		return err
	}
	return l.await(ctx, containerd)
}

// configureNode writes the files that a node's components read.
func (l *Lab) configureNode(node Placement, nodes int) error {
	plugins, err := podNetworkDir()
	if err != nil {
		return err
	}
	network, err := podNetwork(node)
	if err != nil {
		return err
	}
	reserved, err := machineReservation(nodes)
	if err != nil {
		return err
	}
	kubelet, err := l.kubeletConfig(node, reserved)
	if err != nil {
		return err
	}
	proxy, err := l.proxyConfig(node)
	if err != nil {
		return err
	}
	etc := func(name string) string { return l.node(node.Name, "etc", name) }
	files := map[string][]byte{
		etc("containerd.toml"):                       containerdConfig(etc("cni"), plugins),
		filepath.Join(etc("cni"), "10-lab.conflist"): network,
		etc("kubelet.yaml"):                          kubelet,
		etc("kube-proxy.yaml"):                       proxy,
	}
	for _, component := range []string{"kubelet", "kube-proxy", "kube-router"} {
		access, err := l.componentKubeconfig(node.Name + "/" + component)
		if err != nil {
			return err
		}
		files[etc(component+".kubeconfig")] = access
	}
	for path, content := range files {
		if err := writeFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// bind is one directory of the machine that is another one for a node.
type bind struct {
	source, target string
	volatile       bool // lies in the run directory
}

// binds are the directories that programs of a node take for granted.
func (l *Lab) binds(node string) []bind {
	return []bind{
		{l.node(node, "containerd"), "/var/lib/containerd", false},
		{l.node(node, "kubelet"), "/var/lib/kubelet", false},
		{l.node(node, "pod-logs"), "/var/log/pods", false},
		{l.node(node, "container-logs"), "/var/log/containers", false},
		{l.node(node, "collector"), "/var/lib/otelcol", false}, // what the log collector keeps
		{l.nodeRun(node, "containerd"), "/run/containerd", true},
		{l.nodeRun(node, "cni"), "/var/lib/cni", true},
	}
}

// ensureMounts gives the node a mount namespace in which the bound directories
// are its own, and mounts its volumes there. The namespace is pinned to a file,
// so that components started one by one, hours apart, share it.
func (l *Lab) ensureMounts(ctx context.Context, node Placement) error {
	pin := l.pinned(node.Name)
	if isNamespace(pin) {
		mounted, err := l.mountsInside(ctx, node.Name)
		if err != nil {
			return err
		}
		missing := l.unbound(node.Name, mounted)
		if len(missing) < len(l.binds(node.Name)) {
			// Some are there: its making was interrupted, or it was made before
			// there were others, and components run in it.
			if err := l.bindInside(ctx, node.Name, missing); err != nil {
				return err
			}
			return l.mountVolumes(ctx, node.Name, mounted)
		}
		// Its making was interrupted before the first. Nothing runs in it yet:
		// components are started after this.
		if err := l.dropMounts(node.Name); err != nil {
			return err
		}
	}
	if err := l.makeMounts(ctx, node.Name); err != nil {
		return err
	}
	return l.mountVolumes(ctx, node.Name, nil)
}

// unbound are the binds that are not among the mounts.
func (l *Lab) unbound(node string, mounted []string) []bind {
	return slices.DeleteFunc(l.binds(node), func(b bind) bool { return slices.Contains(mounted, b.target) })
}

// bindScript binds pairs of directories, each as a mount that is shared within
// the node, as kubelet's mount propagation requires. A bind begins as a peer of
// what it was taken from, and whatever is mounted below one would appear below
// the other, too: private first, it becomes a group of its own.
const bindScript = `set -e
while [ $# -gt 0 ]; do
  mount --bind "$1" "$2"
  mount --make-private "$2"
  mount --make-shared "$2"
  shift 2
done`

// bindInside adds binds to a node's mount namespace.
func (l *Lab) bindInside(ctx context.Context, node string, binds []bind) error {
	if len(binds) == 0 {
		return nil
	}
	pairs, err := l.prepare(binds)
	if err != nil {
		return err
	}
	args := append([]string{"--mount=" + l.pinned(node), "--", "/bin/sh", "-c", bindScript, "sh"}, pairs...)
	if _, err := output(ctx, systemTool("nsenter"), args...); err != nil {
		return fmt.Errorf("binding directories of %s: %w", node, err)
	}
	return nil
}

// prepare makes both ends of binds and returns them as arguments of bindScript.
func (l *Lab) prepare(binds []bind) ([]string, error) {
	var pairs []string
	for _, b := range binds {
		if err := os.MkdirAll(b.source, 0o711); err != nil {
			return nil, fmt.Errorf("making %s: %w", b.source, err)
		}
		if err := l.ensureMountPoint(b.target); err != nil {
			return nil, err
		}
		pairs = append(pairs, b.source, b.target)
	}
	return pairs, nil
}

// mountsInside lists the mount points of a node's namespace.
func (l *Lab) mountsInside(ctx context.Context, node string) ([]string, error) {
	content, err := output(ctx, systemTool("nsenter"), "--mount="+l.pinned(node), "--", systemTool("cat"), "/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("listing the mounts of %s: %w", node, err)
	}
	return parseMounts(content), nil
}

func (l *Lab) makeMounts(ctx context.Context, node string) error {
	pin := l.pinned(node)
	if err := l.ensurePinDir(); err != nil {
		return err
	}
	file, err := os.OpenFile(pin, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making %s: %w", pin, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("making %s: %w", pin, err)
	}
	pairs, err := l.prepare(l.binds(node))
	if err != nil {
		return err
	}
	// Slave, so that the machine can unmount its own file systems; then shared
	// within the node.
	args := append([]string{
		"--mount=" + pin, "--propagation=slave", "--", "/bin/sh", "-c", "set -e; mount --make-rshared /\n" + bindScript, "sh",
	}, pairs...)
	if _, err := output(ctx, systemTool("unshare"), args...); err != nil {
		_ = unix.Unmount(pin, unix.MNT_DETACH)
		return err
	}
	return nil
}

// ensurePinDir makes the directory of the pins a mount of its own that does not
// propagate; the kernel refuses to bind a mount namespace elsewhere. Nodes are
// made at the same time: a second mount would hide the pins below the first.
func (l *Lab) ensurePinDir() error {
	l.pinMu.Lock()
	defer l.pinMu.Unlock()
	dir := filepath.Dir(l.pinned("any"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	mounted, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, target := range mounted {
		if target == dir {
			return nil
		}
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", dir, err)
	}
	if err := unix.Mount("", dir, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making %s private: %w", dir, err)
	}
	return nil
}

// ensureMountPoint makes a directory of the machine to mount over, and notes it
// for Down to remove.
func (l *Lab) ensureMountPoint(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for %s: %w", dir, err)
	}
	// Noted before it is made: a note too many is harmless.
	note, err := os.OpenFile(l.madeDirs(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("noting %s: %w", dir, err)
	}
	defer func() { _ = note.Close() }()
	if _, err := fmt.Fprintln(note, dir); err != nil {
		return fmt.Errorf("noting %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	return nil
}

func (l *Lab) madeDirs() string { return filepath.Join(l.state, "made-directories") }

// mountsBelow lists the mount points at or below dir in the machine's own mount
// namespace, innermost last.
func mountsBelow(dir string) ([]string, error) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("listing mounts: %w", err)
	}
	return slices.DeleteFunc(parseMounts(string(content)), func(target string) bool {
		return target != dir && !strings.HasPrefix(target, dir+"/")
	}), nil
}

// parseMounts reads the mount points of proc(5) mountinfo and undoes its octal
// escapes.
func parseMounts(mountinfo string) []string {
	var targets []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for _, line := range strings.Split(mountinfo, "\n") {
		if fields := strings.Fields(line); len(fields) >= 5 {
			targets = append(targets, unescape.Replace(fields[4]))
		}
	}
	return targets
}
