package doctor

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/machine"
	"slipway.dev/slipway/internal/toolchain"
)

// healthy is a machine with nothing to complain about.
func healthy() Facts {
	return Facts{
		Root: true, Go: "go1.26.8, /usr/bin/go",
		Tools: []toolchain.Found{{Name: "kube", Group: toolchain.Cluster, Source: toolchain.Built, Path: "/cache/kube", Version: "v1.34.4"}},
		Lab: &LabFacts{
			Packages: []string{"runc"}, Debian: true, State: "/state/lab", Overlay: true, ControlGroups: 2,
			Memory: machine.Memory{Total: 16 * machine.GiB, Available: 12 * machine.GiB}, StateDisk: machine.Disk{Free: 50 * machine.GiB},
			Ports: []PortFacts{{Port: Port{"tcp", netip.MustParseAddrPort("127.0.0.1:8443")}}},
		},
	}
}

func TestExamine(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(f *Facts)
		// what is the finding that has to differ; its state, and what it says.
		what  string
		state State
		says  string
	}{
		{"no Go", func(f *Facts) { f.GoFault = errors.New("none") }, "Go", Problem, "scripts/bootstrap"},
		{"a tool to build", func(f *Facts) { f.Tools[0].Source = toolchain.Missing }, "tool kube", Missing, "make tools"},
		{"a test server to build", func(f *Facts) { f.Tools[0].Source, f.Tools[0].Group = toolchain.Missing, toolchain.Test }, "tool kube", Note, "make test"},
		{"a linter to build", func(f *Facts) { f.Tools[0].Source, f.Tools[0].Group = toolchain.Missing, toolchain.Lint }, "tool kube", Note, "make check"},
		{"a tool passed over", func(f *Facts) { f.Tools[0].Note = "/usr/bin/x is v1" }, "tool kube", OK, "passed over: /usr/bin/x is v1"},
		{"no room to build", func(f *Facts) { f.BuildFault = toolchain.ErrNoRoom }, "room to build", Problem, "too little room"},
		{"not root", func(f *Facts) { f.Root = false }, "user", Problem, "sudo"},
		{"packages to install", func(f *Facts) { f.Lab.MissingPackages = []string{"runc"} }, "packages", Missing, "make up installs them"},
		{"packages without root", func(f *Facts) { f.Root, f.Lab.MissingPackages = false, []string{"runc"} }, "packages", Problem, "sudo apt-get install --no-install-recommends runc"},
		{"packages elsewhere", func(f *Facts) { f.Lab.Debian, f.Lab.MissingPackages = false, []string{"runc"} }, "packages", Problem, "package manager"},
		{"little memory", func(f *Facts) { f.Lab.Memory.Available = machine.GiB }, "memory", Problem, "1.0 of 16.0 GiB"},
		{"little memory because the lab runs", func(f *Facts) { f.Lab.Runs, f.Lab.Memory.Available = true, machine.GiB }, "memory", OK, ""},
		{"little disk", func(f *Facts) { f.Lab.StateDisk.Free = machine.GiB }, "disk", Problem, "SLIPWAY_STATE"},
		{"disk that cannot be written", func(f *Facts) { f.Lab.StateDisk.ReadOnly = true }, "disk", Problem, "read-only"},
		{"no memory controller", func(f *Facts) { f.Lab.MissingControllers = []string{"memory"} }, "control groups", Problem, "cgroup_enable=memory"},
		{"no overlay yet", func(f *Facts) { f.Lab.Overlay = false }, "overlay files", Note, "modprobe overlay"},
		{"port of the lab", func(f *Facts) { f.Lab.Ports[0].Taken, f.Lab.Ports[0].By.Lab = true, "/state/lab" }, "port 8443/tcp", OK, "taken by the lab"},
		{"port of another lab", func(f *Facts) { f.Lab.Ports[0].Taken, f.Lab.Ports[0].By.Lab = true, "/other/lab" }, "port 8443/tcp", Problem, "SLIPWAY_STATE=/other slipway lab down"},
		{"port of a stranger", func(f *Facts) {
			f.Lab.Ports[0].Taken, f.Lab.Ports[0].By = true, machine.Process{PID: 7, Program: "/usr/sbin/nginx"}
		}, "port 8443/tcp", Problem, "/usr/sbin/nginx (process 7)"},
		{"port of nobody we can see", func(f *Facts) { f.Lab.Ports[0].Taken = true }, "port 8443/tcp", Note, "may not see"},
		{"a neighbour", func(f *Facts) { f.Lab.Neighbours = []machine.Process{{PID: 9, Program: "/usr/bin/dockerd"}} }, "neighbours", Note, "leaves them alone"},
		{"a neighbour, or the lab", func(f *Facts) {
			f.Root, f.Lab.Neighbours = false, []machine.Process{{PID: 9, Program: "/usr/bin/containerd"}}
		}, "neighbours", Note, "with sudo"},
	} {
		t.Run(c.name, func(t *testing.T) {
			facts := healthy()
			require.Zero(t, Problems(Examine(facts)))
			c.change(&facts)
			findings := Examine(facts)
			found := false
			for _, f := range findings {
				if f.What == c.what {
					found = true
					require.Equal(t, c.state, f.State)
					require.Contains(t, f.Found+" "+f.Fix, c.says)
				}
			}
			require.True(t, found, "%q is not among the findings", c.what)
			require.Equal(t, c.state == Problem || !facts.Root, Problems(findings) > 0)
		})
	}
}

func TestAStackWithAClusterOfItsOwnNeedsNoRoot(t *testing.T) {
	facts := healthy()
	facts.Root, facts.Lab = false, nil
	require.Zero(t, Problems(Examine(facts)))
}
