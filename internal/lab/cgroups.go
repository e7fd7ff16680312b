package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Control groups of the lab, below the root of every hierarchy. Components
// run in systemCgroup; each node's pods are below its own group, because two
// kubelets that share one remove each other's pods as orphans.
const (
	cgroupMount  = "/sys/fs/cgroup"
	labCgroup    = "slipway"
	systemCgroup = labCgroup + "/system"
)

func nodeCgroup(node string) string { return labCgroup + "/" + node }

// labShares is the lab's weight against everything else on the machine when
// the processors are short. All of the lab is one group; with the default
// weight a single busy process outside would get as much as the whole lab.
const labShares = 8192

// hierarchies lists the mounted cgroup trees: one with version 2, one per
// controller with version 1.
func hierarchies() (roots []string, unified bool, err error) {
	if _, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers")); err == nil {
		return []string{cgroupMount}, true, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, false, fmt.Errorf("looking for cgroups: %w", err)
	}
	for _, entry := range entries {
		root := filepath.Join(cgroupMount, entry.Name())
		if resolved, err := filepath.EvalSymlinks(root); err != nil || resolved != root {
			continue // cpu,cpuacct and the like have aliases
		}
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		return nil, false, fmt.Errorf("no cgroup hierarchy is mounted below %s: the lab needs one (mount cgroup2 there)", cgroupMount)
	}
	return roots, false, nil
}

// ensureCgroups makes the groups of components and of these nodes.
func ensureCgroups(nodes []Placement) error {
	roots, unified, err := hierarchies()
	if err != nil {
		return err
	}
	groups := []string{labCgroup, systemCgroup}
	for _, node := range nodes {
		groups = append(groups, nodeCgroup(node.Name))
	}
	for _, root := range roots {
		for _, group := range groups {
			if err := ensureCgroup(root, group, unified); err != nil {
				return fmt.Errorf("making control group %s: %w", filepath.Join(root, group), err)
			}
		}
	}
	return nil
}

func ensureCgroup(root, group string, unified bool) error {
	dir := filepath.Join(root, group)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if unified {
		if group == labCgroup {
			if err := delegate(filepath.Dir(dir), dir); err != nil {
				return err
			}
			return writeIfThere(filepath.Join(dir, "cpu.weight"), "800")
		}
		return nil
	}
	// A version 1 cpuset starts empty and takes no process until it names
	// processors and memory nodes.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		if err := inherit(dir, file); err != nil {
			return err
		}
	}
	if group == labCgroup {
		return writeIfThere(filepath.Join(dir, "cpu.shares"), strconv.Itoa(labShares))
	}
	return nil
}

// delegate enables, from parent down, the controllers that kubelet wants.
func delegate(dirs ...string) error {
	for _, dir := range dirs {
		available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, controller := range strings.Fields(string(available)) {
			switch controller {
			case "cpu", "cpuset", "memory", "pids", "io", "hugetlb":
				if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
					return fmt.Errorf("enabling controller %s in %s: %w", controller, dir, err)
				}
			}
		}
	}
	return nil
}

func inherit(dir, file string) error {
	content, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) || (err == nil && strings.TrimSpace(string(content)) != "") {
		return nil
	} else if err != nil {
		return err
	}
	above, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, file), above, 0o644)
}

func writeIfThere(file, content string) error {
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

// joinCgroup moves a process, with all its threads, into a group of every
// hierarchy.
func joinCgroup(group string, pid int) error {
	roots, _, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		file := filepath.Join(root, group, "cgroup.procs")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("moving process %d into %s: %w", pid, file, err)
		}
	}
	return nil
}

// cgroupProcesses lists the processes in a group and all below it.
func cgroupProcesses(group string) (map[int]bool, error) {
	roots, _, err := hierarchies()
	if err != nil {
		return nil, err
	}
	pids := map[int]bool{}
	for _, root := range roots {
		err := filepath.WalkDir(filepath.Join(root, group), func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // removed while walking
			}
			if err != nil || entry.Name() != "cgroup.procs" {
				return err
			}
			content, err := os.ReadFile(path) //nolint:gosec // the kernel's tree, which has no links
			if err != nil {
				return nil // removed, or a threaded group: its processes are listed above
			}
			for _, line := range strings.Fields(string(content)) {
				if pid, err := strconv.Atoi(line); err == nil && pid != 0 {
					pids[pid] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing processes of %s: %w", group, err)
		}
	}
	return pids, nil
}

// anyInLabCgroup tells whether a process of any lab is in its control groups.
func anyInLabCgroup() (bool, error) {
	pids, err := cgroupProcesses(labCgroup)
	if err != nil {
		return false, err
	}
	for pid := range pids {
		if s, err := readStat(pid); err == nil && !s.ended() {
			return true, nil
		}
	}
	return false, nil
}

// emptyCgroup ends every process in a group. With grace each container's first
// process is asked to end, as at a machine's shutdown, and what is left after
// it is killed. New processes may appear while it works; it goes on until there
// are none.
func emptyCgroup(ctx context.Context, group string, grace time.Duration) error {
	asked := map[int]bool{}
	start := time.Now()
	for {
		pids, err := cgroupProcesses(group)
		if err != nil {
			return err
		}
		parents := map[int]int{}
		for pid := range pids {
			if s, err := readStat(pid); err != nil || s.ended() {
				delete(pids, pid)
			} else {
				parents[pid] = s.parent
			}
		}
		if len(pids) == 0 {
			return nil
		}
		past := time.Since(start)
		if past > grace+15*time.Second {
			return fmt.Errorf("%d processes in control group %s do not end, even killed", len(pids), group)
		}
		for pid := range pids {
			switch {
			case past >= grace:
				_ = syscall.Kill(pid, syscall.SIGKILL)
			case !asked[pid] && !pids[parents[pid]]:
				asked[pid] = true
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// removeCgroup deletes a group and all below it, in every hierarchy. They must
// be empty of processes.
func removeCgroup(group string) error {
	roots, _, err := hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		var dirs []string
		err := filepath.WalkDir(filepath.Join(root, group), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := removeDir(dirs[i]); err != nil {
				return fmt.Errorf("removing control group %s: %w", dirs[i], err)
			}
		}
	}
	return nil
}

// removeDir retries: the kernel lets go of the last process a moment after its
// end.
func removeDir(dir string) error {
	var err error
	for range 100 {
		if err = syscall.Rmdir(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
