package machine

import (
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Controllers are what limits containers; kubelet does not start without them.
var Controllers = []string{"cpu", "cpuset", "memory", "pids"}

// ControlGroups says which version of the hierarchy holds the controllers, 1 or
// 2, and which of Controllers are missing. Version 0 is no hierarchy at all.
func ControlGroups() (version int, missing []string) { return controlGroups(os.DirFS("/")) }

func controlGroups(root fs.FS) (version int, missing []string) {
	have := map[string]bool{}
	if raw, err := fs.ReadFile(root, "sys/fs/cgroup/cgroup.controllers"); err == nil {
		version = 2
		for _, name := range strings.Fields(string(raw)) {
			have[name] = true
		}
	} else {
		for _, name := range Controllers {
			if _, err := fs.Stat(root, "sys/fs/cgroup/"+name); err == nil {
				version, have[name] = 1, true
			}
		}
	}
	missing = slices.DeleteFunc(slices.Clone(Controllers), func(name string) bool { return have[name] })
	return version, missing
}
