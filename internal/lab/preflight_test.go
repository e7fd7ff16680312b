package lab

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"slipway.dev/slipway/internal/machine"
)

// roomy is a machine on which nothing stands in the way.
func roomy() surroundings {
	return surroundings{
		root:       true,
		components: func() ([]running, error) { return nil, nil },
		grouped:    func() (bool, error) { return false, nil },
		neighbours: func() ([]machine.Process, error) { return nil, nil },
		listener:   func(string, netip.AddrPort) (machine.Process, bool, error) { return machine.Process{}, false, nil },
		links:      func() ([]netlink.Link, error) { return nil, nil },
		routes:     func() ([]netlink.Route, error) { return nil, nil },
		memory:     func() (machine.Memory, error) { return machine.Memory{Total: minMemory, Available: minMemory}, nil },
		disk:       func(string) (machine.Disk, error) { return machine.Disk{Free: minDisk}, nil },

		controllers: func() (int, []string) { return 2, nil },
		kernel:      func() error { return nil },
	}
}

func bridge(index int, name, alias string) netlink.Link {
	return &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Index: index, Name: name, Alias: alias}}
}

func cable(name string, master int) netlink.Link {
	return &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Index: 90, Name: name, MasterIndex: master}}
}

func links(all ...netlink.Link) func() ([]netlink.Link, error) {
	return func() ([]netlink.Link, error) { return all, nil }
}

func route(t *testing.T, to string, link int) netlink.Route {
	t.Helper()
	_, network, err := net.ParseCIDR(to)
	require.NoError(t, err)
	return netlink.Route{Dst: network, LinkIndex: link}
}

// taken has one process listen where the ports are.
func taken(by machine.Process, ports ...uint16) func(string, netip.AddrPort) (machine.Process, bool, error) {
	return func(_ string, at netip.AddrPort) (machine.Process, bool, error) {
		for _, port := range ports {
			if at.Port() == port {
				return by, true, nil
			}
		}
		return machine.Process{}, false, nil
	}
}

