//go:build lab

package lab

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func stepWorkload(t *testing.T, s site) {
	for i := 1; i <= 3; i++ {
		node := fmt.Sprintf("node-%d", i)
		got, err := s.fetch(t, s.podAddress(t, node), "8080")
		if err != nil || got != node {
			t.Errorf("the pod on %s answers %q, %v", node, got, err)
		}
		if got := get(t, fmt.Sprintf("http://10.89.0.1%d:8080/", i)); got != node {
			t.Errorf("the host port of %s answers %q", node, got)
		}
	}
	served, opened := map[string]bool{}, map[string]bool{}
	for range 30 {
		got, err := s.fetch(t, "10.96.77.7", "80")
		if err != nil {
			t.Fatal(err)
		}
		served[got] = true
		opened[get(t, "http://127.0.0.1:8080/")] = true
	}
	if len(served) != 3 || len(opened) != 3 {
		t.Errorf("the service led to %v and the door to %v, want three nodes each", served, opened)
	}
	if got := s.inside(t, "nslookup web.probe.svc.cluster.local"); !strings.Contains(got, "10.96.77.7") {
		t.Errorf("the name of the service resolves to %s", got)
	}
	if got, err := s.tryKubectl(t.Context(), "", "-n", "probe", "exec", "writer-0", "--", "nslookup", "example.com"); err == nil || !strings.Contains(got, "NXDOMAIN") {
		t.Errorf("a name outside resolves: %s", got)
	}
	if got := s.kubectl(t, "-n", "probe", "logs", "writer-0"); got != "started" {
		t.Errorf("logs say %q", got)
	}
	// The volume has the size that was claimed, and filling it harms nobody.
	got, err := s.tryKubectl(t.Context(), "", "-n", "probe", "exec", "writer-0", "--", "sh", "-c", "dd if=/dev/zero of=/data/fill bs=1M count=100 2>&1; rm /data/fill")
	if err != nil || !strings.Contains(got, "No space left on device") {
		t.Errorf("100 MiB into a volume of 64: %s, %v", got, err)
	}
	eventually(t, time.Minute, "the metrics API serves pods", func() error {
		_, err := s.tryKubectl(t.Context(), "", "top", "pods", "-n", "probe")
		return err
	})
	s.imagesOnce(t)
}

// imagesOnce compares what one node's images take with what all take.
func (s site) imagesOnce(t *testing.T) {
	t.Helper()
	nodes := filepath.Join(s.state, "lab", "nodes")
	one, all := allocated(t, filepath.Join(nodes, "node-1", "containerd")), allocated(t, nodes)
	t.Logf("images and pods of one node: %d MiB, of three: %d MiB", one>>20, all>>20)
	if all > one*3/2 {
		t.Errorf("three nodes take %d MiB, one takes %d: images are stored more than once", all>>20, one>>20)
	}
}

