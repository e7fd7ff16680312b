package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process describes one component that should run.
type process struct {
	Name string // "etcd" or "node-1/kubelet"
	Path string // absolute
	Args []string
	Env  []string
	// NetworkNS and MountNS are files of namespaces to start in; empty means
	// the machine's own.
	NetworkNS, MountNS string
	// Files are read by the component at its start: when one changes, the
	// component is restarted.
	Files []string
	// Ready returns nil once the component does its work. Nil means that being
	// alive is enough.
	Ready func(ctx context.Context) error
	// StopSignal asks for an orderly end. Zero means SIGTERM.
	StopSignal syscall.Signal
	// StopWithin bounds the orderly end. Zero means 5 seconds.
	StopWithin time.Duration
}

// Environment variables by which a process is recognised later.
const (
	envLab         = "SLIPWAY_LAB"
	envComponent   = "SLIPWAY_LAB_COMPONENT"
	envFingerprint = "SLIPWAY_LAB_FINGERPRINT"
)

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// fingerprint changes whenever a running process no longer is what p asks for.
func (p process) fingerprint() (string, error) {
	sum := sha256.New()
	add := func(values ...string) {
		for _, value := range values {
			_, _ = fmt.Fprintf(sum, "%d:%s\n", len(value), value)
		}
	}
	add(p.Path)
	add(p.Args...)
	add(p.Env...)
	add(p.NetworkNS, p.MountNS)
	for _, file := range p.Files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading what %s is configured by: %w", p.Name, err)
		}
		add(file, string(content))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// command is how p is started: nsenter(1) replaces itself by the component, so
// that the process keeps its id.
func (p process) command() []string {
	if p.NetworkNS == "" && p.MountNS == "" {
		return append([]string{p.Path}, p.Args...)
	}
	argv := []string{"nsenter"}
	if p.NetworkNS != "" {
		argv = append(argv, "--net="+p.NetworkNS)
	}
	if p.MountNS != "" {
		argv = append(argv, "--mount="+p.MountNS)
	}
	return append(append(argv, "--", p.Path), p.Args...)
}

// ensureProcess starts p unless it runs as described. One that runs with
// another configuration is stopped first. It reports whether it started p.
func (l *Lab) ensureProcess(ctx context.Context, p process) (bool, error) {
	want, err := p.fingerprint()
	if err != nil {
		return false, err
	}
	running, err := l.find(p.Name)
	if err != nil {
		return false, err
	}
	if len(running) == 1 && running[0].fingerprint == want {
		return false, nil
	}
	for _, old := range running {
		if err := old.stop(ctx, p.StopSignal, p.stopWithin()); err != nil {
			return false, err
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return true, l.start(p, want)
}

func (p process) stopWithin() time.Duration {
	if p.StopWithin == 0 {
		return 5 * time.Second
	}
	return p.StopWithin
}

// start launches p so that it outlives this process: a session of its own, no
// terminal, output to a file.
func (l *Lab) start(p process, fingerprint string) error {
	output, err := openLog(l.log(p.Name))
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }()
	argv := p.command()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = output, output
	// Only what is listed: a proxy variable of the caller's shell would send
	// the components' API calls astray.
	cmd.Env = append([]string{
		"PATH=" + searchPath, "HOME=/root", "LANG=C.UTF-8",
		envLab + "=" + l.state, envComponent + "=" + p.Name, envFingerprint + "=" + fingerprint,
	}, p.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := withholdDescriptors(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	// Reaped here while this process lives; later init does it.
	go func() { _ = cmd.Wait() }()
	if err := joinCgroup(systemCgroup, cmd.Process.Pid); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	return nil
}

// withholdDescriptors keeps what this process was handed by its caller, a lock or the
// end of a pipe, from what outlives it: whoever waits for those to be let go
// would wait until the lab is down.
func withholdDescriptors() error {
	err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return nil // a kernel before 5.11
	}
	return err
}

// missedFor is how long a process that was started must not be found before it
// counts as ended: it has no readable environment while it begins, which takes a
// moment, or longer on a busy machine.
const missedFor = 2 * time.Second

// absence is since when a process that was started is not to be found.
type absence struct{ since time.Time }

// ended notes one look for the process, and tells whether it has ended.
func (a *absence) ended(found bool) bool {
	switch {
	case found:
		a.since = time.Time{}
	case a.since.IsZero():
		a.since = time.Now()
	default:
		return time.Since(a.since) > missedFor
	}
	return false
}

// await waits until p is ready. A process that ends meanwhile fails after
// missedFor, with the end of its log.
func (l *Lab) await(ctx context.Context, p process) error {
	var last error
	var missed absence
	for {
		if p.Ready == nil {
			last = nil
		} else {
			attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
			last = p.Ready(attempt)
			cancel()
		}
		running, err := l.find(p.Name)
		if err != nil {
			return err
		}
		if missed.ended(len(running) > 0) {
			return fmt.Errorf("%s ended right after its start; its log %s says:\n%s", p.Name, l.log(p.Name), indent(tail(l.log(p.Name), 15)))
		}
		if last == nil && len(running) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%w); its log is %s", p.Name, context.Cause(ctx), last, l.log(p.Name))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// running is a component found in the process table.
type running struct {
	component   string
	fingerprint string
	pid         int
	started     uint64 // clock ticks after boot; tells a reused pid
	lab         string // state directory of the lab it belongs to
	argv0       string
}

// find looks for the processes of one component of this lab.
func (l *Lab) find(component string) ([]running, error) {
	all, err := l.processes()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r running) bool { return r.component != component }), nil
}

// processes lists the components of this lab that run.
func (l *Lab) processes() ([]running, error) {
	all, err := scanProcesses()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r running) bool { return r.lab != l.state }), nil
}

