package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// PauseImage holds a pod's namespaces open; every pod needs it.
const PauseImage = "registry.k8s.io/pause:3.10"

// containerdConfig renders the configuration of a node's containerd. Its
// directories are the usual ones, because the node's mount namespace puts the
// node's own directories there.
func containerdConfig(confDir, binDir string) []byte {
	// Without the capability to lower oom_score_adj (some containers and small
	// virtual machines lack it) runc fails to start anything.
	restrict := !hasCapability(unix.CAP_SYS_RESOURCE)
	return fmt.Appendf(nil, `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "/run/containerd/containerd.sock"

[debug]
  level = "warn"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  netns_mounts_under_state_dir = true
  restrict_oom_score_adj = %t
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

[plugins."io.containerd.grpc.v1.cri".cni]
  conf_dir = %q
  bin_dir = %q

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  Root = "/run/containerd/runc"
  SystemdCgroup = false
`, PauseImage, restrict, confDir, binDir)
}

func hasCapability(capability uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}

// podNetwork renders the CNI configuration of one node: a bridge for its pods,
// addresses from its range, host ports. Nothing is masqueraded, so that a
// network policy sees who really asks; hence pods do not reach the internet.
func podNetwork(p Placement) ([]byte, error) {
	return json.MarshalIndent(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "slipway",
		"plugins": []any{
			map[string]any{
				"type":             "bridge",
				"bridge":           "cni0",
				"isGateway":        true,
				"isDefaultGateway": true,
				"ipMasq":           false,
				"hairpinMode":      true,
				"ipam": map[string]any{
					"type": "host-local",
					// Lives in the run directory: after a reboot no pod has its
					// address any more.
					"dataDir": "/var/lib/cni/networks",
					"ranges":  []any{[]any{map[string]any{"subnet": p.PodRange.String()}}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}, "snat": true},
		},
	}, "", "  ")
}

func (l *Lab) containerd(p Placement) process {
	return process{
		Name:      p.Name + "/containerd",
		Path:      systemTool("containerd"),
		Args:      []string{"--config", l.node(p.Name, "etc", "containerd.toml")},
		NetworkNS: namespaceFile(p),
		MountNS:   l.pinned(p.Name),
		Files:     []string{l.node(p.Name, "etc", "containerd.toml")},
		Ready: func(ctx context.Context) error {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", l.containerdSocket(p.Name))
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}
}
