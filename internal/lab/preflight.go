package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"

	"slipway.dev/slipway/internal/machine"
)

// What a machine must have free before the lab is started.
const (
	minDisk   = 5 * machine.GiB
	minMemory = 3 * machine.GiB
)

// ErrNotRoot is returned by everything that changes the lab.
var ErrNotRoot = errors.New("the lab needs root, for network namespaces and mounts: run this again with sudo")

func requireRoot() error {
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	return nil
}

// Check looks for all that keeps Up from working on this machine, tools and
// packages aside, and returns every fault at once, each with what to do about
// it. It takes well under a second and changes nothing, so a caller who would
// first have to build tools asks it before. A lab of ours that runs, whole or
// in part, is no fault. What of others runs here and is left alone is reported.
func (l *Lab) Check(opts Options, report io.Writer) error {
	faults, err := l.faults(opts, thisMachine(), report)
	if err != nil {
		return err
	}
	return refusal(faults)
}

// preflight checks the machine before Up changes anything.
func (l *Lab) preflight() error {
	faults, err := l.faults(Options{}, thisMachine(), io.Discard)
	if err != nil {
		return err
	}
	return refusal(append(faults, l.checkTools()...))
}

func refusal(faults []error) error {
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("the lab cannot start on this machine; nothing was changed:\n%w", err)
	}
	return nil
}

func (l *Lab) faults(opts Options, on surroundings, report io.Writer) ([]error, error) {
	var faults []error
	if opts.Nodes != 0 {
		_, err := Placements(opts.Nodes)
		faults = append(faults, err)
	}
	components, err := on.components()
	if err != nil {
		return nil, err
	}
	bridge, err := on.link(BridgeName)
	if err != nil {
		return nil, err
	}
	// Only root may see whose a process is, but anybody sees the bridge.
	runs := !on.root && bridge != nil && bridge.Attrs().Alias == l.alias()
	for _, r := range components {
		if r.lab == l.state {
			runs = true
			continue
		}
		faults = append(faults, fmt.Errorf("the lab of %s runs on this machine, and there can be only one: stop it with SLIPWAY_STATE=%s slipway lab down",
			r.lab, strings.TrimSuffix(r.lab, "/lab")))
		break
	}
	// What a killed lab left is no fault: Up clears it away.
	if remains, err := l.deserted(on); err != nil {
		return nil, err
	} else if remains == "" {
		faults = append(faults, l.checkBridge(on))
	}
	faults = append(faults, checkRoutes(on), checkControllers(on))
	faults = append(faults, l.checkPorts(on)...)
	if !runs {
		faults = append(faults, l.checkRoom(on)...)
	}
	if !on.root {
		return append(faults, ErrNotRoot), nil
	}
	// Only root can load what is missing.
	faults = append(faults, on.kernel())
	return faults, reportNeighbours(on, report)
}

