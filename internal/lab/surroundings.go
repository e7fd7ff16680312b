package lab

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"

	"slipway.dev/slipway/internal/machine"
)

// surroundings is what the checks ask of the machine; tests answer for one of
// their own.
type surroundings struct {
	root        bool
	components  func() ([]running, error)         // of every lab
	grouped     func() (bool, error)              // whether the lab's control groups hold processes
	neighbours  func() ([]machine.Process, error) // runtimes and clusters of others
	listener    func(network string, address netip.AddrPort) (machine.Process, bool, error)
	links       func() ([]netlink.Link, error)
	routes      func() ([]netlink.Route, error)
	memory      func() (machine.Memory, error)
	disk        func(dir string) (machine.Disk, error)
	controllers func() (version int, missing []string)
	kernel      func() error
	// patience is how long what was killed a moment ago may take to be gone.
	patience time.Duration
}

// thisMachine asks the kernel.
func thisMachine() surroundings {
	return surroundings{
		root:       os.Geteuid() == 0,
		components: scanProcesses, grouped: anyInLabCgroup,
		neighbours: machine.Neighbours,
		listener:   machine.Listener,
		links:      netlink.LinkList,
		routes:     func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V4) },
		memory:     machine.ReadMemory, disk: machine.DiskOf,
		controllers: machine.ControlGroups,
		kernel:      checkKernel, patience: 5 * time.Second,
	}
}

// link finds a link by name; nil is none.
func (s surroundings) link(name string) (netlink.Link, error) {
	links, err := s.links()
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	for _, link := range links {
		if link.Attrs().Name == name {
			return link, nil
		}
	}
	return nil, nil
}
