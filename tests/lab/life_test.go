//go:build lab

package lab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/paths"
)

// TestLife takes one lab through all that can happen to it. The parts build
// on each other: starting a lab for each would take half an hour.
func TestLife(t *testing.T) {
	s := here
	s.before = takePicture(t, s.state, s.run)
	steps := []struct {
		name string
		run  func(*testing.T, site)
	}{
		{"up", stepUp},
		{"up again changes nothing", stepUpAgain},
		{"pods, services, names, volumes", stepWorkload},
		{"network policy", stepPolicy},
		{"doors of the control plane", stepSecurity},
		{"each component killed", stepKillEach},
		{"two commands at once", stepTwoAtOnce},
		{"node cut off and healed", stepCut},
		{"node stopped and started", stepStop},
		{"everything killed at once", stepKillAll},
		{"reboot", stepReboot},
		{"fewer nodes and more", stepResize},
		{"killed, and cleared away by another lab", stepDeserted},
		{"down leaves nothing", stepDown},
		{"killed in the middle of up", stepKillUp},
		{"purge", stepPurge},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, s) }) {
			t.Fatalf("%q failed; what follows builds on it", step.name)
		}
	}
}

func stepUp(t *testing.T, s site) {
	// Whoever starts the lab under a lock gets the lock back.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	up := exec.CommandContext(t.Context(), s.cli, "lab", "up")
	up.Dir, up.Env, up.ExtraFiles = s.checkout, s.env, []*os.File{write}
	commands.RLock()
	out, err := up.CombinedOutput()
	commands.RUnlock()
	if err != nil {
		t.Fatalf("slipway lab up: %v\n%s", err, out)
	}
	_ = write.Close()
	let := make(chan struct{})
	go func() {
		_, _ = read.Read(make([]byte, 1))
		close(let)
	}()
	select {
	case <-let:
	case <-time.After(10 * time.Second):
		t.Error("the lab's processes keep a descriptor of whoever started it")
	}
	_ = read.Close()
	status := s.status(t)
	if !status.Running || len(status.Nodes) != 3 || len(status.Components) != 17 {
		t.Fatalf("after up: %+v", status)
	}
	seen := map[string]string{}
	for _, node := range status.Nodes {
		seen[node.Zone] = node.Name
	}
	if len(seen) != 3 {
		t.Errorf("three nodes are in zones %v", seen)
	}
	s.apply(t, workload)
	s.running(t)
}

func stepUpAgain(t *testing.T, s site) {
	before := s.pids(t)
	out := s.must(t, "lab", "up")
	if names := changed(before, s.pids(t)); len(names) > 0 {
		t.Errorf("up restarted %v on a healthy lab", names)
	}
	if strings.Contains(out, "started") {
		t.Errorf("up on a healthy lab says it started something:\n%s", out)
	}
}

// stepKillEach kills every component, one after the other. Up must start that
// one and leave all others alone.
func stepKillEach(t *testing.T, s site) {
	before := s.pids(t)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if err := syscall.Kill(before[name], syscall.SIGKILL); err != nil {
			t.Fatalf("killing %s: %v", name, err)
		}
		eventually(t, 30*time.Second, name+" missed by status", func() error {
			if s.pids(t)[name] != 0 {
				return fmt.Errorf("status still shows %s", name)
			}
			return nil
		})
		s.must(t, "lab", "up")
		after := s.pids(t)
		if names := changed(before, after); len(names) != 1 || names[0] != name {
			t.Errorf("after killing %s, up restarted %v", name, names)
		}
		before = after
	}
	s.running(t)
	if restarts := s.kubectl(t, "-n", "probe", "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"); strings.Trim(restarts, "0 ") != "" {
		t.Errorf("pods restarted because components did: %s", restarts)
	}
}

