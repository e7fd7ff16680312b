package lab

import (
	"path/filepath"
	"strings"

	"slipway.dev/slipway/internal/paths"
)

// layout says where each file of one lab is.
type layout struct {
	state string // survives a reboot
	run   string // does not
}

func defaultLayout() layout { return layout{state: paths.Lab(), run: paths.Run()} }

func (l layout) pki(name string) string         { return filepath.Join(l.state, "pki", name) }
func (l layout) key(name string) string         { return filepath.Join(l.state, "keys", name) }
func (l layout) etcd() string                   { return filepath.Join(l.state, "etcd") }
func (l layout) config(name string) string      { return filepath.Join(l.state, "config", name) }
func (l layout) kubeconfig() string             { return filepath.Join(l.state, "kubeconfig") }
func (l layout) settings() string               { return filepath.Join(l.state, "lab.json") }
func (l layout) lock() string                   { return filepath.Join(l.state, "lock") }
func (l layout) node(parts ...string) string    { return l.below("nodes", parts) }
func (l layout) volumes(node string) string     { return filepath.Join(l.state, "volumes", node) }
func (l layout) nodeRun(parts ...string) string { return l.belowRun("nodes", parts) }

// log is a component's log file; a node's component is "<node>/<component>".
func (l layout) log(component string) string {
	return filepath.Join(l.state, "logs", strings.ReplaceAll(component, "/", "-")+".log")
}

// pinned is the file that holds a node's mount namespace open.
func (l layout) pinned(node string) string { return filepath.Join(l.run, "ns", node) }

// containerdSocket is the node's CRI socket as the machine sees it.
func (l layout) containerdSocket(node string) string {
	return l.nodeRun(node, "containerd", "containerd.sock")
}

func (l layout) below(dir string, parts []string) string {
	return filepath.Join(append([]string{l.state, dir}, parts...)...)
}

func (l layout) belowRun(dir string, parts []string) string {
	return filepath.Join(append([]string{l.run, dir}, parts...)...)
}