// scanProcesses finds the components of every lab on the machine. Only leaders
// of a session count: children inherit the variables, but not that.
func scanProcesses() ([]running, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var found []running
	for _, entry := range entries {
		pid := 0
		if _, err := fmt.Sscanf(entry.Name(), "%d", &pid); err != nil {
			continue
		}
		if r, ok := inspect(pid); ok {
			found = append(found, r)
		}
	}
	return found, nil
}

func inspect(pid int) (running, bool) {
	stat, err := readStat(pid)
	if err != nil || stat.session != pid || stat.ended() {
		return running{}, false
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return running{}, false // gone meanwhile
	}
	r := running{pid: pid, started: stat.started}
	for _, pair := range strings.Split(string(environ), "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case envLab:
			r.lab = value
		case envComponent:
			r.component = value
		case envFingerprint:
			r.fingerprint = value
		}
	}
	if r.lab == "" || r.component == "" {
		return running{}, false
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return running{}, false
	}
	r.argv0, _, _ = strings.Cut(string(cmdline), "\x00")
	return r, true
}

// stat is what /proc/<pid>/stat says about a process.
type stat struct {
	state   byte
	parent  int
	session int
	threads int
	started uint64 // clock ticks after boot
	cpu     uint64 // clock ticks used, user and system
}

// ended tells whether nothing of the process runs. A killed process is a zombie
// as soon as its first thread has ended, while others still hold its sockets.
func (s stat) ended() bool {
	return (s.state == 'Z' || s.state == 'X') && s.threads <= 1
}

func readStat(pid int) (stat, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(content))
}

// parseStat reads proc(5) stat. The second field is the program's name in
// parentheses and may hold anything, so counting starts after its last ')'.
func parseStat(line string) (stat, error) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return stat{}, errors.New("parsing a process's stat: no program name")
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("parsing a process's stat: %d fields after the name", len(fields))
	}
	s := stat{state: fields[0][0]}
	var user, system uint64
	for _, field := range []struct {
		at   int
		into any
	}{{1, &s.parent}, {3, &s.session}, {11, &user}, {12, &system}, {17, &s.threads}, {19, &s.started}} {
		if _, err := fmt.Sscan(fields[field.at], field.into); err != nil {
			return stat{}, fmt.Errorf("parsing a process's stat: %w", err)
		}
	}
	s.cpu = user + system
	return s, nil
}

// signal sends sig to exactly the process that was found: the descriptor
// cannot come to mean another process.
func (r running) signal(sig syscall.Signal) error {
	fd, err := unix.PidfdOpen(r.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	} else if err != nil {
		return fmt.Errorf("opening process %d (%s): %w", r.pid, r.component, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !r.alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("stopping process %d (%s): %w", r.pid, r.component, err)
	}
	return nil
}

func (r running) alive() bool {
	s, err := readStat(r.pid)
	return err == nil && s.started == r.started && !s.ended()
}

// stop asks the process to end and kills it when it has not within the given
// time.
func (r running) stop(ctx context.Context, sig syscall.Signal, within time.Duration) error {
	if sig == 0 {
		sig = syscall.SIGTERM
	}
	if err := r.signal(sig); err != nil {
		return err
	}
	deadline := time.Now().Add(within)
	for r.alive() {
		if time.Now().After(deadline) {
			if err := r.signal(syscall.SIGKILL); err != nil {
				return err
			}
			deadline = time.Now().Add(5 * time.Second)
			for r.alive() {
				if time.Now().After(deadline) {
					return fmt.Errorf("process %d (%s) does not end, even killed", r.pid, r.component)
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
