// Package lab runs a real Kubernetes cluster on one Linux machine.
//
// The control plane (etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler) are processes of the machine. Each node is a network
// namespace with its own link on the bridge slipway0, and a mount namespace in
// which the directories that a kubelet and a containerd take for granted
// (/var/lib/kubelet, /var/lib/containerd, /var/log/pods, ...) are the node's
// own. So three nodes live on one machine without seeing each other's files,
// pods find the paths they find on any node, and another Kubernetes or
// container runtime of the machine is not touched.
//
// Nothing supervises the processes: Up compares what should run with what
// runs and starts the difference, so that it can be called again after a
// crash, a kill -9 or a reboot and repairs what is missing. Each process
// carries its name and the fingerprint of its configuration in its
// environment, which the kernel keeps as long as the process lives; there are
// no pid files that could be stale.
//
// Directories, below paths.Lab() (survives a reboot) and paths.Run() (does
// not):
//
//	lab/pki, lab/keys        certificates and keys, 0600
//	lab/etcd                 the cluster's objects
//	lab/logs                 one file per component
//	lab/nodes/<node>/        containerd, kubelet and log directories of a node
//	lab/volumes/<node>/      persistent volumes
//	lab/kubeconfig           the administrator's access
//	run/nodes/<node>/        sockets, CNI leases
package lab
