package lab

import "net/netip"

// Port is one the lab opens on the machine.
type Port struct {
	Component string
	Network   string // "tcp" or "udp"
	Address   netip.AddrPort
}

// Ports lists every port the lab opens on the machine. None is reached from
// elsewhere: they are on loopback or on the bridge, which a firewall guards.
func Ports() []Port {
	loopback := netip.MustParseAddr("127.0.0.1")
	at := func(component, network string, address netip.Addr, port uint16) Port {
		return Port{component, network, netip.AddrPortFrom(address, port)}
	}
	ports := []Port{
		at("etcd", "tcp", loopback, etcdClientPort), at("etcd", "tcp", loopback, etcdPeerPort), at("etcd", "tcp", loopback, etcdMetricsPort),
		at("apiserver", "tcp", netip.MustParseAddr(ControlAddress), APIPort),
		at("controller-manager", "tcp", loopback, controllerPort),
		at("scheduler", "tcp", loopback, schedulerPort),
	}
	for _, door := range doors() {
		ports = append(ports, Port{"doors", door.Network, netip.MustParseAddrPort(door.Listen)})
	}
	return ports
}
