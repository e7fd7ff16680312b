package lab

import (
	"fmt"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/internal/machine"
)

// reservation is the memory that a node must not promise to pods, in MiB. Each
// kubelet sees all of the machine's memory; the nodes share what is usable of
// it, which a control group around everything may bound.
func reservation(seenMiB, usableMiB, nodes int) int {
	return max(0, seenMiB-usableMiB/nodes)
}

// machineReservation applies reservation to this machine.
func machineReservation(nodes int) (int, error) {
	memory, err := machine.ReadMemory()
	if err != nil {
		return 0, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("reading the machine's memory: %w", err)
	}
	seen := info.Totalram * uint64(info.Unit)
	return reservation(int(seen>>20), int(memory.Total>>20), nodes), nil
}

// kubeletConfig renders a node's kubelet configuration.
func (l *Lab) kubeletConfig(p Placement, reservedMiB int) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"address":    p.Address.String(),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": l.pki("ca.crt")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"tlsCertFile":              l.pki(p.Name + "/kubelet-serving.crt"),
		"tlsPrivateKeyFile":        l.pki(p.Name + "/kubelet-serving.key"),
		"readOnlyPort":             0,
		"healthzBindAddress":       "127.0.0.1",
		"containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               "/" + nodeCgroup(p.Name),
		"clusterDomain":            ClusterDomain,
		"clusterDNS":               []string{ClusterDNS},
		"resolvConf":               l.config("resolv.conf"),
		"providerID":               fmt.Sprintf("slipway://%s/%s", p.Zone, p.Name),
		"failSwapOn":               false,
		// Every node sees the whole machine. Without a reservation the scheduler
		// would hand out the same memory once per node.
		"systemReserved": map[string]any{"memory": fmt.Sprintf("%dMi", reservedMiB)},
		// Preloaded images cannot be pulled again, so they are never collected,
		// however full the disk is.
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		"evictionHard": map[string]string{
			"memory.available": "100Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
		},
		// A heartbeat each 5 s, with the controller-manager's patience of 20 s:
		// a node that was cut off is given up after half a minute instead of
		// one to six minutes, and tests of failure end in time.
		"nodeLeaseDurationSeconds":  20,
		"nodeStatusUpdateFrequency": "5s",
		"containerLogMaxSize":       "10Mi",
		"containerLogMaxFiles":      3,
		"serializeImagePulls":       false,
		"volumePluginDir":           "/var/lib/kubelet/volume-plugins",
		"shutdownGracePeriod":       "0s",
		// ConfigMaps and secrets reach pods within seconds.
		"syncFrequency": "20s",
	})
}

func (l *Lab) kubelet(p Placement) (process, error) {
	path, err := l.tools.Path("kubelet")
	if err != nil {
		return process{}, err
	}
	config, access := l.node(p.Name, "etc", "kubelet.yaml"), l.node(p.Name, "etc", "kubelet.kubeconfig")
	return process{
		Name: p.Name + "/kubelet",
		Path: path,
		Args: []string{
			"--config=" + config,
			"--kubeconfig=" + access,
			"--hostname-override=" + p.Name,
			"--node-ip=" + p.Address.String(),
			"--node-labels=topology.kubernetes.io/zone=" + p.Zone + ",topology.kubernetes.io/region=" + Region,
			"--v=1",
		},
		NetworkNS: namespaceFile(p),
		MountNS:   l.pinned(p.Name),
		Files: []string{config, access, l.pki("ca.crt"), l.pki(p.Name + "/kubelet.crt"),
			l.pki(p.Name + "/kubelet-serving.crt"), l.config("resolv.conf")},
	}, nil
}

// proxyConfig renders a node's kube-proxy configuration.
func (l *Lab) proxyConfig(p Placement) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion":       "kubeproxy.config.k8s.io/v1alpha1",
		"kind":             "KubeProxyConfiguration",
		"mode":             "iptables",
		"hostnameOverride": p.Name,
		"bindAddress":      p.Address.String(),
		"clientConnection": map[string]any{"kubeconfig": l.node(p.Name, "etc", "kube-proxy.kubeconfig")},
		// Sources inside the pod range are kept, so that network policies see
		// them; only traffic from outside to a service address is masqueraded.
		"clusterCIDR":        PodRange,
		"detectLocalMode":    "ClusterCIDR",
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
		// The connection table's size belongs to the machine.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
	})
}

func (l *Lab) kubeProxy(p Placement) (process, error) {
	path, err := l.tools.Path("kube-proxy")
	if err != nil {
		return process{}, err
	}
	config, access := l.node(p.Name, "etc", "kube-proxy.yaml"), l.node(p.Name, "etc", "kube-proxy.kubeconfig")
	return process{
		Name:      p.Name + "/kube-proxy",
		Path:      path,
		Args:      []string{"--config=" + config},
		NetworkNS: namespaceFile(p),
		MountNS:   l.pinned(p.Name),
		Files:     []string{config, access, l.pki("ca.crt"), l.pki(p.Name + "/kube-proxy.crt")},
	}, nil
}

// kubeRouter is the enforcer of network policies; its other duties are off.
func (l *Lab) kubeRouter(p Placement) (process, error) {
	path, err := l.tools.Path("kube-router")
	if err != nil {
		return process{}, err
	}
	access := l.node(p.Name, "etc", "kube-router.kubeconfig")
	return process{
		Name: p.Name + "/kube-router",
		Path: path,
		Args: []string{
			"--kubeconfig=" + access,
			"--hostname-override=" + p.Name,
			"--run-firewall=true", "--run-router=false", "--run-service-proxy=false",
			"--service-cluster-ip-range=" + ServiceRange,
			"--iptables-sync-period=1m",
			"--health-port=0", "--metrics-port=0",
		},
		NetworkNS: namespaceFile(p),
		MountNS:   l.pinned(p.Name),
		Files:     []string{access, l.pki("ca.crt"), l.pki(p.Name + "/kube-router.crt")},
	}, nil
}
