package machine

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Process is a running program.
type Process struct {
	PID int
	// Program is the executable's path, or its name when the path is hidden
	// from this user.
	Program string
	// Args are its arguments, the program included.
	Args []string
	// Lab is the state directory of the lab that the process belongs to; empty
	// for one that belongs to none.
	Lab string
}

// labVariable is in the environment of all that a lab starts.
const labVariable = "SLIPWAY_LAB"

func (p Process) String() string {
	if p.PID == 0 {
		return "a process this user may not see"
	}
	return fmt.Sprintf("%s (process %d)", p.Program, p.PID)
}

// Listener returns who listens where a listener at address would have to: on the
// same address or on all of them. network is tcp or udp. The process is the
// zero one when it cannot be found out, which takes root for the processes of
// others.
//
// A process that is ending has no visible descriptors any more while its sockets
// are still being closed. So root, from whom nothing else is hidden, looks again
// for a while before it says that a listener is nobody's.
func Listener(network string, address netip.AddrPort) (Process, bool, error) {
	look := func() (Process, bool, error) { return listener(os.DirFS("/"), network, address) }
	if os.Geteuid() != 0 {
		return look()
	}
	return settled(look, func() { time.Sleep(50 * time.Millisecond) })
}

// settled looks until the holder is known or the address free, with a pause
// between, 60 times at most.
func settled(look func() (Process, bool, error), pause func()) (Process, bool, error) {
	for range 60 {
		if p, taken, err := look(); err != nil || !taken || p.PID != 0 {
			return p, taken, err
		}
		pause()
	}
	return look()
}

func listener(root fs.FS, network string, address netip.AddrPort) (Process, bool, error) {
	inodes := map[string]bool{}
	for _, file := range []string{network, network + "6"} {
		raw, err := fs.ReadFile(root, path.Join("proc/net", file))
		if err != nil {
			continue // no IPv6
		}
		for _, inode := range socketsAt(string(raw), network, address) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return Process{}, false, nil
	}
	processes, err := processes(root)
	if err != nil {
		return Process{}, true, err
	}
	for _, p := range processes {
		dir := path.Join("proc", strconv.Itoa(p.PID), "fd")
		entries, err := fs.ReadDir(root, dir)
		if err != nil {
			continue // ended, or another user's
		}
		for _, entry := range entries {
			if target, err := fs.ReadLink(root, path.Join(dir, entry.Name())); err == nil && inodes[target] {
				return p, true, nil
			}
		}
	}
	return Process{}, true, nil
}

// socketsAt returns the inodes of the sockets that a listener at address would
// collide with, out of a table as in /proc/net/tcp.
func socketsAt(table, network string, address netip.AddrPort) []string {
	const listening, unconnected = "0A", "07"
	state := listening
	if network == "udp" {
		state = unconnected
	}
	var inodes []string
	lines := bufio.NewScanner(strings.NewReader(table))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != state {
			continue
		}
		at, ok := parseAddress(fields[1])
		if ok && at.Port() == address.Port() && (at.Addr().IsUnspecified() || at.Addr() == address.Addr()) {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// parseAddress reads an address as the kernel prints it: words of four bytes in
// hexadecimal, each in the machine's byte order, and a port.
func parseAddress(text string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	address, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), ok && err == nil
}

// processes lists what runs; those that end meanwhile are left out.
func processes(root fs.FS) ([]Process, error) {
	entries, err := fs.ReadDir(root, "proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var all []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		raw, err := fs.ReadFile(root, path.Join("proc", entry.Name(), "cmdline"))
		if err != nil || len(raw) == 0 {
			continue // ended, or a thread of the kernel
		}
		p := Process{PID: pid, Args: strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")}
		if p.Program, err = fs.ReadLink(root, path.Join("proc", entry.Name(), "exe")); err != nil {
			p.Program = p.Args[0]
		}
		// The kernel says so when the file was replaced since.
		p.Program = strings.TrimSuffix(p.Program, " (deleted)")
		environment, _ := fs.ReadFile(root, path.Join("proc", entry.Name(), "environ"))
		for _, variable := range strings.Split(string(environment), "\x00") {
			if lab, ok := strings.CutPrefix(variable, labVariable+"="); ok {
				p.Lab = lab
			}
		}
		all = append(all, p)
	}
	return all, nil
}
