package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Timing of the forwarder.
const (
	// dialWithin is how long one node may take to answer. Nodes are on the same
	// machine; one that is cut off answers never.
	dialWithin = 400 * time.Millisecond
	// shunFor is how long a node that failed is tried last.
	shunFor = 2 * time.Second
	// answerWithin is how long a datagram waits for its answer before the next
	// node is asked.
	answerWithin = time.Second
	// maxExchanges bounds the datagrams under way.
	maxExchanges = 512
)

// ServeDoors forwards until ctx ends. config is the JSON that doorsProcess
// composes.
func ServeDoors(ctx context.Context, config string) error {
	var c doorsConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("parsing the doors: %w", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, door := range c.Doors {
		b := newBackends(c.Nodes, door.Port)
		switch door.Network {
		case "tcp":
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", door.Listen)
			if err != nil {
				return fmt.Errorf("opening door %s: %w", door.Listen, err)
			}
			group.Go(func() error { return serveStreams(ctx, listener, b) })
		case "udp":
			conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", door.Listen)
			if err != nil {
				return fmt.Errorf("opening door %s: %w", door.Listen, err)
			}
			group.Go(func() error { return serveDatagrams(ctx, conn, b) })
		default:
			return fmt.Errorf("door %s: network %q is neither tcp nor udp", door.Listen, door.Network)
		}
	}
	if c.Logs != "" {
		group.Go(func() error { keepLogsSmall(ctx, c.Logs); return nil })
	}
	return group.Wait()
}

// backends are the nodes behind one door. Healthy ones take turns; one that
// failed is tried last for a while.
type backends struct {
	addresses []string
	turn      atomic.Uint64
	mu        sync.Mutex
	failed    map[string]time.Time
}

func newBackends(nodes []string, port int) *backends {
	b := &backends{failed: map[string]time.Time{}}
	for _, node := range nodes {
		b.addresses = append(b.addresses, net.JoinHostPort(node, strconv.Itoa(port)))
	}
	return b
}

// order lists every backend once, in the order to try.
func (b *backends) order(now time.Time) []string {
	n := len(b.addresses)
	if n == 0 {
		return nil
	}
	start := int(b.turn.Add(1) % uint64(n)) //nolint:gosec // below n
	var well, shunned []string
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range n {
		address := b.addresses[(start+i)%n]
		if at, bad := b.failed[address]; bad && now.Sub(at) < shunFor {
			shunned = append(shunned, address)
		} else {
			well = append(well, address)
		}
	}
	return append(well, shunned...)
}

func (b *backends) mark(address string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.failed[address] = time.Now()
	} else {
		delete(b.failed, address)
	}
}

func (b *backends) dial(ctx context.Context) (*net.TCPConn, error) {
	var faults []error
	for _, address := range b.order(time.Now()) {
		dialer := net.Dialer{Timeout: dialWithin}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		b.mark(address, err)
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		faults = append(faults, err)
	}
	return nil, fmt.Errorf("no node answers: %w", errors.Join(faults...))
}

func serveStreams(ctx context.Context, listener net.Listener, b *backends) error {
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// Out of descriptors, most likely; it passes.
			log.Printf("accepting on %s: %v", listener.Addr(), err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		go func() {
			client := conn.(*net.TCPConn)
			defer func() { _ = client.Close() }()
			node, err := b.dial(ctx)
			if err != nil {
				// A reset, not an orderly end: nothing was served.
				_ = client.SetLinger(0)
				return
			}
			defer func() { _ = node.Close() }()
			exchange(client, node)
		}()
	}
}

// exchange copies both ways until both sides have ended. The end of one
// direction is passed on while the other goes on.
func exchange(a, b *net.TCPConn) {
	var wait sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		wait.Add(1)
		go func() {
			defer wait.Done()
			from, to := way[0], way[1]
			if _, err := io.Copy(to, from); err != nil {
				_ = from.Close()
				_ = to.Close()
				return
			}
			_ = to.CloseWrite()
		}()
	}
	wait.Wait()
}

// serveDatagrams forwards questions that have one answer each, as DNS has.
func serveDatagrams(ctx context.Context, conn net.PacketConn, b *backends) error {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	slots := make(chan struct{}, maxExchanges)
	buffer := make([]byte, 64<<10)
	for {
		n, client, err := conn.ReadFrom(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			log.Printf("receiving on %s: %v", conn.LocalAddr(), err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		question := append([]byte(nil), buffer[:n]...)
		select {
		case slots <- struct{}{}:
		default:
			continue // overloaded; the client asks again
		}
		go func() {
			defer func() { <-slots }()
			for _, address := range b.order(time.Now()) {
				answer, err := ask(ctx, address, question)
				b.mark(address, err)
				if err == nil {
					_, _ = conn.WriteTo(answer, client)
					return
				}
			}
		}()
	}
}

func ask(ctx context.Context, address string, question []byte) ([]byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	buffer := make([]byte, 64<<10)
	n, err := conn.Read(buffer)
	return buffer[:n], err
}
