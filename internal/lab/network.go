package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const namespaceDir = "/run/netns"

func namespaceFile(p Placement) string { return filepath.Join(namespaceDir, p.Namespace) }

// ensureBridge makes the lab's switch with the machine's address on it. The
// link's alias says which lab it belongs to.
func (l *Lab) ensureBridge() (netlink.Link, error) {
	link, err := netlink.LinkByName(BridgeName)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = BridgeName
		// A bridge without an address of its own takes the lowest of its ports
		// and changes it as nodes come and go, under everyone's ARP entries.
		attrs.HardwareAddr = net.HardwareAddr{0x02, 0x53, 0x4c, 0x59, 0x00, 0x01}
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return nil, fmt.Errorf("adding bridge %s: %w", BridgeName, err)
		}
		if link, err = netlink.LinkByName(BridgeName); err != nil {
			return nil, fmt.Errorf("finding bridge %s: %w", BridgeName, err)
		}
		if err := netlink.LinkSetAlias(link, l.alias()); err != nil {
			return nil, fmt.Errorf("naming bridge %s: %w", BridgeName, err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("finding bridge %s: %w", BridgeName, err)
	}
	if err := ensureAddress(link, netip.MustParsePrefix(ControlAddress+"/24")); err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("switching on %s: %w", BridgeName, err)
	}
	return link, nil
}

func (l *Lab) alias() string { return aliasPrefix + l.state }

// ensureNodeNetwork gives a node its network namespace, its cable to the bridge and
// its addresses. A cable that Cut unplugged is plugged in again.
func ensureNodeNetwork(p Placement, peers []Placement, bridge netlink.Link) error {
	if err := ensureNamespace(p); err != nil {
		return err
	}
	if err := ensureCable(p, bridge); err != nil {
		return fmt.Errorf("connecting %s: %w", p.Name, err)
	}
	if err := inNamespace(namespaceFile(p), func() error { return configureInside(p, peers) }); err != nil {
		return fmt.Errorf("configuring the network of %s: %w", p.Name, err)
	}
	// The machine reaches pods through their node; the API server calls
	// webhooks and the metrics API this way.
	return ensureRoute(p.PodRange, p.Address, bridge)
}

// shareNamespaceDir makes /run/netns a mount that is shared with other mount
// namespaces, as ip(8) does before it adds its first namespace. Done later,
// by someone's `ip netns add`, it would hide the pins that lie there: they
// could not be removed any more.
func shareNamespaceDir() error {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return fmt.Errorf("making the directory of network namespaces: %w", err)
	}
	share := func() error { return unix.Mount("", namespaceDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
	err := share()
	if errors.Is(err, unix.EINVAL) { // not a mount yet
		if err = unix.Mount(namespaceDir, namespaceDir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = share()
		}
	}
	if err != nil {
		return fmt.Errorf("sharing %s: %w", namespaceDir, err)
	}
	return nil
}

// releaseNamespaceDir undoes shareNamespaceDir once nobody has a namespace
// there.
func releaseNamespaceDir() error {
	list, err := os.ReadDir(namespaceDir)
	if errors.Is(err, os.ErrNotExist) || len(list) > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing network namespaces: %w", err)
	}
	if err := unix.Unmount(namespaceDir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("releasing %s: %w", namespaceDir, err)
	}
	return nil
}

// ensureNamespace pins a fresh network namespace below /run/netns, where
// ip(8) finds it too. A file left over from one that is gone is replaced.
func ensureNamespace(p Placement) error {
	if isNamespace(namespaceFile(p)) {
		return nil
	}
	if err := os.Remove(namespaceFile(p)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the remains of namespace %s: %w", p.Namespace, err)
	}
	return onThrowawayThread(func() error {
		handle, err := netns.NewNamed(p.Namespace)
		if err != nil {
			return fmt.Errorf("making namespace %s: %w", p.Namespace, err)
		}
		return handle.Close()
	})
}

func isNamespace(file string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(file, &fs) == nil && fs.Type == unix.NSFS_MAGIC
}

// onThrowawayThread runs f on a thread that is not used again, since f changes
// what the thread belongs to.
func onThrowawayThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- f()
	}()
	return <-done
}

func inNamespace(file string, f func() error) error {
	return onThrowawayThread(func() error {
		handle, err := netns.GetFromPath(file)
		if err != nil {
			return fmt.Errorf("opening namespace %s: %w", file, err)
		}
		defer func() { _ = handle.Close() }()
		if err := netns.Set(handle); err != nil {
			return fmt.Errorf("entering namespace %s: %w", file, err)
		}
		return f()
	})
}