func TestCheckNamesEveryFaultAndItsFix(t *testing.T) {
	for _, test := range []struct {
		name   string
		opts   Options
		hinder func(t *testing.T, on *surroundings, l *Lab)
		want   []string // one fault each; none is a machine that will do
	}{
		{"nothing in the way", Options{Nodes: 3}, func(*testing.T, *surroundings, *Lab) {}, nil},
		{"ports taken", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.listener = taken(machine.Process{PID: 7, Program: "/usr/sbin/nginx"}, 8443, 8080, 1053)
		}, []string{
			"tcp port 127.0.0.1:8443, which the lab's doors needs, is taken by /usr/sbin/nginx (process 7): stop that",
			"tcp port 127.0.0.1:8080", "udp port 127.0.0.1:1053", "tcp port 127.0.0.1:1053",
		}},
		{"ports of our own lab", Options{}, func(_ *testing.T, on *surroundings, l *Lab) {
			on.listener = taken(machine.Process{PID: 7, Lab: l.state}, 8443, 8080, 1053)
		}, nil},
		{"ports of another lab", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.listener = taken(machine.Process{PID: 7, Program: "slipway", Lab: "/other/lab"}, 8443)
		}, []string{"port 127.0.0.1:8443"}},
		{"another lab runs", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.components = func() ([]running, error) {
				return []running{{pid: 1, lab: "/other/lab"}, {pid: 2, lab: "/other/lab"}}, nil
			}
		}, []string{"SLIPWAY_STATE=/other slipway lab down"}},
		{"our lab runs and has what it needs", Options{}, func(_ *testing.T, on *surroundings, l *Lab) {
			on.components = func() ([]running, error) { return []running{{pid: 1, lab: l.state}}, nil }
			on.links = links(bridge(5, BridgeName, l.alias()), cable("slipway-n1", 5))
			on.memory = func() (machine.Memory, error) { return machine.Memory{}, nil }
			on.disk = func(string) (machine.Disk, error) { return machine.Disk{}, nil }
		}, nil},
		{"a bridge that its maker did not live to name", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(bridge(5, BridgeName, ""))
		}, nil},
		{"the bridge's name taken", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: BridgeName}})
		}, []string{"a dummy called slipway0 exists"}},
		{"the bridge in use by others", Options{}, func(_ *testing.T, on *surroundings, l *Lab) {
			on.links = links(bridge(5, BridgeName, l.alias()), cable("vmnet1", 5))
		}, []string{"a bridge called slipway0 exists"}},
		{"the bridge of another lab, as far as a user sees", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.root = false
			on.links = links(bridge(5, BridgeName, "slipway lab /other/lab"))
		}, []string{"SLIPWAY_STATE=/other slipway lab down", "root"}},
		{"the bridge of another lab that was killed", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(bridge(5, BridgeName, "slipway lab /other/lab"), cable("slipway-n1", 5))
		}, nil},
		{"the same, and pods of it live", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(bridge(5, BridgeName, "slipway lab /other/lab"))
			on.grouped = func() (bool, error) { return true, nil }
		}, []string{"SLIPWAY_STATE=/other slipway lab down"}},
		{"the same, with a component of a third lab", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(bridge(5, BridgeName, "slipway lab /other/lab"))
			on.components = func() ([]running, error) { return []running{{pid: 1, lab: "/third/lab"}}, nil }
		}, []string{"SLIPWAY_STATE=/third slipway lab down", "SLIPWAY_STATE=/other slipway lab down"}},
		{"the same, and something answers where it would", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(bridge(5, BridgeName, "slipway lab /other/lab"))
			on.listener = taken(machine.Process{}, 8443)
		}, []string{"SLIPWAY_STATE=/other slipway lab down", "port 127.0.0.1:8443"}},
		{"the same, and somebody else plugged in", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.links = links(bridge(5, BridgeName, "slipway lab /other/lab"), cable("vmnet1", 5))
		}, []string{"SLIPWAY_STATE=/other slipway lab down"}},
		{"addresses taken by a foreign cluster", Options{}, func(t *testing.T, on *surroundings, _ *Lab) {
			t.Helper()
			on.links = links(bridge(8, "cni0", ""), bridge(9, "podman1", ""))
			on.routes = func() ([]netlink.Route, error) {
				return []netlink.Route{route(t, "10.244.0.0/24", 8), route(t, "10.89.0.0/24", 9), route(t, "10.0.0.0/8", 9), {LinkIndex: 9}}, nil
			}
		}, []string{"the machine routes 10.244.0.0/24 to cni0", "the machine routes 10.89.0.0/24 to podman1"}},
		{"addresses of our own bridge", Options{}, func(t *testing.T, on *surroundings, l *Lab) {
			t.Helper()
			on.links = links(bridge(5, BridgeName, l.alias()))
			on.routes = func() ([]netlink.Route, error) { return []netlink.Route{route(t, "10.89.0.0/24", 5)}, nil }
		}, nil},
		{"too little room", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.memory = func() (machine.Memory, error) { return machine.Memory{Available: minMemory - 1}, nil }
			on.disk = func(string) (machine.Disk, error) { return machine.Disk{Free: minDisk - 1}, nil }
		}, []string{"MiB of memory are available, the lab needs 3072: stop other programs", "MiB are free on the disk of"}},
		{"a read-only disk", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.disk = func(string) (machine.Disk, error) { return machine.Disk{Free: minDisk, ReadOnly: true}, nil }
		}, []string{"read-only: set SLIPWAY_STATE"}},
		{"no limits for containers", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.controllers = func() (int, []string) { return 2, []string{"memory"} }
		}, []string{"control groups have no memory"}},
		{"a kernel without overlay", Options{}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.kernel = func() error { return errors.New("no overlay") }
		}, []string{"no overlay"}},
		{"too many nodes", Options{Nodes: MaxNodes + 1}, func(*testing.T, *surroundings, *Lab) {}, []string{"nodes"}},
		{"not root, beside our lab", Options{}, func(_ *testing.T, on *surroundings, l *Lab) {
			on.root = false
			on.links = links(bridge(5, BridgeName, l.alias()))
			on.listener = taken(machine.Process{}, 8443)
			on.memory = func() (machine.Memory, error) { return machine.Memory{}, nil }
			on.kernel = func() error { return errors.New("asked without being allowed to load") }
		}, []string{ErrNotRoot.Error()}},
		{"all of it", Options{Nodes: -1}, func(_ *testing.T, on *surroundings, _ *Lab) {
			on.root = false
			on.listener = taken(machine.Process{PID: 7, Program: "nginx"}, 8443)
			on.links = links(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: BridgeName}})
			on.memory = func() (machine.Memory, error) { return machine.Memory{}, nil }
		}, []string{"nodes", "slipway0", "8443", "memory", ErrNotRoot.Error()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, on := testLab(t), roomy()
			test.hinder(t, &on, l)
			faults, err := l.faults(test.opts, on, &strings.Builder{})
			require.NoError(t, err)
			got := errors.Join(faults...)
			if test.want == nil {
				require.NoError(t, got)
				return
			}
			require.Error(t, got)
			require.Len(t, strings.Split(got.Error(), "\n"), len(test.want), got)
			for _, want := range test.want {
				require.ErrorContains(t, got, want)
			}
			require.ErrorContains(t, refusal(faults), "nothing was changed")
		})
	}
}

