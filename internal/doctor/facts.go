// Package doctor compares this machine with what Slipway needs: what was found,
// what is missing, who has to mend it and how. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"slipway.dev/slipway/internal/machine"
	"slipway.dev/slipway/internal/toolchain"
)

// Facts is what was found on a machine.
type Facts struct {
	Root bool
	// Go is the compiler's path and release; GoFault says why there is none.
	Go      string
	GoFault error
	Tools   []toolchain.Found
	// BuildFault says why the missing tools cannot be built here.
	BuildFault error
	// Lab is nil for a stack that has a cluster elsewhere.
	Lab *LabFacts
}

// LabFacts is what only the lab needs.
type LabFacts struct {
	Runs bool
	// Packages are needed; MissingPackages of them are not there.
	Packages, MissingPackages []string
	Debian                    bool
	Memory                    machine.Memory
	// State is the directory of the lab's data, on a disk with StateDisk free.
	State     string
	StateDisk machine.Disk
	// ControlGroups is the version of the hierarchy.
	ControlGroups      int
	MissingControllers []string
	Overlay            bool
	Ports              []PortFacts
	Neighbours         []machine.Process
}

// PortFacts is who has a port that the lab needs.
type PortFacts struct {
	Port
	Taken bool
	By    machine.Process
}

// Port is where the lab listens on this machine.
type Port struct {
	Network string // tcp or udp
	Address netip.AddrPort
}

// Needs says what a stack needs of a machine.
type Needs struct {
	// Lab is whether the stack runs on this machine's lab; the rest is only
	// looked at then.
	Lab      bool
	State    string
	Packages []string
	Ports    []Port
}

// Gather looks at this machine.
func Gather(ctx context.Context, tools *toolchain.Chain, needs Needs) (Facts, error) {
	facts := Facts{Root: os.Geteuid() == 0}
	path, release, err := tools.Go(ctx)
	if err != nil {
		facts.GoFault = err
	} else {
		facts.Go = fmt.Sprintf("%s, %s", release, path)
		if facts.Tools, err = tools.Inspect(ctx); err != nil {
			return Facts{}, err
		}
		facts.BuildFault = tools.CheckRoom(ctx, toolchain.Names(toolchain.Cluster, toolchain.Images, toolchain.Pulumi)...)
	}
	if !needs.Lab {
		return facts, nil
	}
	facts.Lab, err = gatherLab(ctx, tools, needs)
	return facts, err
}

func gatherLab(ctx context.Context, tools *toolchain.Chain, needs Needs) (*LabFacts, error) {
	lab := &LabFacts{Packages: needs.Packages, State: needs.State, MissingPackages: tools.MissingPackages(ctx, needs.Packages...)}
	_, err := os.Stat("/etc/debian_version")
	lab.Debian = err == nil
	if lab.Runs, err = machine.LabRuns(needs.State); err != nil {
		return nil, err
	}
	if lab.Memory, err = machine.ReadMemory(); err != nil {
		return nil, err
	}
	if lab.StateDisk, err = machine.DiskOf(needs.State); err != nil {
		return nil, err
	}
	lab.ControlGroups, lab.MissingControllers = machine.ControlGroups()
	systems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's file systems: %w", err)
	}
	lab.Overlay = strings.Contains(string(systems), "\toverlay\n")
	for _, port := range needs.Ports {
		found := PortFacts{Port: port}
		if found.By, found.Taken, err = machine.Listener(port.Network, port.Address); err != nil {
			return nil, err
		}
		lab.Ports = append(lab.Ports, found)
	}
	lab.Neighbours, err = machine.Neighbours()
	return lab, err
}
