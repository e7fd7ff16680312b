package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Errors a caller may act on.
var (
	// ErrNoLab means that the lab has never been started here.
	ErrNoLab = errors.New("there is no lab on this machine")
	// ErrBusy means that another command is changing the lab.
	ErrBusy = errors.New("another command is changing the lab")
)

// Lab is one embedded cluster. Methods that change it exclude each other
// across processes.
type Lab struct {
	layout
	tools Tools
	self  string // the slipway CLI, which runs the doors

	clientMu sync.Mutex
	client   *apiClient

	pinMu sync.Mutex
}

// Options say what Up makes.
type Options struct {
	// Nodes is how many nodes there are, from MinNodes to MaxNodes. Zero keeps
	// the number the lab has, or DefaultNodes for the first time. A smaller
	// number removes nodes; their volumes stay on disk.
	Nodes int
	// Audit writes who changed what to logs/audit.log, without contents. Default
	// off. Changing it restarts the API server.
	Audit bool
}

// settings are what a lab remembers between commands.
type settings struct {
	Nodes int  `json:"nodes"`
	Audit bool `json:"audit,omitempty"`
	// Run is the run directory, for a lab of other directories that clears
	// away what this one left.
	Run string `json:"run,omitempty"`
}

// Open returns the lab of this machine (see paths.Lab), running or not. self
// is the slipway executable that runs the doors; empty means this one.
func Open(tools Tools, self string) (*Lab, error) {
	if self == "" {
		executable, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding this program: %w", err)
		}
		self = executable
	}
	return &Lab{layout: defaultLayout(), tools: tools, self: self}, nil
}

// upWithin bounds each wait of Up. A fifth of it is normal; a machine under
// full load needs the rest.
const upWithin = 2 * time.Minute

// Up makes the control plane and the nodes run and reports progress. It starts
// only what is missing or differs, so that it may be called at any time; on a
// healthy lab it changes nothing. It returns when the API answers and every
// node is registered: nodes become Ready and pods run once images are there
// (see Load and Settle).
func (l *Lab) Up(ctx context.Context, opts Options, report io.Writer) error {
	unlock, err := l.exclude(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	set, err := l.resolve(opts)
	if err != nil {
		return err
	}
	nodes, err := Placements(set.Nodes)
	if err != nil {
		return err
	}
	if err := l.preflight(); err != nil {
		return err
	}
	p := &progress{out: report, start: time.Now()}
	if err := l.clearDeserted(ctx, thisMachine(), p); err != nil {
		return err
	}
	if err := l.checkBridge(thisMachine()); err != nil {
		return refusal([]error{err})
	}
	if err := l.remember(set); err != nil {
		return err
	}
	return l.raise(ctx, set, nodes, p)
}

// resolve fills what the caller left open from what the lab remembers.
func (l *Lab) resolve(opts Options) (settings, error) {
	set, err := l.remembered()
	if errors.Is(err, ErrNoLab) {
		set = settings{Nodes: DefaultNodes}
	} else if err != nil {
		return settings{}, err
	}
	if opts.Nodes != 0 {
		set.Nodes = opts.Nodes
	}
	set.Audit = opts.Audit
	_, err = Placements(set.Nodes)
	return set, err
}

func (l *Lab) remembered() (settings, error) {
	content, err := os.ReadFile(l.settings())
	if errors.Is(err, fs.ErrNotExist) {
		return settings{}, ErrNoLab
	} else if err != nil {
		return settings{}, fmt.Errorf("reading the lab's settings: %w", err)
	}
	var set settings
	if err := json.Unmarshal(content, &set); err != nil {
		return settings{}, fmt.Errorf("parsing %s: %w (delete it: `lab up` writes it anew)", l.settings(), err)
	}
	return set, nil
}

func (l *Lab) remember(set settings) error {
	set.Run = l.run
	content, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encoding the lab's settings: %w", err)
	}
	return writeFile(l.settings(), append(content, '\n'), 0o600)
}

// nodes lists the nodes the lab should have.
func (l *Lab) nodes() ([]Placement, error) {
	set, err := l.remembered()
	if err != nil {
		return nil, err
	}
	return Placements(set.Nodes)
}

// lockPatience is how long a command waits for another one to end.
const lockPatience = 2 * time.Minute

// machineLock is an abstract socket that whoever changes any lab of the machine
// is bound to. Like bridges it belongs to a network namespace, and like them
// there can be only one; it leaves no file, and ends with its process.
const machineLock = "@slipway-lab"

// holdMachine keeps commands of other labs from starting one meanwhile.
func holdMachine(ctx context.Context) (func(), error) {
	if err := requireRoot(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, ErrBusy)
	defer cancel()
	for {
		held, err := (&net.ListenConfig{}).Listen(ctx, "unix", machineLock)
		if err == nil {
			return func() { _ = held.Close() }, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("holding this machine's lab: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("holding this machine's lab: %w: wait for it to end, then run this again", context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// exclude takes the machine and the lab's lock, waiting for a command that holds
// either. Both end with this process at the latest, so a killed command locks
// nobody out.
func (l *Lab) exclude(ctx context.Context) (func(), error) {
	release, err := holdMachine(ctx)
	if err != nil {
		return nil, err
	}
	unlock, err := l.lockState(ctx)
	if err != nil {
		release()
		return nil, err
	}
	return func() { unlock(); release() }, nil
}

// lockState takes the lab's own lock. The caller holds the machine.
func (l *Lab) lockState(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(l.lock()), 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	file, err := os.OpenFile(l.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lab's lock: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, ErrBusy)
	defer cancel()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", l.lock(), err)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w: wait for it to end, then run this again", l.lock(), context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// progress prints what a person waits for.
type progress struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	begun int // components started
}

func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, "lab %5.1fs  %s\n", time.Since(p.start).Seconds(), fmt.Sprintf(format, args...))
}

func (p *progress) started(name string) {
	p.mu.Lock()
	p.begun++
	p.mu.Unlock()
	p.say("started %s", name)
}
