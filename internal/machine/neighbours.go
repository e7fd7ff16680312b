package machine

import (
	"io/fs"
	"os"
	"path"
	"slices"
)

// neighbours are the programs by which a container runtime or a cluster is
// known.
var neighbours = []string{
	"dockerd", "containerd", "crio", "kubelet", "kube-apiserver", "etcd", "k3s", "k3s-server", "k0s", "rke2", "kubelite",
}

// Neighbours returns the container runtimes and cluster components that run
// here and belong to no lab of Slipway's.
func Neighbours() ([]Process, error) { return neighboursIn(os.DirFS("/")) }

// LabRuns reports whether a lab runs that keeps its state in dir.
func LabRuns(dir string) (bool, error) {
	all, err := processes(os.DirFS("/"))
	return slices.ContainsFunc(all, func(p Process) bool { return p.Lab == dir }), err
}

func neighboursIn(root fs.FS) ([]Process, error) {
	all, err := processes(root)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p Process) bool {
		// A multi-call binary is known by the name it was called by.
		names := []string{path.Base(p.Program), path.Base(p.Args[0])}
		return p.Lab != "" || !slices.ContainsFunc(names, func(name string) bool { return slices.Contains(neighbours, name) })
	}), nil
}
