//go:build lab

package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// picture is what a lab could leave behind on a machine, each item as a line.
// Leaving means: a line that was not there before.
type picture map[string][]string

// takePicture looks at the whole machine, not only where the lab is known to
// put things. roots are the lab's own directories.
func takePicture(t *testing.T, roots ...string) picture {
	t.Helper()
	return picture{
		"process":       processes(t, roots),
		"mount":         mounts(t),
		"namespace":     entries(t, "/run/netns"),
		"link":          links(t),
		"route":         strings.Split(command(t, "ip", "-4", "route"), "\n"),
		"firewall rule": firewallRules(t),
		"set":           sets(),
		"control group": groups(t),
		"loop device":   strings.Split(command(t, "losetup", "--all", "--noheadings", "--output", "BACK-FILE"), "\n"),
		"directory":     directories(),
	}
}

// left lists what is in the second picture only.
func left(before, after picture) []string {
	var more []string
	for kind, lines := range after {
		for _, line := range lines {
			if line != "" && !slices.Contains(before[kind], line) && (kind != "control group" || !inUse(line)) {
				more = append(more, kind+": "+line)
			}
		}
	}
	slices.Sort(more)
	return more
}

// processes lists those that belong to a lab: started by it, in its control
// groups, in one of its namespaces, or with its directories on the command
// line. Others come and go on a machine in use.
func processes(t *testing.T, roots []string) []string {
	t.Helper()
	var found []string
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	ownNet, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if pid == os.Getpid() {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		cgroup, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		mnt, err := os.Readlink(filepath.Join(dir, "ns/mnt"))
		if err != nil {
			continue // it ended meanwhile
		}
		net, err := os.Readlink(filepath.Join(dir, "ns/net"))
		if err != nil {
			continue
		}
		text := strings.ReplaceAll(string(cmdline), "\x00", " ")
		kernel := len(cmdline) == 0
		suspicious := bytes.Contains(environ, []byte("SLIPWAY_LAB")) || bytes.Contains(cgroup, []byte("slipway")) ||
			(!kernel && (mnt != own || net != ownNet))
		for _, root := range roots {
			suspicious = suspicious || strings.Contains(text, root+"/")
		}
		if suspicious {
			found = append(found, fmt.Sprintf("%d %.150s", pid, text))
		}
	}
	return found
}

func mounts(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	scanner := bufio.NewScanner(bytes.NewReader(content))
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		// What tests of other packages mount for themselves meanwhile.
		if strings.HasPrefix(fields[4], filepath.Join(os.TempDir(), "Test")) {
			continue
		}
		found = append(found, fields[3]+" on "+fields[4])
	}
	return found
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range list {
		found = append(found, entry.Name())
	}
	return found
}

func links(t *testing.T) []string {
	t.Helper()
	list, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range list {
		found = append(found, link.Attrs().Name)
	}
	return found
}

// firewallRules lists rules and chains of the user; the built-in chains appear
// with the first look at a table and mean nothing.
func firewallRules(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, line := range strings.Split(command(t, "iptables-save"), "\n") {
		if strings.HasPrefix(line, "-A") || (strings.HasPrefix(line, ":") && strings.Contains(line, " - ")) {
			line, _, _ = strings.Cut(line, " [")
			found = append(found, line)
		}
	}
	return found
}

func sets() []string {
	out, err := exec.Command("ipset", "list", "-name").Output()
	if err != nil {
		return nil // the kernel has none
	}
	return strings.Split(string(out), "\n")
}

func groups(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// inUse tells whether a process is in a control group, or in one below it. Such
// groups come and go on a machine in use; what a lab leaves is empty, or its
// processes are left as well.
func inUse(group string) bool {
	used := false
	_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "cgroup.procs" {
			pids, _ := os.ReadFile(path)
			used = used || len(bytes.TrimSpace(pids)) > 0
		}
		return nil
	})
	return used
}

// directories are those that a kubelet and a containerd make.
func directories() []string {
	var found []string
	for _, dir := range []string{
		"/var/lib/kubelet", "/var/lib/containerd", "/var/log/pods", "/var/log/containers", "/var/lib/otelcol", "/run/containerd", "/var/lib/cni",
		"/etc/cni/net.d", "/opt/cni", "/opt/containerd", "/var/run/kubernetes", "/run/slipway", "/usr/libexec/kubernetes",
	} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				found = append(found, path)
			}
			return nil
		})
	}
	return found
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
