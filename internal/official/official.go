// Package official finds the official Pulumi plugin that one of ours stands in
// for, so that it can step aside: the engine prefers a plugin on PATH to the one
// that somebody installed on purpose.
package official

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/mod/semver"
)

// Plugin is the path of the official resource plugin of that name in home, the
// Pulumi home directory: the newest one that is at least minimum, such as
// 4.21.2, and of the same major version. It is empty when there is none.
func Plugin(home, name, minimum string) string {
	prefix := "resource-" + name + "-"
	dirs, err := filepath.Glob(filepath.Join(home, "plugins", prefix+"v*"))
	if err != nil {
		return ""
	}
	best, path := "v"+minimum, ""
	for _, dir := range dirs {
		version := strings.TrimPrefix(filepath.Base(dir), prefix)
		if !semver.IsValid(version) || semver.Major(version) != semver.Major(best) || semver.Compare(version, best) < 0 {
			continue
		}
		// A marker stays where an installation was cut short.
		if _, err := os.Stat(dir + ".partial"); err == nil {
			continue
		}
		if candidate := filepath.Join(dir, program(name)); executable(candidate) {
			best, path = version, candidate
		}
	}
	return path
}

// StepAside becomes the official plugin if the Pulumi home has one; it returns
// if there is none, or if the variable SLIPWAY_<NAME>_OFFLINE is set.
func StepAside(name, minimum string) error {
	offline := "SLIPWAY_" + strings.ToUpper(name) + "_OFFLINE"
	if os.Getenv(offline) != "" {
		return nil
	}
	home := os.Getenv("PULUMI_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return nil // no home, so nothing is installed there
		}
		home = filepath.Join(user, ".pulumi")
	}
	path := Plugin(home, name, minimum)
	if path == "" {
		return nil
	}
	// The variable ends the chain should the official one be a copy of this.
	env := append(os.Environ(), offline+"=1")
	if err := syscall.Exec(path, append([]string{path}, os.Args[1:]...), env); err != nil {
		return fmt.Errorf("starting the official plugin %s: %w", path, err)
	}
	return nil
}

func program(name string) string {
	if runtime.GOOS == "windows" {
		return "pulumi-resource-" + name + ".exe"
	}
	return "pulumi-resource-" + name
}

// executable tells whether path is a program, and not this very one.
func executable(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if self, err := os.Executable(); err == nil {
		if own, err := os.Stat(self); err == nil && os.SameFile(own, info) {
			return false
		}
	}
	return runtime.GOOS == "windows" || info.Mode()&0o111 != 0
}
