// Package machine tells facts about the machine Slipway runs on: how much
// memory and disk there is, who listens on a port, and which container runtimes
// and clusters of other owners run here.
package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory is what this process and its children may use, in bytes.
type Memory struct {
	// Total is the machine's memory, or the control group's limit if lower.
	Total uint64
	// Available is what can be had without pushing others out; swap included.
	Available uint64
}

// GiB is a count of bytes.
const GiB = 1 << 30

// ReadMemory reads the kernel's figures and the limits of every control group
// that this process is in.
func ReadMemory() (Memory, error) { return readMemory(os.DirFS("/")) }

func readMemory(root fs.FS) (Memory, error) {
	raw, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return Memory{}, fmt.Errorf("reading how much memory there is: %w", err)
	}
	figures := map[string]uint64{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err == nil {
			figures[name] = kib << 10
		}
	}
	if figures["MemTotal"] == 0 {
		return Memory{}, fmt.Errorf("reading how much memory there is: proc/meminfo has no MemTotal")
	}
	memory := Memory{Total: figures["MemTotal"], Available: figures["MemAvailable"] + figures["SwapFree"]}
	for _, group := range memoryGroups(root) {
		limit, used, ok := group.read(root)
		if !ok || limit >= figures["MemTotal"] {
			continue
		}
		memory.Total = min(memory.Total, limit)
		memory.Available = min(memory.Available, limit-min(used, limit))
	}
	return memory, nil
}

// group is a control group with the files that hold its limit, what it uses,
// and how much of that is file cache, which the kernel gives back.
type group struct{ dir, limit, used, cache string }

// memoryGroups lists this process's memory groups up to the root, in either
// version of the hierarchy.
func memoryGroups(root fs.FS) []group {
	raw, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var groups []group
	for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		var base string
		var files group
		switch {
		case fields[0] == "0" && fields[1] == "":
			base, files = "sys/fs/cgroup", group{limit: "memory.max", used: "memory.current", cache: "inactive_file"}
		case strings.Contains(","+fields[1]+",", ",memory,"):
			base, files = "sys/fs/cgroup/memory",
				group{limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", cache: "total_inactive_file"}
		default:
			continue
		}
		// In a container the path is the host's and may not exist; the root of
		// what is mounted is then the container's own group.
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			files.dir = path.Join(base, at)
			groups = append(groups, files)
			if at == "/" {
				break
			}
		}
	}
	return groups
}

func (g group) read(root fs.FS) (limit, used uint64, ok bool) {
	number := func(file string) (uint64, bool) {
		raw, err := fs.ReadFile(root, path.Join(g.dir, file))
		if err != nil {
			return 0, false
		}
		// "max" is no number: no limit.
		n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
		return n, err == nil
	}
	if limit, ok = number(g.limit); !ok {
		return 0, 0, false
	}
	if used, ok = number(g.used); !ok {
		return 0, 0, false
	}
	return limit, used - min(used, g.reclaimable(root)), true
}

func (g group) reclaimable(root fs.FS) uint64 {
	raw, err := fs.ReadFile(root, path.Join(g.dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if name, value, _ := strings.Cut(line, " "); name == g.cache {
			n, _ := strconv.ParseUint(value, 10, 64)
			return n
		}
	}
	return 0
}