// reportNeighbours tells of container runtimes and clusters that are not the
// lab's. They are no fault: nothing of the lab's is where they look. Where one
// has a port or a route that the lab needs, that is reported as such.
func reportNeighbours(on surroundings, report io.Writer) error {
	neighbours, err := on.neighbours()
	if err != nil {
		return err
	}
	for _, p := range neighbours {
		if _, err := fmt.Fprintf(report, "%s runs here and is not the lab's; it is left alone\n", p); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) checkTools() []error {
	var faults []error
	for _, name := range builtTools {
		if _, err := l.tools.Path(name); err != nil {
			faults = append(faults, fmt.Errorf("%w (run `make tools`)", err))
		}
	}
	missing := map[string][]string{}
	for name, pkg := range systemTools {
		if !isExecutable(systemTool(name)) {
			missing[pkg] = append(missing[pkg], name)
		}
	}
	for pkg, names := range missing {
		faults = append(faults, fmt.Errorf("%s missing: install the package %s (or run `make tools`)", strings.Join(names, ", "), pkg))
	}
	if _, err := podNetworkDir(); err != nil {
		faults = append(faults, err)
	}
	return faults
}

// checkBridge refuses a bridge of our name that another lab, or another
// program, made.
func (l *Lab) checkBridge(on surroundings) error {
	link, err := on.link(BridgeName)
	if err != nil || link == nil {
		return err
	}
	alias := link.Attrs().Alias
	if link.Type() == "bridge" && (alias == l.alias() || alias == "") && onlyLabPorts(on, link) {
		return nil
	}
	if other, ok := strings.CutPrefix(alias, aliasPrefix); ok && other != l.state {
		return fmt.Errorf("the link %s belongs to the lab of %s: stop it with SLIPWAY_STATE=%s slipway lab down",
			BridgeName, other, strings.TrimSuffix(other, "/lab"))
	}
	return fmt.Errorf("a %s called %s exists that the lab did not make, or that somebody plugged something into: rename or remove it", link.Type(), BridgeName)
}

// onlyLabPorts tells a bridge whose maker died between adding and naming it
// from somebody else's.
func onlyLabPorts(on surroundings, bridge netlink.Link) bool {
	links, err := on.links()
	if err != nil {
		return false
	}
	for _, link := range links {
		if link.Attrs().MasterIndex == bridge.Attrs().Index && !strings.HasPrefix(link.Attrs().Name, "slipway-n") {
			return false
		}
	}
	return true
}

// checkRoutes refuses when the lab's addresses lead somewhere else. A broader
// route (a default route, a VPN's 10.0.0.0/8) is no obstacle: the lab's is more
// specific.
func checkRoutes(on surroundings) error {
	routes, err := on.routes()
	if err != nil {
		return fmt.Errorf("listing routes: %w", err)
	}
	names := map[int]string{}
	links, err := on.links()
	if err != nil {
		return fmt.Errorf("listing links: %w", err)
	}
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
	}
	var faults []error
	for _, route := range routes {
		if route.Dst == nil || names[route.LinkIndex] == BridgeName {
			continue
		}
		to, ok := prefixOf(route.Dst)
		if !ok {
			continue
		}
		for _, ours := range []string{NodeRange, PodRange} {
			if collides(to, netip.MustParsePrefix(ours)) {
				faults = append(faults, fmt.Errorf("the machine routes %s to %s, and the lab needs %s: remove that link or route (podman and VPNs make such)",
					to, names[route.LinkIndex], ours))
			}
		}
	}
	return errors.Join(faults...)
}

// collides reports whether a foreign route takes addresses from ours.
func collides(foreign, ours netip.Prefix) bool {
	return foreign.Bits() >= ours.Bits() && ours.Contains(foreign.Addr())
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	address, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), bits), true
}

// checkPorts reports the ports of the machine that somebody else has.
func (l *Lab) checkPorts(on surroundings) []error {
	var faults []error
	for _, port := range Ports() {
		holder, taken, err := on.listener(port.Network, port.Address)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("looking who has port %s: %w", port.Address, err))
		case !taken || holder.Lab == l.state:
		case holder.PID == 0 && !on.root:
			// Perhaps the lab itself; only root can know.
		default:
			faults = append(faults, fmt.Errorf("%s port %s, which the lab's %s needs, is taken by %s: stop that", port.Network, port.Address, port.Component, holder))
		}
	}
	return faults
}

// checkControllers refuses a machine whose control groups cannot limit
// containers.
func checkControllers(on surroundings) error {
	if _, missing := on.controllers(); len(missing) > 0 {
		return fmt.Errorf("control groups have no %s, which limits containers: switch it on, on the kernel's command line (cgroup_enable=memory) or in the container this runs in",
			strings.Join(missing, ", "))
	}
	return nil
}

func checkKernel() error {
	content, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return fmt.Errorf("reading the kernel's file systems: %w", err)
	}
	if !strings.Contains(string(content), "\toverlay\n") && !loadModule("overlay") {
		return errors.New("the kernel has no overlay file system, which containers need")
	}
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil && !loadModule("br_netfilter") {
		return errors.New("the kernel's br_netfilter module is not there, which services need: modprobe br_netfilter")
	}
	return nil
}

// loadModule is the one change before all checks passed; a loaded module
// affects nobody.
func loadModule(name string) bool {
	_, err := output(context.Background(), systemTool("modprobe"), name)
	return err == nil
}

func (l *Lab) checkRoom(on surroundings) []error {
	var faults []error
	memory, err := on.memory()
	if err != nil {
		faults = append(faults, err)
	} else if memory.Available < minMemory {
		faults = append(faults, fmt.Errorf("%d MiB of memory are available, the lab needs %d: stop other programs", memory.Available>>20, minMemory>>20))
	}
	disk, err := on.disk(l.state)
	switch {
	case err != nil:
		faults = append(faults, err)
	case disk.ReadOnly:
		faults = append(faults, fmt.Errorf("the file system of %s is read-only: set SLIPWAY_STATE to a directory on another", l.state))
	case disk.Free < minDisk:
		faults = append(faults, fmt.Errorf("%d MiB are free on the disk of %s, the lab needs %d: free some, or set SLIPWAY_STATE to a directory on another",
			disk.Free>>20, l.state, minDisk>>20))
	}
	return faults
}
