package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The backends of these tests are addresses of loopback; the kernel gives the
// whole 127.0.0.0/8.
func startDoors(t *testing.T, network string, nodes ...string) (listen string, port int) {
	t.Helper()
	port = freePort(t)
	listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	config, err := json.Marshal(doorsConfig{Doors: []Door{{network, listen, port}}, Nodes: nodes})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ServeDoors(ctx, string(config)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listen, port
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// speaker answers each line with its name and the line, and the end of input
// with "bye".
func speaker(t *testing.T, address, name string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				scanner := bufio.NewScanner(conn)
				for scanner.Scan() {
					_, _ = fmt.Fprintf(conn, "%s %s\n", name, scanner.Text())
				}
				_, _ = fmt.Fprintf(conn, "bye\n")
			}()
		}
	}()
	return listener
}

func converse(t *testing.T, address string) (string, error) {
	t.Helper()
	var conn net.Conn
	var err error
	for range 100 { // the door opens in the background
		if conn, err = net.Dial("tcp", address); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "hello\n"); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	all, err := io.ReadAll(conn)
	return string(all), err
}

func TestDoorTakesTurnsAndPassesEachEndOn(t *testing.T) {
	listen, port := startDoors(t, "tcp", "127.0.1.1", "127.0.1.2")
	speaker(t, fmt.Sprintf("127.0.1.1:%d", port), "one")
	speaker(t, fmt.Sprintf("127.0.1.2:%d", port), "two")
	counts := map[string]int{}
	for range 10 {
		got, err := converse(t, listen)
		if err != nil {
			t.Fatal(err)
		}
		name, rest, _ := strings.Cut(got, " ")
		if rest != "hello\nbye\n" {
			t.Fatalf("got %q: the end of the question was not passed on", got)
		}
		counts[name]++
	}
	if counts["one"] != 5 || counts["two"] != 5 {
		t.Errorf("nodes served %v, want 5 each", counts)
	}
}

func TestDoorPassesADeadNodeBy(t *testing.T) {
	listen, port := startDoors(t, "tcp", "127.0.1.1", "127.0.1.2", "127.0.1.3")
	speaker(t, fmt.Sprintf("127.0.1.3:%d", port), "three")
	for range 6 {
		if got, err := converse(t, listen); err != nil || got != "three hello\nbye\n" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

func TestDoorWithoutAnyNodeResets(t *testing.T) {
	listen, _ := startDoors(t, "tcp", "127.0.1.1")
	if got, err := converse(t, listen); err == nil {
		t.Errorf("got %q as if it were an answer", got)
	}
}

func TestBackendsComeBack(t *testing.T) {
	b := newBackends([]string{"a", "b"}, 1)
	now := time.Now()
	b.mark("a:1", io.EOF)
	for range 4 {
		if order := b.order(now.Add(shunFor / 2)); order[0] != "b:1" || len(order) != 2 {
			t.Fatalf("order %v: the node that failed goes last", order)
		}
	}
	first := map[string]bool{}
	for range 4 {
		first[b.order(now.Add(2 * shunFor))[0]] = true
	}
	if !first["a:1"] {
		t.Error("a node that failed once is never tried first again")
	}
}

func TestDatagramsFindANodeThatAnswers(t *testing.T) {
	listen, port := startDoors(t, "udp", "127.0.1.1", "127.0.1.2")
	conn, err := net.ListenPacket("udp", fmt.Sprintf("127.0.1.2:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() {
		buffer := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(append([]byte("re: "), buffer[:n]...), from)
		}
	}()
	for i := range 4 {
		client, err := net.Dial("udp", listen)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for range 20 { // the door opens in the background
			_ = client.SetDeadline(time.Now().Add(300 * time.Millisecond))
			_, _ = fmt.Fprintf(client, "question %d", i)
			buffer := make([]byte, 100)
			if n, err := client.Read(buffer); err == nil {
				got = string(buffer[:n])
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = client.Close()
		if want := fmt.Sprintf("re: question %d", i); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}
