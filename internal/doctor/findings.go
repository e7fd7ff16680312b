package doctor

import (
	"fmt"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/machine"
	"slipway.dev/slipway/internal/toolchain"
)

// State is how grave a finding is.
type State string

const (
	// OK needs nothing.
	OK State = "ok"
	// Note is worth knowing.
	Note State = "note"
	// Missing is brought by `make tools` or `make up`.
	Missing State = "missing"
	// Problem has to be solved by a person.
	Problem State = "PROBLEM"
)

// Finding is one line of the examination.
type Finding struct {
	What  string
	State State
	Found string
	// Fix is what to do; empty when there is nothing.
	Fix string
}

// What a machine needs for the lab with the platform on it.
const (
	stateMiB  = 8 << 10
	memoryMiB = 5 << 10
)

// Problems counts what a person has to solve.
func Problems(findings []Finding) int {
	count := 0
	for _, f := range findings {
		if f.State == Problem {
			count++
		}
	}
	return count
}

// Examine judges the facts.
func Examine(facts Facts) []Finding {
	findings := []Finding{examineGo(facts)}
	for _, tool := range facts.Tools {
		findings = append(findings, examineTool(tool))
	}
	if facts.BuildFault != nil {
		findings = append(findings, Finding{"room to build", Problem, facts.BuildFault.Error(), "free some, then run this again"})
	}
	if facts.Lab == nil {
		return append(findings, Finding{"lab", Note, "not needed: the stack has a cluster of its own", ""})
	}
	findings = append(findings, examineRoot(facts.Root), examinePackages(facts.Root, facts.Lab))
	findings = append(findings, examineMachine(facts.Lab)...)
	findings = append(findings, examinePorts(facts.Lab.State, facts.Lab.Ports)...)
	return append(findings, examineNeighbours(facts.Root, facts.Lab.Neighbours))
}

func examineGo(facts Facts) Finding {
	if facts.GoFault != nil {
		return Finding{"Go", Problem, facts.GoFault.Error(), "run scripts/bootstrap"}
	}
	return Finding{"Go", OK, facts.Go, ""}
}

func examineTool(tool toolchain.Found) Finding {
	f := Finding{What: "tool " + tool.Name, State: OK, Found: strings.Join(strings.Fields(string(tool.Source)+" "+tool.Version+" "+tool.Path), " ")}
	switch {
	case tool.Source != toolchain.Missing:
	case tool.Group == toolchain.Lint:
		f.State, f.Found, f.Fix = Note, "not built", "make check builds it"
	case tool.Group == toolchain.Test:
		f.State, f.Found, f.Fix = Note, "not built", "make test builds it"
	default:
		f.State, f.Found, f.Fix = Missing, "not built", "make tools"
	}
	if tool.Note != "" {
		f.Found += "; passed over: " + tool.Note
	}
	return f
}

func examineRoot(root bool) Finding {
	if root {
		return Finding{"user", OK, "root", ""}
	}
	return Finding{"user", Problem, "not root; the lab needs it for network namespaces and mounts",
		"run make with sudo, or set slipway:cluster in Pulumi.local.yaml to a kubeconfig of yours"}
}

func examinePackages(root bool, lab *LabFacts) Finding {
	const what = "packages"
	if len(lab.MissingPackages) == 0 {
		return Finding{what, OK, fmt.Sprintf("all %d are there", len(lab.Packages)), ""}
	}
	missing := "not there: " + strings.Join(lab.MissingPackages, " ")
	switch {
	case !lab.Debian:
		return Finding{what, Problem, missing, "install what they hold with this machine's package manager"}
	case !root:
		return Finding{what, Problem, missing, "sudo apt-get install --no-install-recommends " + strings.Join(lab.MissingPackages, " ")}
	}
	return Finding{what, Missing, missing, "make up installs them and leaves their services off"}
}

func examineMachine(lab *LabFacts) []Finding {
	memory := Finding{What: "memory", State: OK, Found: fmt.Sprintf("%.1f of %.1f GiB available", gib(lab.Memory.Available), gib(lab.Memory.Total))}
	if !lab.Runs && lab.Memory.Available>>20 < memoryMiB {
		memory.State, memory.Fix = Problem, fmt.Sprintf("the lab with the platform needs %d GiB: close other programs or add memory", memoryMiB>>10)
	}
	disk := Finding{What: "disk", State: OK, Found: fmt.Sprintf("%.1f GiB free for %s", gib(lab.StateDisk.Free), lab.State)}
	switch {
	case lab.StateDisk.ReadOnly:
		disk.State, disk.Found, disk.Fix = Problem, lab.State+" is on a read-only file system", "set SLIPWAY_STATE to a directory that can be written"
	case !lab.Runs && lab.StateDisk.Free>>20 < stateMiB:
		disk.State, disk.Fix = Problem, fmt.Sprintf("the lab needs %d GiB: free some, or set SLIPWAY_STATE to another disk", stateMiB>>10)
	}
	groups := Finding{What: "control groups", State: OK, Found: fmt.Sprintf("version %d", lab.ControlGroups)}
	if len(lab.MissingControllers) > 0 {
		groups.State, groups.Found = Problem, "without the controllers "+strings.Join(lab.MissingControllers, ", ")
		groups.Fix = "switch them on: on the kernel's command line (cgroup_enable=memory), or in the container this runs in"
	}
	overlay := Finding{What: "overlay files", State: OK, Found: "in the kernel"}
	if !lab.Overlay {
		// Loading the module on first use is what makes it appear.
		overlay.State, overlay.Found, overlay.Fix = Note, "not loaded", "make up loads it; if that fails: modprobe overlay"
	}
	running := Finding{What: "lab", State: Note, Found: "not running", Fix: "make up"}
	if lab.Runs {
		running.State, running.Found, running.Fix = OK, "running, state in "+lab.State, ""
	}
	return []Finding{running, memory, disk, groups, overlay}
}

func gib(bytes uint64) float64 { return float64(bytes) / machine.GiB }

func examinePorts(state string, ports []PortFacts) []Finding {
	var findings []Finding
	for _, port := range ports {
		f := Finding{What: fmt.Sprintf("port %d/%s", port.Address.Port(), port.Network), State: OK, Found: "free"}
		switch {
		case !port.Taken:
		case port.By.Lab == state && state != "":
			f.Found = "taken by the lab"
		case port.By.Lab != "":
			f.State, f.Found = Problem, "taken by the lab of "+port.By.Lab
			f.Fix = "SLIPWAY_STATE=" + strings.TrimSuffix(port.By.Lab, "/lab") + " slipway lab down"
		case port.By.PID == 0:
			// Perhaps the lab; only root can know.
			f.State, f.Found, f.Fix = Note, "taken by "+port.By.String(), "run this with sudo to see by whom"
		default:
			f.State, f.Found, f.Fix = Problem, "taken by "+port.By.String(), "stop it, or have it listen elsewhere"
		}
		findings = append(findings, f)
	}
	return findings
}

func examineNeighbours(root bool, neighbours []machine.Process) Finding {
	const what = "neighbours"
	if len(neighbours) == 0 {
		return Finding{what, OK, "no other container runtime or cluster runs here", ""}
	}
	var names []string
	for _, p := range neighbours {
		names = append(names, p.String())
	}
	slices.Sort(names)
	if !root {
		// Whose a process is stands in its environment, which only its owner
		// and root may read.
		return Finding{what, Note, strings.Join(names, ", "), "run this with sudo to see which are not the lab's"}
	}
	return Finding{what, Note, strings.Join(names, ", ") + "; Slipway leaves them alone", ""}
}
