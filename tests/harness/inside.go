package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
)

// Inside is a network namespace that is held open, such as a pod's.
type Inside struct{ handle netns.NsHandle }

// InsidePod opens the network namespace of a pod on this machine, by one of
// its processes.
func InsidePod(uid string) (Inside, error) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return Inside{}, fmt.Errorf("listing processes: %w", err)
	}
	for _, dir := range processes {
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !bytes.Contains(groups, []byte(uid)) {
			continue
		}
		// A process may end while it is looked at; the pod has others.
		if place, err := InsideFile(filepath.Join(dir, "ns", "net")); err == nil {
			return place, nil
		}
	}
	return Inside{}, fmt.Errorf("pod %s has no process on this machine", uid)
}

// InsideFile opens the network namespace that a file stands for.
func InsideFile(path string) (Inside, error) {
	handle, err := netns.GetFromPath(path)
	if err != nil {
		return Inside{}, fmt.Errorf("opening the network namespace %s: %w", path, err)
	}
	return Inside{handle}, nil
}

// Close gives the namespace up.
func (i Inside) Close() error { return i.handle.Close() }

// Do works in the namespace. A socket belongs to the namespace in which it was
// made, whoever uses it later; work must not make one from another goroutine.
func (i Inside) Do(work func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("opening this network namespace: %w", err)
	}
	defer func() { _ = home.Close() }()
	if err := netns.Set(i.handle); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	err = work()
	// A thread that cannot be brought home stays locked, and ends with its
	// goroutine.
	if back := netns.Set(home); back != nil {
		return errors.Join(err, fmt.Errorf("leaving a network namespace: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}
