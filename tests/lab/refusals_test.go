//go:build lab

package lab

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestRefusals: what stands in the way is named, and the machine stays as it
// was.
func TestRefusals(t *testing.T) {
	s := here
	s.must(t, "lab", "down", "--purge")
	before := takePicture(t, s.state, s.run)
	for _, test := range []struct {
		name   string
		hinder func(t *testing.T) (clear func())
		want   []string
	}{
		{"ports taken", func(t *testing.T) func() {
			t.Helper()
			stream, err := net.Listen("tcp", "127.0.0.1:8443")
			if err != nil {
				t.Fatal(err)
			}
			datagrams, err := net.ListenPacket("udp", "0.0.0.0:1053")
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = stream.Close(); _ = datagrams.Close() }
		}, []string{"127.0.0.1:8443", "127.0.0.1:1053", "udp", "is taken by"}},
		{"bridge name taken", func(t *testing.T) func() {
			t.Helper()
			command(t, "ip", "link", "add", "slipway0", "type", "veth", "peer", "name", "elsewhere0")
			return func() { command(t, "ip", "link", "delete", "slipway0") }
		}, []string{"slipway0", "veth"}},
		{"addresses taken", func(t *testing.T) func() {
			t.Helper()
			command(t, "ip", "link", "add", "podman9", "type", "bridge")
			command(t, "ip", "address", "add", "10.89.0.1/24", "dev", "podman9")
			command(t, "ip", "link", "set", "podman9", "up")
			return func() { command(t, "ip", "link", "delete", "podman9") }
		}, []string{"10.89.0.0/24", "podman9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			clear := test.hinder(t)
			out := s.refused(t, "lab", "up", "--no-images")
			clear()
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("the answer does not mention %q:\n%s", want, out)
				}
			}
			if more := left(before, takePicture(t, s.state, s.run)); len(more) > 0 {
				t.Errorf("a refused up left behind:\n%s", strings.Join(more, "\n"))
			}
		})
	}
	t.Run("not root", func(t *testing.T) {
		if err := os.Chmod(strings.TrimSuffix(s.cli, "/slipway"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"lab", "down"}, {"lab", "up", "--no-images"}} {
			cmd := exec.Command(s.cli, args...)
			cmd.Dir = "/"
			cmd.Env = append(s.env, "SLIPWAY_TOOLS_BIN=/nonexistent", "HOME=/nonexistent")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "root") {
				t.Errorf("%v: %v\n%s", args, err, out)
			}
		}
	})
}
