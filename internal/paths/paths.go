// Package paths says where Slipway keeps things outside the checkout.
//
// Three roots with different lives: the cache may be deleted at any time, the
// state must survive a reboot, and the run directory must not.
package paths

import (
	"fmt"
	"os"
	"path/filepath"
)

// Environment variables that move a root; tests use them to stay off the
// machine's real directories.
const (
	CacheEnv = "SLIPWAY_CACHE"
	StateEnv = "SLIPWAY_STATE"
	RunEnv   = "SLIPWAY_RUN"
)

// Cache is the root of what can be rebuilt: tools, images, logs of builds.
// Default $XDG_CACHE_HOME/slipway, else ~/.cache/slipway.
func Cache() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory (set %s): %w", CacheEnv, err)
	}
	return filepath.Join(base, "slipway"), nil
}

// State is the root of what must not be lost: the lab's data and the local
// stack's history. Default /var/lib/slipway.
func State() string { return fromEnv(StateEnv, "/var/lib/slipway") }

// DefaultRun is Run where nothing moves it.
const DefaultRun = "/run/slipway"

// Run is the root of sockets and process files. Default DefaultRun. Unix
// socket paths end at 108 bytes, so keep an override short.
func Run() string { return fromEnv(RunEnv, DefaultRun) }

// Lab is the lab's part of State.
func Lab() string { return filepath.Join(State(), "lab") }

// Kubeconfig is the lab administrator's kubeconfig.
func Kubeconfig() string { return filepath.Join(Lab(), "kubeconfig") }

// Pulumi is the file backend of the local stack.
func Pulumi() string { return filepath.Join(State(), "pulumi") }

func fromEnv(key, fallback string) string {
	if dir := os.Getenv(key); dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			return abs
		}
	}
	return fallback
}

// Checkout walks up from dir to the directory that holds Slipway's
// Pulumi.yaml.
func Checkout(dir string) (string, error) {
	start := dir
	for {
		if _, err := os.Stat(filepath.Join(dir, "Pulumi.yaml")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no Pulumi.yaml in %s or above it: run slipway inside a checkout", start)
		}
		dir = parent
	}
}
