package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The command lines and configurations are what the lab is; each change of
// them is seen in review.
func TestComponentsGolden(t *testing.T) {
	l := goldenLab()
	var out strings.Builder
	show := func(p process, err error) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "## %s\n%s\n\n", p.Name, strings.Join(p.command(), "\n  "))
	}
	show(l.etcdProcess(), nil)
	show(l.apiServer(true))
	show(l.controllerManager())
	show(l.scheduler())
	nodes, _ := Placements(3)
	show(l.doorsProcess(nodes))
	node := nodes[1]
	show(l.containerd(node), nil)
	show(l.kubelet(node))
	show(l.kubeProxy(node))
	show(l.kubeRouter(node))
	// Where a distribution keeps its programs is not the lab's choice.
	text := regexp.MustCompile(`(/usr)?/s?bin/(etcd|containerd)\n`).ReplaceAllString(out.String(), "$2\n")
	golden(t, "components.golden", text)
}

func TestNodeConfigurationGolden(t *testing.T) {
	l := goldenLab()
	node := place(2)
	network, err := podNetwork(node)
	if err != nil {
		t.Fatal(err)
	}
	kubelet, err := l.kubeletConfig(node, 16000)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := l.proxyConfig(node)
	if err != nil {
		t.Fatal(err)
	}
	runtime := strings.Replace(string(containerdConfig("/etc/cni", "/usr/lib/cni")),
		"restrict_oom_score_adj = true", "restrict_oom_score_adj = false", 1)
	golden(t, "node.golden", fmt.Sprintf("%s\n---\n%s\n---\n%s---\n%s", runtime, network, kubelet, proxy))
}

func TestAuditIsOffUnlessAsked(t *testing.T) {
	l := goldenLab()
	for _, audit := range []bool{false, true} {
		p, err := l.apiServer(audit)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(p.Args, " "), "--audit-log-path"); got != audit {
			t.Errorf("asked for an audit log: %v, written: %v", audit, got)
		}
	}
}

// Every file a component is told to read must be among those whose change
// restarts it, or a renewed certificate would not be used.
func TestComponentsRestartForTheirCertificates(t *testing.T) {
	l := goldenLab()
	api, err := l.apiServer(true)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := l.controllerManager()
	if err != nil {
		t.Fatal(err)
	}
	scheduler, err := l.scheduler()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []process{l.etcdProcess(), api, manager, scheduler} {
		listed := map[string]bool{}
		for _, file := range p.Files {
			listed[file] = true
		}
		for _, arg := range p.Args {
			_, path, ok := strings.Cut(arg, "=")
			if ok && strings.HasSuffix(path, ".crt") && !listed[path] {
				// The authority of clients of the control plane's own ports is
				// the cluster's and never changes.
				if path == l.pki("front-proxy-ca.crt") && p.Name != "apiserver" {
					continue
				}
				t.Errorf("%s reads %s, but does not restart for it", p.Name, path)
			}
		}
	}
}

func TestFingerprintFollowsConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	base := process{Name: "x", Path: "/bin/x", Args: []string{"a", "b"}, Files: []string{file}}
	print := func(p process) string {
		got, err := p.fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := print(base)
	if print(base) != first {
		t.Error("the same process has two fingerprints: it would be restarted each time")
	}
	joined := base
	joined.Args = []string{"a b"}
	namespaced := base
	namespaced.NetworkNS = "/run/netns/x"
	for name, p := range map[string]process{"arguments": joined, "namespace": namespaced} {
		if print(p) == first {
			t.Errorf("a change of %s goes unnoticed", name)
		}
	}
	write("two")
	if print(base) == first {
		t.Error("a change of its configuration file goes unnoticed")
	}
	base.Files = []string{file + ".missing"}
	if _, err := base.fingerprint(); err == nil {
		t.Error("a missing configuration file goes unnoticed")
	}
}

func TestStatIsParsedBehindAnyName(t *testing.T) {
	const rest = " S 1 77 78 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 9 0 4242 100 200 0"
	for _, name := range []string{"etcd", "a b", "x) S 9 9 9", "((("} {
		s, err := parseStat("77 (" + name + ")" + rest)
		if err != nil {
			t.Fatal(err)
		}
		want := stat{state: 'S', parent: 1, session: 78, threads: 9, started: 4242, cpu: 42}
		if s != want {
			t.Errorf("program %q: %+v, want %+v", name, s, want)
		}
	}
	for _, broken := range []string{"", "77 (etcd", "77 (etcd) S 1 2"} {
		if _, err := parseStat(broken); err == nil {
			t.Errorf("%q was accepted", broken)
		}
	}
}

func TestEndedOnceNoThreadRuns(t *testing.T) {
	for _, test := range []struct {
		state   byte
		threads int
		want    bool
	}{
		{'S', 1, false}, {'R', 9, false}, {'Z', 1, true}, {'X', 0, true},
		{'Z', 2, false}, // its first thread has ended, another one has not
	} {
		if got := (stat{state: test.state, threads: test.threads}).ended(); got != test.want {
			t.Errorf("state %c with %d threads: ended is %v", test.state, test.threads, got)
		}
	}
}

func TestMemoryIsSharedByNodes(t *testing.T) {
	for _, test := range []struct{ seen, usable, nodes, want int }{
		{24000, 24000, 3, 16000},
		{24000, 24000, 1, 0},
		{24000, 6000, 3, 22000}, // the lab runs in a container of 6 GB
		{8000, 9000, 1, 0},      // with swap
	} {
		if got := reservation(test.seen, test.usable, test.nodes); got != test.want {
			t.Errorf("%d MiB seen, %d usable, %d nodes: each reserves %d, want %d", test.seen, test.usable, test.nodes, got, test.want)
		}
	}
}

func TestFailureTimingHoldsTogether(t *testing.T) {
	kubelet, err := goldenLab().kubeletConfig(place(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	// client-go renews a lease at a quarter of its length.
	if !strings.Contains(string(kubelet), "nodeLeaseDurationSeconds: 20\n") || nodeGrace < 4*20*time.Second/4 {
		t.Errorf("a node is given up after %s although it renews its lease a quarter of 20 s:\n%s", nodeGrace, kubelet)
	}
}
