//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/flow"
	"slipway.dev/slipway/tests/harness"
)

// stand is where connections are tried from and to: the network of a pod, or of
// a machine beside the nodes.
type stand struct {
	flow.End
	kind   string
	node   string
	inside harness.Inside
	// only are the ports that may be asked, where the test cannot listen.
	only []flow.Port
}

// attempt is one connection and what the policies say of it.
type attempt struct {
	from, to *stand
	port     flow.Port
	allowed  bool
}

// line tells a reader what differs.
func (a attempt) line() string {
	declared, fact := "forbidden", "passes"
	if a.allowed {
		declared, fact = "allowed", "does not pass"
	}
	return fmt.Sprintf("%-60s %-60s %-10s %-10s %s", a.from.Name, a.to.Name, a.port, declared, fact)
}

// report is the table of what differs.
func report(wrong []attempt) string {
	lines := []string{fmt.Sprintf("%-60s %-60s %-10s %-10s %s", "FROM", "TO", "PORT", "DECLARED", "IN FACT")}
	for _, a := range wrong {
		lines = append(lines, a.line())
	}
	return strings.Join(lines, "\n")
}

// stands opens a stand in one pod of every kind that runs, and in a second one
// on another node. Each kind's first is the one that attacks.
func stands(t *testing.T) (from, to []*stand) {
	t.Helper()
	pods, err := live.LivePods(within(t, time.Minute))
	require.NoError(t, err)
	byKind := map[string][]*stand{}
	for _, pod := range pods {
		kind := flow.Kind(pod.Namespace, pod.Labels, pod.Name)
		before := byKind[kind]
		if len(before) > 1 || len(before) == 1 && before[0].node == pod.Node {
			continue
		}
		inside, err := harness.InsidePod(pod.UID)
		require.NoError(t, err)
		t.Cleanup(func() { _ = inside.Close() })
		one := &stand{End: pod.End, kind: kind, node: pod.Node, inside: inside}
		byKind[kind] = append(before, one)
		if len(before) == 0 {
			from = append(from, one)
		}
		to = append(to, one)
	}
	return from, to
}

// machine is this machine, on which the API server answers. It lets in nothing
// else.
func machine(t *testing.T) *stand {
	t.Helper()
	inside, err := harness.InsideFile("/proc/self/ns/net")
	require.NoError(t, err)
	t.Cleanup(func() { _ = inside.Close() })
	at := netip.MustParseAddr("10.89.0.1")
	return &stand{End: flow.End{Name: "API server " + at.String(), Address: at}, kind: "machine", inside: inside,
		only: []flow.Port{{Number: 6443, Protocol: corev1.ProtocolTCP}}}
}

// neighbour is a machine in the network of the nodes that no policy knows.
func neighbour(t *testing.T) *stand {
	t.Helper()
	const name, link, address = "slipway-outside", "slp-outside", "10.89.0.250"
	command := func(args ...string) {
		out, err := exec.Command("ip", args...).CombinedOutput()
		require.NoError(t, err, "ip %s\n%s", strings.Join(args, " "), out)
	}
	t.Cleanup(func() {
		// The link goes with the namespace.
		out, err := exec.Command("ip", "netns", "delete", name).CombinedOutput()
		require.NoError(t, err, string(out))
	})
	command("netns", "add", name)
	command("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
	command("link", "set", link, "master", bridge(t), "up")
	command("-n", name, "address", "add", address+"/24", "dev", "eth0")
	command("-n", name, "link", "set", "eth0", "up")
	command("-n", name, "link", "set", "lo", "up")
	var nodes corev1.NodeList
	require.NoError(t, live.Get(within(t, time.Minute), &nodes, "nodes"))
	for _, node := range nodes.Items {
		for _, at := range node.Status.Addresses {
			if at.Type == corev1.NodeInternalIP {
				command("-n", name, "route", "add", node.Spec.PodCIDR, "via", at.Address)
			}
		}
	}
	inside, err := harness.InsideFile("/run/netns/" + name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = inside.Close() })
	return &stand{End: flow.End{Name: "neighbour " + address, Address: netip.MustParseAddr(address)}, kind: "neighbour", inside: inside}
}

