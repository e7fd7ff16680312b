package machine

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func files(content map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for path, text := range content {
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			root[path] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		root[path] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return root
}

const meminfo = "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\nSwapFree:        1048576 kB\n"

func TestMemoryIsBoundedByControlGroups(t *testing.T) {
	for _, c := range []struct {
		name             string
		files            map[string]string
		total, available uint64
	}{
		{"no groups", nil, 16 * GiB, 9 * GiB},
		{"version 2", map[string]string{
			"proc/self/cgroup":                   "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":       "max\n",
			"sys/fs/cgroup/a/b/memory.current":   "1\n",
			"sys/fs/cgroup/a/memory.max":         fmt.Sprint(4 * GiB),
			"sys/fs/cgroup/a/memory.current":     fmt.Sprint(3 * GiB),
			"sys/fs/cgroup/a/memory.stat":        fmt.Sprintf("anon 1\ninactive_file %d\n", 2*GiB),
			"sys/fs/cgroup/unrelated/memory.max": "1\n",
		}, 4 * GiB, 3 * GiB},
		{"version 1", map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": fmt.Sprint(2 * GiB),
			"sys/fs/cgroup/memory/x/memory.usage_in_bytes": fmt.Sprint(1 * GiB),
			// What no limit looks like.
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": fmt.Sprint(1 * GiB),
		}, 2 * GiB, 1 * GiB},
		{"in a container, where the path is the host's", map[string]string{
			"proc/self/cgroup":             "0::/machine/of/the/host\n",
			"sys/fs/cgroup/memory.max":     fmt.Sprint(2 * GiB),
			"sys/fs/cgroup/memory.current": fmt.Sprint(3 * GiB),
		}, 2 * GiB, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := files(c.files)
			root["proc/meminfo"] = &fstest.MapFile{Data: []byte(meminfo)}
			memory, err := readMemory(root)
			require.NoError(t, err)
			require.Equal(t, Memory{Total: c.total, Available: c.available}, memory)
		})
	}
	_, err := readMemory(files(map[string]string{"proc/meminfo": "nonsense"}))
	require.ErrorContains(t, err, "MemTotal")
}

