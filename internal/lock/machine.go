package lock

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// machine is what tells the processes of this machine from all others.
type machine struct {
	host, id, boot string
	// space names the process numbers that are seen from here: two containers
	// may share all of the above, and mean different processes by one number.
	space string
	// booted is when this machine started.
	booted time.Time
	// process says when a process began and whether it is a pulumi; found is
	// false when there is none with that number.
	process func(pid int) (begun time.Time, pulumi, found bool)
}

func thisMachine() (machine, error) {
	host, err := os.Hostname()
	if err != nil {
		return machine{}, fmt.Errorf("reading this machine's name: %w", err)
	}
	m := machine{host: host, booted: bootTime(), process: findProcess}
	// A machine without an identity has leases that prove nothing, no fault.
	if raw, err := os.ReadFile("/etc/machine-id"); err == nil {
		m.id = strings.TrimSpace(string(raw))
	}
	if raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		m.boot = strings.TrimSpace(string(raw))
	}
	if name, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		m.space = name
	}
	return m, nil
}

// slack allows for the kernel's clock ticks and for a clock that was set while
// the process ran.
const slack = 5 * time.Second

// judge says whether a lock's holder lives. private is true for a backend in
// a directory, where the host's name is proof enough: no other machine of that
// name writes there.
func (m machine) judge(l Lock, private bool) (Life, string) {
	lease := l.Lease
	sameMachine := lease != nil && lease.Machine != "" && lease.Machine == m.id
	// Containers often have no machine identity, or their image's. What a boot
	// and its process numbers are called is the kernel's to say.
	sameSpace := lease != nil && lease.Boot != "" && lease.Boot == m.boot && lease.Space != "" && lease.Space == m.space
	otherSpace := lease != nil && lease.Space != "" && lease.Space != m.space
	switch {
	case l.Host != m.host && lease == nil:
		return Unknown, "it runs on another machine"
	case l.Host != m.host || lease != nil && !sameMachine && !sameSpace:
		return Unknown, "it runs on another machine, which gave the last sign of life at " + lease.Renewed.Format(time.RFC3339)
	case sameMachine && lease.Boot != m.boot && l.Since.Before(m.booted):
		return Dead, "this machine has restarted since"
	case otherSpace:
		return Unknown, "it runs in another container of this machine, which gave the last sign of life at " + lease.Renewed.Format(time.RFC3339)
	case lease == nil && !private:
		return Unknown, "it runs on a machine of this name, and there may be several"
	}
	begun, pulumi, found := m.process(l.PID)
	switch {
	case !found:
		return Dead, "no such process runs on this machine"
	case !pulumi:
		return Dead, "its process number belongs to another program"
	case begun.After(l.Since.Add(slack)):
		return Dead, "its process number belongs to a pulumi that began later"
	}
	return Alive, "its process runs on this machine"
}

// findProcess reads /proc.
func findProcess(pid int) (begun time.Time, pulumi, found bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	for range 1000 {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil || ended(string(stat)) {
			return time.Time{}, false, false
		}
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			return time.Time{}, false, false
		}
		begun, found = startTime(string(stat), bootTime()), true
		if len(command) > 0 {
			program, _, _ := bytes.Cut(command, []byte{0})
			return begun, strings.HasPrefix(filepath.Base(string(program)), "pulumi"), true
		}
		// The kernel's own have no command line, and neither has a process while
		// it becomes another program.
		time.Sleep(time.Millisecond)
	}
	return begun, false, found
}

// ended tells from /proc/PID/stat whether only the parent has not noticed yet.
func ended(stat string) bool {
	_, rest, _ := cutLast(stat, ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// ticks is the kernel's unit of process times, the same on every Linux that Go
// runs on.
const ticks = 100

// startTime reads the 22nd field of /proc/PID/stat. What cannot be read counts
// as the oldest time, which makes nobody dead.
func startTime(stat string, boot time.Time) time.Time {
	// The program's name, in parentheses, may hold spaces.
	_, rest, ok := cutLast(stat, ") ")
	fields := strings.Fields(rest)
	const field = 22 - 3
	if !ok || len(fields) <= field || boot.IsZero() {
		return time.Time{}
	}
	since, err := strconv.ParseInt(fields[field], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return boot.Add(time.Duration(since) * time.Second / ticks)
}

func bootTime() time.Time {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			if err != nil {
				return time.Time{}
			}
			return time.Unix(seconds, 0)
		}
	}
	return time.Time{}
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