// allocated sums the size of files, each once however many links it has.
func allocated(t *testing.T, dir string) int64 {
	t.Helper()
	out := command(t, "du", "--summarize", "--block-size=1", "--one-file-system", dir)
	var size int64
	if _, err := fmt.Sscan(out, &size); err != nil {
		t.Fatal(err)
	}
	return size
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// stepPolicy denies everything, sees it denied, allows one way, sees that one
// open. The kubelet's probes must pass all the time.
func stepPolicy(t *testing.T, s site) {
	target := s.podAddress(t, "node-1")
	if _, err := s.fetch(t, target, "8080"); err != nil {
		t.Fatalf("without a policy: %v", err)
	}
	s.apply(t, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: probe}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}
`)
	eventually(t, time.Minute, "the policy denies", func() error {
		if got, err := s.fetch(t, target, "8080"); err == nil {
			return fmt.Errorf("the pod still answers %q", got)
		}
		return nil
	})
	s.apply(t, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: probe}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: writer}}}], ports: [{port: 8080}]}]
`)
	// By the service, from another node: the policy must see the pod, not an
	// address some translation put there.
	eventually(t, time.Minute, "the policy allows the writer", func() error {
		_, err := s.fetch(t, "10.96.77.7", "80")
		return err
	})
	if out, err := exec.Command("curl", "-s", "-m", "2", fmt.Sprintf("http://%s:8080/", target)).Output(); err == nil {
		t.Errorf("the machine, which is not allowed, gets %q", out)
	}
	time.Sleep(4 * time.Second) // several probe periods
	if got := s.kubectl(t, "-n", "probe", "get", "daemonset", "web", "-o", "jsonpath={.status.numberReady}"); got != "3" {
		t.Errorf("%s of 3 pods are ready behind the policy: probes do not pass", got)
	}
	s.kubectl(t, "-n", "probe", "delete", "networkpolicy", "deny", "allow")
	eventually(t, time.Minute, "the policies are gone", func() error {
		if out, err := exec.Command("curl", "-s", "-f", "-m", "2", fmt.Sprintf("http://%s:8080/", target)).Output(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

func stepSecurity(t *testing.T, s site) {
	t.Run("secrets are encrypted in etcd", func(t *testing.T) {
		s.kubectl(t, "-n", "probe", "create", "secret", "generic", "hidden", "--from-literal=key=needle-of-the-secret")
		s.kubectl(t, "-n", "probe", "create", "configmap", "open", "--from-literal=key=needle-of-the-map")
		if found := s.inEtcd(t, "needle-of-the-map"); !found {
			t.Error("not even the plain object is found: the search proves nothing")
		}
		if found := s.inEtcd(t, "needle-of-the-secret"); found {
			t.Error("the secret lies in etcd in clear")
		}
	})
	t.Run("who asks is known", func(t *testing.T) {
		for _, test := range []struct {
			identity, path string
			want           int
		}{
			{"", "/api", 401},
			{"lab", "/api/v1/secrets", 200},
			{"node-1/kubelet", "/api/v1/nodes/node-1", 200},
			{"node-1/kubelet", "/api/v1/secrets", 403},
			{"node-1/kubelet", "/api/v1/namespaces/probe/secrets/hidden", 403},
			{"node-1/kube-router", "/api/v1/pods", 200},
			{"node-1/kube-router", "/api/v1/secrets", 403},
		} {
			if got := s.ask(t, test.identity, test.path); got != test.want {
				t.Errorf("%q asks for %s: %d, want %d", test.identity, test.path, got, test.want)
			}
		}
	})
	t.Run("only this machine and its nodes reach the API server", func(t *testing.T) {
		// A namespace cabled to the machine but not to the bridge stands for
		// another machine that routes to the address.
		range24 := unusedRange(t)
		command(t, "ip", "netns", "add", "stranger")
		defer func() { command(t, "ip", "netns", "delete", "stranger") }()
		command(t, "ip", "link", "add", "stranger0", "type", "veth", "peer", "name", "eth0", "netns", "stranger")
		command(t, "ip", "address", "add", range24+".1/24", "dev", "stranger0")
		command(t, "ip", "link", "set", "stranger0", "up")
		command(t, "ip", "-n", "stranger", "address", "add", range24+".2/24", "dev", "eth0")
		command(t, "ip", "-n", "stranger", "link", "set", "eth0", "up")
		command(t, "ip", "-n", "stranger", "route", "add", "10.89.0.0/24", "via", range24+".1")
		reach := func(namespace, address string) error {
			return exec.Command("ip", "netns", "exec", namespace, "curl", "-sk", "-m", "5", address).Run()
		}
		greeter := httptest.NewUnstartedServer(http.NotFoundHandler())
		listener, err := net.Listen("tcp", range24+".1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = greeter.Listener.Close()
		greeter.Listener = listener
		greeter.Start()
		defer greeter.Close()
		eventually(t, 30*time.Second, "the stranger reaches the machine", func() error {
			return reach("stranger", greeter.URL)
		})
		if reach("stranger", "https://10.89.0.1:6443/readyz") == nil {
			t.Error("a stranger reaches the API server")
		}
		eventually(t, 30*time.Second, "a node reaches it", func() error {
			return reach("slipway-node-1", "https://10.89.0.1:6443/readyz")
		})
	})
	t.Run("keys are readable for root only", func(t *testing.T) {
		err := filepath.WalkDir(filepath.Join(s.state, "lab"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == "nodes" || entry.Name() == "volumes" || entry.Name() == "etcd") {
				return fs.SkipDir
			}
			secret := strings.HasSuffix(path, ".key") || strings.Contains(path, "/keys/") || strings.HasSuffix(path, "kubeconfig")
			if info, err := entry.Info(); err == nil && secret && !entry.IsDir() && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %o", path, info.Mode().Perm())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	s.badInput(t)
}

// unusedRange returns the first three bytes of a range reserved for
// documentation that this machine does not use itself.
func unusedRange(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, candidate := range []string{"198.51.100", "203.0.113", "192.0.2"} {
		if !slices.ContainsFunc(addresses, func(a net.Addr) bool { return strings.HasPrefix(a.String(), candidate+".") }) {
			return candidate
		}
	}
	t.Fatal("this machine uses every range reserved for documentation")
	return ""
}

// badInput must be answered with what is wrong and change nothing.
func (s site) badInput(t *testing.T) {
	t.Helper()
	before := s.pids(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"lab", "up", "--nodes", "9"}, "1 to 5"},
		{[]string{"lab", "up", "--nodes", "-1"}, "1 to 5"},
		{[]string{"lab", "node", "stop", "node-9"}, "node-9"},
		{[]string{"lab", "node", "cut", "node-4"}, "3 nodes"},
		{[]string{"lab", "logs", "nothing"}, "apiserver"},
		{[]string{"lab", "status", "-o", "yaml"}, "json"},
	} {
		if out := s.refused(t, test.args...); !strings.Contains(out, test.want) {
			t.Errorf("%v: the answer does not mention %q:\n%s", test.args, test.want, out)
		}
	}
	if names := changed(before, s.pids(t)); len(names) > 0 {
		t.Errorf("bad input restarted %v", names)
	}
}

// inEtcd looks for a text in all files of the database.
func (s site) inEtcd(t *testing.T, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(s.state, "lab", "etcd"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ask calls the API server with a certificate of the lab and returns the code.
func (s site) ask(t *testing.T, identity, path string) int {
	t.Helper()
	pki := filepath.Join(s.state, "lab", "pki")
	authority, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if identity != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(pki, identity+".crt"), filepath.Join(pki, identity+".key"))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Get("https://10.89.0.1:6443" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}