func TestCheckLeavesNeighboursAlone(t *testing.T) {
	on := roomy()
	on.neighbours = func() ([]machine.Process, error) {
		return []machine.Process{{PID: 7, Program: "/usr/bin/dockerd"}, {PID: 8, Program: "/usr/local/bin/k3s"}}, nil
	}
	var said strings.Builder
	faults, err := testLab(t).faults(Options{}, on, &said)
	require.NoError(t, err)
	require.NoError(t, errors.Join(faults...))
	require.Equal(t, "/usr/bin/dockerd (process 7) runs here and is not the lab's; it is left alone\n"+
		"/usr/local/bin/k3s (process 8) runs here and is not the lab's; it is left alone\n", said.String())
}

// What cannot be looked at is an error, not a machine without faults.
func TestCheckFailsWhenItCannotLook(t *testing.T) {
	for name, blind := range map[string]func(on *surroundings, failure error){
		"components": func(on *surroundings, failure error) {
			on.components = func() ([]running, error) { return nil, failure }
		},
		"links": func(on *surroundings, failure error) {
			on.links = func() ([]netlink.Link, error) { return nil, failure }
		},
		"routes": func(on *surroundings, failure error) {
			on.routes = func() ([]netlink.Route, error) { return nil, failure }
		},
		"ports": func(on *surroundings, failure error) {
			on.listener = func(string, netip.AddrPort) (machine.Process, bool, error) {
				return machine.Process{}, false, failure
			}
		},
		"memory": func(on *surroundings, failure error) {
			on.memory = func() (machine.Memory, error) { return machine.Memory{}, failure }
		},
		"disk": func(on *surroundings, failure error) {
			on.disk = func(string) (machine.Disk, error) { return machine.Disk{}, failure }
		},
		"neighbours": func(on *surroundings, failure error) {
			on.neighbours = func() ([]machine.Process, error) { return nil, failure }
		},
	} {
		t.Run(name, func(t *testing.T) {
			failure := errors.New("the kernel says no")
			on := roomy()
			blind(&on, failure)
			faults, err := testLab(t).faults(Options{}, on, &strings.Builder{})
			require.ErrorIs(t, errors.Join(append(faults, err)...), failure)
		})
	}
}