// bridge is the device by which this machine is in the network of the nodes.
func bridge(t *testing.T) string {
	t.Helper()
	devices, err := net.Interfaces()
	require.NoError(t, err)
	for _, device := range devices {
		addresses, err := device.Addrs()
		require.NoError(t, err)
		for _, address := range addresses {
			if strings.HasPrefix(address.String(), "10.89.0.1/") {
				return device.Name
			}
		}
	}
	require.Fail(t, "no device of this machine has the lab's address 10.89.0.1")
	return ""
}

// listen answers at every port in a stand's network at which nobody does, so
// that a connection that is not made was stopped on the way.
func (s *stand) listen(t *testing.T, ports []flow.Port) {
	t.Helper()
	for _, port := range ports {
		address := netip.AddrPortFrom(s.Address, uint16(port.Number)).String()
		var closer io.Closer
		err := s.inside.Do(func() error {
			if port.Protocol == corev1.ProtocolUDP {
				socket, err := net.ListenPacket("udp", address)
				if err == nil {
					closer = socket
					go echo(socket)
				}
				return err
			}
			door, err := net.Listen("tcp", address)
			if err == nil {
				closer = door
				go welcome(door)
			}
			return err
		})
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // the pod's own server is the better one
		}
		require.NoError(t, err, "listening at %s in the network of %s", address, s.Name)
		t.Cleanup(func() { _ = closer.Close() })
	}
}

func welcome(door net.Listener) {
	for {
		conn, err := door.Accept()
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}

func echo(socket net.PacketConn) {
	buffer := make([]byte, 512)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = socket.WriteTo(buffer[:n], from)
	}
}

// query asks a name server for the root's name servers (RFC 1035); a server of
// the test's own sends it back.
var query = []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1}

// reaches tries a connection.
func (s *stand) reaches(to netip.Addr, port flow.Port, patience time.Duration) bool {
	network := strings.ToLower(string(port.Protocol))
	var conn net.Conn
	err := s.inside.Do(func() error {
		var err error
		dialer := net.Dialer{Timeout: patience, FallbackDelay: -1}
		conn, err = dialer.Dial(network, netip.AddrPortFrom(to, uint16(port.Number)).String())
		return err
	})
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if network == "tcp" {
		return true
	}
	if conn.SetDeadline(time.Now().Add(patience)) != nil {
		return false
	}
	if _, err := conn.Write(query); err != nil {
		return false
	}
	_, err = conn.Read(make([]byte, 512))
	return err == nil
}

// attempts are all connections from some stands to others.
func attempts(rules flow.Rules, from, to []*stand) []attempt {
	named := flow.PortsOf(rules)
	var all []attempt
	for _, a := range from {
		for _, b := range to {
			if a == b || a.Namespace == "" && b.Namespace == "" {
				continue
			}
			for _, port := range b.asked(named) {
				verdict := rules.Judge(a.End, b.End, port)
				if !verdict.Allowed && a.kind == b.kind && len(verdict.In) > 0 {
					continue // what the lab does not enforce, see docs/decisions/0007-network-policies.md
				}
				all = append(all, attempt{a, b, port, verdict.Allowed})
			}
		}
	}
	return all
}

func (s *stand) asked(named []flow.Port) []flow.Port {
	if s.only != nil {
		return s.only
	}
	return flow.Candidates(named, s.End)
}

// try makes every attempt and returns those that went otherwise than the
// policies say.
func try(all []attempt, patience time.Duration) []attempt {
	const atOnce = 512
	wrong := make([]bool, len(all))
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i, a := range all {
		slots <- struct{}{}
		running.Add(1)
		go func() {
			defer running.Done()
			wrong[i] = a.from.reaches(a.to.Address, a.port, patience) != a.allowed
			<-slots
		}()
	}
	running.Wait()
	var found []attempt
	for i, a := range all {
		if wrong[i] {
			found = append(found, a)
		}
	}
	return found
}

// settled tries again what went wrong until it does not, or time is up: rules
// for a pod that has just started are written a moment later, and a busy
// machine loses a packet.
func settled(ctx context.Context, wrong []attempt) []attempt {
	_ = harness.Eventually(ctx, time.Second, func(context.Context) error {
		if wrong = try(wrong, 5*time.Second); len(wrong) > 0 {
			return errNotReached
		}
		return nil
	})
	slices.SortFunc(wrong, func(a, b attempt) int { return strings.Compare(a.line(), b.line()) })
	return wrong
}
