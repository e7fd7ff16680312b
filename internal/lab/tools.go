package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Tools finds the programs that Slipway builds: the Kubernetes binaries and
// kube-router.
type Tools interface {
	// Path returns the absolute path of a tool that is present.
	Path(name string) (string, error)
}

// ToolsDir is a directory that holds the tools under their names.
type ToolsDir string

// Path implements Tools.
func (d ToolsDir) Path(name string) (string, error) {
	path := filepath.Join(string(d), name)
	if info, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for tool %s: %w", name, err)
	} else if info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("tool %s is not executable", path)
	}
	return path, nil
}

// builtTools are what the lab takes from Tools.
var builtTools = []string{
	"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kube-router",
}

// systemTools are what the lab takes from the distribution, with the Debian
// package of each for the error message.
var systemTools = map[string]string{
	"etcd": "etcd-server", "containerd": "containerd", "ctr": "containerd", "containerd-shim-runc-v2": "containerd", "runc": "runc",
	"iptables": "iptables", "iptables-save": "iptables", "ipset": "ipset", "conntrack": "conntrack",
	"nsenter": "util-linux", "unshare": "util-linux", "mount": "mount", "umount": "mount", "losetup": "mount", "mkfs.ext4": "e2fsprogs",
}

// podNetworkPlugins must lie in one of podNetworkDirs.
var (
	podNetworkPlugins = []string{"bridge", "host-local", "loopback", "portmap"}
	podNetworkDirs    = []string{"/usr/lib/cni", "/opt/cni/bin"}
)

// systemTool finds a program of the distribution. preflight has made sure that
// it is there; if it went since, starting it reports the bare name.
func systemTool(name string) string {
	for _, dir := range filepath.SplitList(searchPath) {
		if path := filepath.Join(dir, name); isExecutable(path) {
			return path
		}
	}
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return name
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// podNetworkDir is the first directory that holds every plugin needed.
func podNetworkDir() (string, error) {
	for _, dir := range podNetworkDirs {
		complete := true
		for _, plugin := range podNetworkPlugins {
			complete = complete && isExecutable(filepath.Join(dir, plugin))
		}
		if complete {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the CNI plugins %v are in none of %v: install the package containernetworking-plugins", podNetworkPlugins, podNetworkDirs)
}