func ensureCable(p Placement, bridge netlink.Link) error {
	link, err := netlink.LinkByName(p.Link)
	if err == nil && !cableReaches(p) {
		// The other end went with an earlier namespace.
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("removing the loose cable %s: %w", p.Link, err)
		}
		link, err = nil, netlink.LinkNotFoundError{}
	}
	var missing netlink.LinkNotFoundError
	switch {
	case errors.As(err, &missing):
		handle, err := netns.GetFromPath(namespaceFile(p))
		if err != nil {
			return fmt.Errorf("opening namespace %s: %w", p.Namespace, err)
		}
		defer func() { _ = handle.Close() }()
		attrs := netlink.NewLinkAttrs()
		attrs.Name = p.Link
		veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(handle))}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("adding cable %s: %w", p.Link, err)
		}
		if link, err = netlink.LinkByName(p.Link); err != nil {
			return fmt.Errorf("finding cable %s: %w", p.Link, err)
		}
	case err != nil:
		return fmt.Errorf("finding cable %s: %w", p.Link, err)
	}
	if link.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := netlink.LinkSetMaster(link, bridge); err != nil {
			return fmt.Errorf("plugging %s into %s: %w", p.Link, BridgeName, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("switching on %s: %w", p.Link, err)
	}
	return nil
}

// cableReaches reports whether the node's namespace has the other end.
func cableReaches(p Placement) bool {
	return inNamespace(namespaceFile(p), func() error {
		_, err := netlink.LinkByName("eth0")
		return err
	}) == nil
}

func configureInside(p Placement, peers []Placement) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("switching on lo: %w", err)
	}
	cable, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("finding eth0: %w", err)
	}
	if err := ensureAddress(cable, netip.PrefixFrom(p.Address, 24)); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(cable); err != nil {
		return fmt.Errorf("switching on eth0: %w", err)
	}
	for _, peer := range peers {
		if peer.Name == p.Name {
			continue
		}
		if err := ensureRoute(peer.PodRange, peer.Address, cable); err != nil {
			return err
		}
	}
	// Programs of the node itself reach services: the route only has to exist,
	// kube-proxy changes the destination. What is no service ends at the
	// machine's firewall, which refuses it. There is no default route, so that
	// any other address is unreachable at once instead of after a timeout.
	if err := ensureRoute(netip.MustParsePrefix(ServiceRange), netip.MustParseAddr(ControlAddress), cable); err != nil {
		return err
	}
	// /proc/sys/net shows the namespace of the thread that opens it.
	for file, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1",
		// Pods of one node reach each other's service address over the pod
		// bridge; without this the answer would bypass the translation.
		"/proc/sys/net/bridge/bridge-nf-call-iptables": "1",
		// Host ports answer on the node's loopback too.
		"/proc/sys/net/ipv4/conf/all/route_localnet": "1",
	} {
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			return fmt.Errorf("setting %s (is the br_netfilter module loaded?): %w", file, err)
		}
	}
	return nil
}

func ensureAddress(link netlink.Link, address netip.Prefix) error {
	wanted := &netlink.Addr{IPNet: ipNet(address)}
	if err := netlink.AddrAdd(link, wanted); err != nil && !errors.Is(err, syscall.EEXIST) {
		return fmt.Errorf("giving %s the address %s: %w", link.Attrs().Name, address, err)
	}
	return nil
}

func ensureRoute(to netip.Prefix, via netip.Addr, link netlink.Link) error {
	route := &netlink.Route{Dst: ipNet(to.Masked()), Gw: net.IP(via.AsSlice()), LinkIndex: link.Attrs().Index}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("routing %s via %s: %w", to, via, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// removeNodeNetwork deletes a node's namespace and cable.
func removeNodeNetwork(p Placement) error {
	if link, err := netlink.LinkByName(p.Link); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("removing cable %s: %w", p.Link, err)
		}
	}
	if isNamespace(namespaceFile(p)) {
		if err := unix.Unmount(namespaceFile(p), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("releasing namespace %s: %w", p.Namespace, err)
		}
	}
	if err := os.Remove(namespaceFile(p)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing namespace %s: %w", p.Namespace, err)
	}
	return nil
}

// removeBridge deletes the switch, and with it the routes over it.
func removeBridge() error {
	link, err := netlink.LinkByName(BridgeName)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	} else if err != nil {
		return fmt.Errorf("finding bridge %s: %w", BridgeName, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("removing bridge %s: %w", BridgeName, err)
	}
	return nil
}
