package simcloud

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// EngineProcess is the process of the engine, where the simulation is its plugin. While
// a thread of it or of the program runs, or waits for a processor, something is
// about to happen, however long that takes on a busy machine. Zero: nobody is
// asked.
var EngineProcess int

// busy looks at the threads of the engine and of all that it started, except the
// plugins, which look at the clock all the time.
func busy() bool {
	if EngineProcess == 0 {
		return false
	}
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return false
	}
	names := map[int]string{}
	for _, stat := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if name, _, parent := statusOf(stat); err == nil && parent > 0 {
			children[parent] = append(children[parent], pid)
			names[pid] = name
		}
	}
	for family := []int{EngineProcess}; len(family) > 0; family = family[1:] {
		pid := family[0]
		if strings.HasPrefix(names[pid], "pulumi-resource") {
			continue
		}
		family = append(family, children[pid]...)
		threads, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "stat"))
		if err != nil {
			return false
		}
		for _, thread := range threads {
			if _, state, _ := statusOf(thread); state == "R" || state == "D" {
				return true
			}
		}
	}
	return false
}

// statusOf reads name, state and parent of a process or thread; a process that
// ended has none.
func statusOf(path string) (name, state string, parent int) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", "", 0
	}
	// The name stands in brackets and may hold anything.
	before, after, _ := strings.Cut(string(raw), ") ")
	_, name, _ = strings.Cut(before, "(")
	fields := strings.Fields(after)
	if len(fields) < 2 {
		return name, "", 0
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return name, "", 0
	}
	return name, fields[0], parent
}