// 127.0.0.1:8443, all addresses:8080, [::]:1053 over TCP; all:1053 over UDP;
// and a connection, which is no listener.
const (
	tcp4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:192B 0100007F:20FB 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
`
	tcp6 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:041D 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 444 1 0
`
	udp4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   0: 00000000:041D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 555 2 0 0
`
)

func TestListenersAreNamed(t *testing.T) {
	root := files(map[string]string{
		"proc/net/tcp": tcp4, "proc/net/tcp6": tcp6, "proc/net/udp": udp4,
		"proc/10/cmdline": "/opt/slipway\x00lab\x00doors\x00", "proc/10/exe": "-> /opt/slipway (deleted)",
		"proc/10/environ": "HOME=/\x00SLIPWAY_LAB=/state/lab\x00", "proc/10/fd/3": "-> socket:[111]", "proc/10/fd/4": "-> /dev/null",
		"proc/20/cmdline": "nginx: master\x00", "proc/20/fd/7": "-> socket:[444]",
		"proc/30/cmdline": "", // a thread of the kernel
		"proc/self":       "-> 10", "proc/uptime": "1",
	})
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		network string
		address netip.AddrPort
		taken   bool
		by      Process
	}{
		{"tcp", at("127.0.0.1:8443"), true, Process{PID: 10, Program: "/opt/slipway", Args: []string{"/opt/slipway", "lab", "doors"}, Lab: "/state/lab"}},
		{"tcp", at("10.89.0.1:8443"), false, Process{}},
		{"udp", at("127.0.0.1:8443"), false, Process{}},
		{"tcp", at("127.0.0.1:8080"), true, Process{}}, // whose, this user may not see
		{"tcp", at("127.0.0.1:1053"), true, Process{PID: 20, Program: "nginx: master", Args: []string{"nginx: master"}}},
		{"udp", at("127.0.0.1:1053"), true, Process{}},
		{"tcp", at("127.0.0.1:6443"), false, Process{}},
	} {
		t.Run(c.network+" "+c.address.String(), func(t *testing.T) {
			by, taken, err := listener(root, c.network, c.address)
			require.NoError(t, err)
			require.Equal(t, c.taken, taken)
			require.Equal(t, c.by, by)
		})
	}
}

func TestListenerOfAnEndingProcessIsAskedAgain(t *testing.T) {
	hidden := Process{}
	for _, c := range []struct {
		name  string
		looks []bool // taken, by nobody who can be seen
		then  Process
		taken bool
	}{
		{"free", nil, hidden, false},
		{"ends", []bool{true, true}, hidden, false},
		{"taken over", []bool{true}, Process{PID: 7}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			looked, paused := 0, 0
			p, taken, err := settled(func() (Process, bool, error) {
				looked++
				if looked <= len(c.looks) {
					return hidden, true, nil
				}
				return c.then, c.taken, nil
			}, func() { paused++ })
			require.NoError(t, err)
			require.Equal(t, c.taken, taken)
			require.Equal(t, c.then, p)
			require.Equal(t, len(c.looks), paused)
		})
	}
	looked := 0
	_, taken, err := settled(func() (Process, bool, error) { looked++; return hidden, true, nil }, func() {})
	require.NoError(t, err)
	require.True(t, taken, "one that stays hidden is reported")
	require.Equal(t, 61, looked)
}

func TestOwnListenerIsFound(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	by, taken, err := Listener("tcp", netip.MustParseAddrPort(l.Addr().String()))
	require.NoError(t, err)
	require.True(t, taken)
	require.Equal(t, os.Getpid(), by.PID)
}

func TestNeighboursAreThoseOfNoLab(t *testing.T) {
	root := files(map[string]string{
		"proc/1/cmdline": "/usr/bin/containerd\x00", "proc/1/exe": "-> /usr/bin/containerd",
		"proc/2/cmdline": "/usr/bin/containerd\x00--root\x00/state\x00", "proc/2/exe": "-> /usr/bin/containerd", "proc/2/environ": "SLIPWAY_LAB=/state/lab\x00",
		"proc/3/cmdline": "/x/kubelet\x00", "proc/3/exe": "-> /x/kube",
		"proc/4/cmdline": "vim\x00kubelet.go\x00", "proc/4/exe": "-> /usr/bin/vim",
	})
	found, err := neighboursIn(root)
	require.NoError(t, err)
	var pids []int
	for _, p := range found {
		pids = append(pids, p.PID)
	}
	require.ElementsMatch(t, []int{1, 3}, pids)
}

func TestControlGroupsOfBothVersions(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   map[string]string
		version int
		missing []string
	}{
		{"version 2", map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n"}, 2, []string{}},
		{"version 2 without memory", map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpuset cpu pids\n"}, 2, []string{"memory"}},
		{"version 1", map[string]string{
			"sys/fs/cgroup/cpu/x": "", "sys/fs/cgroup/cpuset/x": "", "sys/fs/cgroup/memory/x": "", "sys/fs/cgroup/pids/x": "",
		}, 1, []string{}},
		{"none", nil, 0, Controllers},
	} {
		t.Run(c.name, func(t *testing.T) {
			version, missing := controlGroups(files(c.files))
			require.Equal(t, c.version, version)
			require.Equal(t, c.missing, missing)
		})
	}
}

func TestDiskOfADirectoryThatIsNotThereYet(t *testing.T) {
	dir := t.TempDir()
	here, err := DiskOf(dir)
	require.NoError(t, err)
	below, err := DiskOf(dir + "/not/there/yet")
	require.NoError(t, err)
	require.Equal(t, here.ID, below.ID)
	require.NotZero(t, here.Free)
}