func stepTwoAtOnce(t *testing.T, s site) {
	before := s.pids(t)
	if err := syscall.Kill(before["scheduler"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Add(1)
		go func() {
			defer both.Done()
			if out, err := s.slipway(t.Context(), "lab", "up"); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}()
	}
	both.Wait()
	found := 0
	for _, line := range processes(t, nil) {
		if strings.Contains(line, "kube-scheduler ") {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d schedulers run", found)
	}
}

func stepCut(t *testing.T, s site) {
	address := s.podAddress(t, "node-3")
	s.must(t, "lab", "node", "cut", "node-3")
	if got, err := s.fetch(t, address, "8080"); err == nil {
		t.Errorf("a pod on the cut-off node answers %q", got)
	}
	eventually(t, time.Minute, "the node counts as cut off and not ready", func() error {
		for _, node := range s.status(t).Nodes {
			if node.Name == "node-3" && node.State != "cut off" {
				return fmt.Errorf("status says %s", node.State)
			}
		}
		return s.nodeCondition(t, "node-3", "Unknown")
	})
	s.must(t, "lab", "node", "heal", "node-3")
	s.ready(t)
	eventually(t, time.Minute, "its pods answer again", func() error {
		address := s.podAddress(t, "node-3")
		_, err := s.fetch(t, address, "8080")
		return err
	})
}

func (s site) nodeCondition(t *testing.T, node, want string) error {
	t.Helper()
	got, err := s.tryKubectl(t.Context(), "", "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s is ready: %s, want %s", node, got, want)
	}
	return nil
}

func stepStop(t *testing.T, s site) {
	before := s.pids(t)
	s.inside(t, "echo kept >/data/stop && sync")
	s.must(t, "lab", "node", "stop", "node-2")
	for name, pid := range s.pids(t) {
		if of2 := strings.HasPrefix(name, "node-2/"); of2 != (pid == 0) {
			t.Errorf("%s has process %d", name, pid)
		} else if !of2 && before[name] != pid {
			t.Errorf("stopping node-2 restarted %s", name)
		}
	}
	for _, group := range groups(t) {
		if strings.Contains(group, "slipway/node-2") {
			t.Errorf("control group %s is left", group)
		}
	}
	s.must(t, "lab", "node", "start", "node-2")
	s.ready(t)
	s.running(t)
	if got := s.inside(t, "cat /data/stop"); got != "kept" {
		t.Errorf("the volume says %q", got)
	}
}

// killAll kills every process of the lab, shims and pods included, and leaves
// all else as it is.
func (s site) killAll(t *testing.T) {
	t.Helper()
	for range 1500 {
		alive := 0
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
			cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
			stat, err := os.ReadFile(filepath.Join(dir, "stat"))
			if err != nil || strings.Contains(string(stat), ") Z ") {
				continue
			}
			if !strings.Contains(string(environ), "SLIPWAY_LAB="+filepath.Join(s.state, "lab")) && !strings.Contains(string(cgroup), "/slipway/") {
				continue
			}
			var pid int
			if _, err := fmt.Sscan(filepath.Base(dir), &pid); err == nil {
				alive++
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if alive == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the lab's processes do not end")
}

func stepKillAll(t *testing.T, s site) {
	s.inside(t, "echo kept >/data/killed && sync")
	s.killAll(t)
	s.must(t, "lab", "up")
	s.running(t)
	if got := s.inside(t, "cat /data/killed"); got != "kept" {
		t.Errorf("the volume says %q", got)
	}
}

// stepReboot leaves what a power cut leaves: the disk.
func stepReboot(t *testing.T, s site) {
	s.inside(t, "echo kept >/data/reboot && sync")
	s.kubectl(t, "-n", "probe", "create", "configmap", "kept", "--from-literal=key=value")
	s.killAll(t)
	s.forget(t)
	// The kernel takes the links of a namespace away a moment after it.
	eventually(t, 30*time.Second, "the machine as after a reboot", func() error {
		more := left(s.before, takePicture(t, s.state, s.run))
		// A reboot takes no directory from the disk.
		more = slices.DeleteFunc(more, func(line string) bool { return strings.HasPrefix(line, "directory: ") })
		if len(more) > 0 {
			return errors.New(strings.Join(more, "\n"))
		}
		return nil
	})
	s.must(t, "lab", "up")
	s.running(t)
	if got := s.inside(t, "cat /data/reboot"); got != "kept" {
		t.Errorf("the volume says %q", got)
	}
	if got := s.kubectl(t, "-n", "probe", "get", "configmap", "kept", "-o", "jsonpath={.data.key}"); got != "value" {
		t.Errorf("the object says %q", got)
	}
}

// forget removes by hand what the kernel forgets at a reboot. It knows nothing
// of the command's own way to do so.
func (s site) forget(t *testing.T) {
	t.Helper()
	pins, _ := filepath.Glob(filepath.Join(s.run, "ns", "*"))
	for _, pin := range pins {
		if err := unix.Unmount(pin, unix.MNT_DETACH); err != nil {
			t.Fatalf("%s: %v", pin, err)
		}
	}
	if err := unix.Unmount(filepath.Join(s.run, "ns"), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.run); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		command(t, "ip", "netns", "delete", fmt.Sprintf("slipway-node-%d", i))
		// A connection that is still being closed keeps the namespace, and so its
		// link, for minutes.
		_ = exec.Command("ip", "link", "delete", fmt.Sprintf("slipway-n%d", i)).Run()
	}
	command(t, "ip", "link", "delete", "slipway0")
	for _, rule := range s.addedRules(t) {
		command(t, "iptables", append([]string{"-D"}, strings.Fields(strings.TrimPrefix(rule, "-A "))...)...)
	}
	for _, chain := range []string{"SLIPWAY-INPUT", "SLIPWAY-FORWARD"} {
		command(t, "iptables", "-X", chain)
	}
	all := groups(t)
	for _, group := range slices.Backward(all) {
		if strings.Contains(group, "/slipway") {
			eventually(t, 30*time.Second, "group removed", func() error { return os.Remove(group) })
		}
	}
	_ = exec.Command("umount", "/run/netns").Run() // `ip netns` mounts it on itself
}

func (s site) addedRules(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(firewallRules(t), func(line string) bool {
		return !strings.HasPrefix(line, "-A") || slices.Contains(s.before["firewall rule"], line)
	})
}

// stepResize goes to the fewest nodes that a lab can have, to the most, and back.
func stepResize(t *testing.T, s site) {
	for _, count := range []int{1, 5, 3} {
		s.must(t, "lab", "up", "--nodes", fmt.Sprint(count))
		status := s.status(t)
		if len(status.Nodes) != count || !status.Running {
			t.Errorf("with %d nodes: %+v", count, status)
		}
		cables := 0
		for _, name := range links(t) {
			if strings.HasPrefix(name, "slipway-n") {
				cables++
			}
		}
		if cables != count {
			t.Errorf("%d nodes have %d cables", count, cables)
		}
		if names := s.kubectl(t, "get", "nodes", "-o", "name"); len(strings.Fields(names)) != count {
			t.Errorf("of %d nodes the cluster counts on %s", count, names)
		}
	}
	s.ready(t)
	s.running(t)
}

// stepDeserted kills the lab and everything that could clear away after it. A
// lab of other directories then finds the machine in its way, and may clear it,
// but not while anything of this one lives, and never its data.
func stepDeserted(t *testing.T, s site) {
	s.inside(t, "echo kept >/data/deserted && sync")
	other := s
	other.state, other.run = s.state+"2", s.run+"2"
	other.env = append(os.Environ(), paths.StateEnv+"="+other.state, paths.RunEnv+"="+other.run)
	other.must(t, "lab", "down") // there is none of its own, and this one lives
	if out := other.refused(t, "lab", "up"); !strings.Contains(out, s.state) {
		t.Errorf("the refusal does not say whose lab runs:\n%s", out)
	}
	s.running(t)
	s.killAll(t)
	if out := other.must(t, "lab", "down"); !strings.Contains(out, "was killed") || !strings.Contains(out, s.state) {
		t.Errorf("it does not say what it cleared away:\n%s", out)
	}
	if more := left(s.before, takePicture(t, s.state, s.run, other.state, other.run)); len(more) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(more, "\n"))
	}
	if err := os.RemoveAll(other.state); err != nil {
		t.Fatal(err)
	}
	s.must(t, "lab", "up")
	s.running(t)
	if got := s.inside(t, "cat /data/deserted"); got != "kept" {
		t.Errorf("the volume says %q", got)
	}
}

