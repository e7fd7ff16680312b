package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/paths"
)

// podGrace is how long pods may take to end by themselves when the lab is
// taken down, so that databases stop in order.
const podGrace = 10 * time.Second

// Down ends the lab and removes everything it made on the machine: processes,
// mounts, namespaces, links, firewall rules, control groups. The data stays,
// and Up continues from it; with purge it goes too, together with the local
// stack's history, which describes a cluster that is no more. Down works from
// whatever state a crash left, and may be repeated. What a lab of other
// directories left when it was killed is removed as well, but for its data.
func (l *Lab) Down(ctx context.Context, purge bool, report io.Writer) error {
	release, err := holdMachine(ctx)
	if err != nil {
		return err
	}
	defer release()
	p := &progress{out: report, start: time.Now()}
	if err := l.clearDeserted(ctx, thisMachine(), p); err != nil {
		return err
	}
	if _, err := os.Stat(l.state); errors.Is(err, fs.ErrNotExist) {
		return l.removeRun() // there never was a lab
	}
	unlock, err := l.lockState(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.checkBridge(thisMachine()); err != nil {
		return fmt.Errorf("taking the lab down: %w", err)
	}
	if err := l.endProcesses(ctx, p); err != nil {
		return err
	}
	if err := l.removeTraces(ctx); err != nil {
		return err
	}
	p.say("removed mounts, namespaces, links, firewall rules and control groups")
	if purge {
		if err := l.purge(); err != nil {
			return err
		}
		p.say("deleted the data below %s and the local stack's history", l.state)
	}
	return nil
}

// endProcesses stops the doors, then node by node what runs on it, then the
// control plane from the outside in, so that nobody starts anew what was ended.
func (l *Lab) endProcesses(ctx context.Context, p *progress) error {
	if err := l.stopComponents(ctx, 2*time.Second, "doors", "controller-manager", "scheduler"); err != nil {
		return err
	}
	group, nodeCtx := errgroup.WithContext(ctx)
	for i := MinNodes; i <= MaxNodes; i++ {
		group.Go(func() error {
			if err := l.fell(nodeCtx, place(i), podGrace); err != nil {
				return fmt.Errorf("taking %s down: %w", place(i).Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	p.say("ended the nodes")
	if err := l.stopComponents(ctx, 2*time.Second, "apiserver"); err != nil {
		return err
	}
	if err := l.stopComponents(ctx, 10*time.Second, "etcd"); err != nil {
		return err
	}
	// What a killed command may have left: a component that is in no list.
	rest, err := l.processes()
	if err != nil {
		return err
	}
	for _, r := range rest {
		if err := r.stop(ctx, 0, 5*time.Second); err != nil {
			return err
		}
	}
	if err := emptyCgroup(ctx, labCgroup, 0); err != nil {
		return err
	}
	p.say("ended the control plane")
	return nil
}

func (l *Lab) stopComponents(ctx context.Context, within time.Duration, components ...string) error {
	for _, component := range components {
		found, err := l.find(component)
		if err != nil {
			return err
		}
		for _, r := range found {
			if err := r.stop(ctx, 0, within); err != nil {
				return err
			}
		}
	}
	return nil
}

// killComponent ends a component and every process that inherited its
// environment, which containerd's shims do.
func (l *Lab) killComponent(ctx context.Context, component string) error {
	mark := []byte(envComponent + "=" + component + "\x00")
	owner := []byte(envLab + "=" + l.state + "\x00")
	deadline := time.Now().Add(10 * time.Second)
	for {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			return fmt.Errorf("listing processes: %w", err)
		}
		left := 0
		for _, entry := range entries {
			pid, err := strconv.Atoi(entry.Name())
			if err != nil || pid == os.Getpid() {
				continue
			}
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
			if err != nil || !bytes.Contains(environ, mark) || !bytes.Contains(environ, owner) {
				continue
			}
			if s, err := readStat(pid); err != nil || s.ended() {
				continue
			}
			left++
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of %s do not end, even killed", left, component)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// dropMounts lets go of a node's mount namespace; with its last process the
// kernel unmounts everything in it, volumes included.
func (l *Lab) dropMounts(node string) error {
	pin := l.pinned(node)
	if isNamespace(pin) {
		if err := unix.Unmount(pin, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("releasing the mounts of %s: %w", node, err)
		}
	}
	if err := os.Remove(pin); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("releasing the mounts of %s: %w", node, err)
	}
	// Leases and sockets are void once nothing runs.
	if err := os.RemoveAll(l.nodeRun(node)); err != nil {
		return fmt.Errorf("removing the sockets of %s: %w", node, err)
	}
	return nil
}

func (l *Lab) removeTraces(ctx context.Context) error {
	if err := removeFirewall(ctx); err != nil {
		return err
	}
	if err := removeBridge(); err != nil {
		return err
	}
	if err := l.unmountAll(); err != nil {
		return err
	}
	if err := releaseNamespaceDir(); err != nil {
		return err
	}
	if err := removeCgroup(labCgroup); err != nil {
		return err
	}
	if err := l.removeMadeDirs(); err != nil {
		return err
	}
	return l.removeRun()
}

// unmountAll unmounts what is below the lab's directories in the machine's own
// namespace: the pins, and what an unusual end may have left.
func (l *Lab) unmountAll() error {
	for _, dir := range []string{l.run, l.state} {
		mounted, err := mountsBelow(dir)
		if err != nil {
			return err
		}
		for _, target := range slices.Backward(mounted) {
			if target == dir {
				continue // a file system of its own, not ours
			}
			if err := unix.Unmount(target, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("unmounting %s: %w", target, err)
			}
		}
	}
	return nil
}

// removeMadeDirs removes the empty mount points that ensureMountPoint made.
func (l *Lab) removeMadeDirs() error {
	content, err := os.ReadFile(l.madeDirs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading which directories were made: %w", err)
	}
	for _, dir := range strings.Fields(string(content)) {
		err := os.Remove(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("removing %s: %w", dir, err)
		}
	}
	if err := os.Remove(l.madeDirs()); err != nil {
		return fmt.Errorf("forgetting which directories were made: %w", err)
	}
	return nil
}

// removeRun removes the run directory, if it holds nothing of anybody else.
func (l *Lab) removeRun() error {
	for _, dir := range []string{filepath.Join(l.run, "nodes"), filepath.Dir(l.pinned("any"))} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing %s: %w", dir, err)
		}
	}
	if err := os.Remove(l.run); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("removing %s: %w", l.run, err)
	}
	return nil
}

// purge deletes the lab's data and the history of the stack that lived on it.
func (l *Lab) purge() error {
	volumes, err := filepath.Glob(filepath.Join(l.state, "volumes", "*", "*"))
	if err != nil {
		return fmt.Errorf("listing volumes: %w", err)
	}
	for _, volume := range volumes {
		if err := allowRemoval(volume); err != nil {
			return err
		}
	}
	for _, dir := range []string{l.state, paths.Pulumi()} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("deleting %s: %w", dir, err)
		}
	}
	if err := os.Remove(filepath.Dir(l.state)); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("deleting %s: %w", filepath.Dir(l.state), err)
	}
	return nil
}

// dropExtraNodes removes nodes above the wanted number. Their disks stay: a
// larger number later brings them back.
func (l *Lab) dropExtraNodes(ctx context.Context, wanted []Placement, p *progress) error {
	for i := len(wanted) + 1; i <= MaxNodes; i++ {
		node := place(i)
		all, err := l.processes()
		if err != nil {
			return err
		}
		if !isNamespace(namespaceFile(node)) && !slices.ContainsFunc(all, func(r running) bool {
			return strings.HasPrefix(r.component, node.Name+"/")
		}) {
			continue
		}
		if err := l.fell(ctx, node, podGrace); err != nil {
			return fmt.Errorf("removing %s: %w", node.Name, err)
		}
		p.say("removed %s", node.Name)
	}
	return nil
}