func stepDown(t *testing.T, s site) {
	s.inside(t, "echo kept >/data/down && sync")
	s.must(t, "lab", "down")
	if more := left(s.before, takePicture(t, s.state, s.run)); len(more) > 0 {
		t.Errorf("down left behind:\n%s", strings.Join(more, "\n"))
	}
	s.must(t, "lab", "down") // again: nothing to do, no error
	if out := s.refused(t, "lab", "status"); !strings.Contains(out, "lab up") {
		t.Errorf("status of a stopped lab does not say how to start it:\n%s", out)
	}
	begun := time.Now()
	s.must(t, "lab", "up")
	t.Logf("from down to nodes ready and DNS answering: %.1f s", time.Since(begun).Seconds())
	s.running(t)
	if got := s.inside(t, "cat /data/down"); got != "kept" {
		t.Errorf("the volume says %q", got)
	}
}

// stepKillUp kills up at many moments; the next one must get through.
func stepKillUp(t *testing.T, s site) {
	for _, milliseconds := range killedAfter {
		after := time.Duration(milliseconds) * time.Millisecond
		s.must(t, "lab", "down")
		cmd := exec.Command(s.cli, "lab", "up")
		cmd.Dir, cmd.Env = s.checkout, s.env
		commands.RLock()
		err := cmd.Start()
		if err == nil {
			time.Sleep(after)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		commands.RUnlock()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("up was killed after %s", after)
		s.must(t, "lab", "up")
		if status := s.status(t); !status.Running {
			t.Fatalf("after a killed up and another: %+v", status)
		}
	}
	s.running(t)
	if got := s.inside(t, "cat /data/down"); got != "kept" {
		t.Errorf("the volume says %q", got)
	}
}

func stepPurge(t *testing.T, s site) {
	s.must(t, "lab", "down", "--purge")
	if more := left(s.before, takePicture(t, s.state, s.run)); len(more) > 0 {
		t.Errorf("down --purge left behind:\n%s", strings.Join(more, "\n"))
	}
	if _, err := os.Stat(s.state); err == nil {
		t.Errorf("%s is left", s.state)
	}
	s.must(t, "lab", "down", "--purge")
}
