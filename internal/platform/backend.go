package platform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/machine"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/revision"
)

// Project is the project's name in the checkout's Pulumi.yaml.
func (s *Stack) Project() (string, error) { return projectIn(s.Checkout) }

func projectIn(checkout string) (string, error) {
	file := filepath.Join(checkout, "Pulumi.yaml")
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading the project's name: %w", err)
	}
	var project struct {
		Name string `json:"name"`
	}
	if err := yaml.Unmarshal(raw, &project); err != nil {
		return "", fmt.Errorf("reading %s: %w", file, err)
	}
	if project.Name == "" {
		return "", fmt.Errorf("reading %s: it has no name", file)
	}
	return project.Name, nil
}

// Backend opens the files of the stack's backend. The caller closes it.
func (s *Stack) Backend(ctx context.Context) (*backend.Stack, error) {
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	address, err := s.backendURL(ctx)
	if err != nil {
		return nil, err
	}
	b, err := backend.Open(ctx, address)
	if err != nil {
		return nil, err
	}
	stack, err := b.Stack(project, s.Name)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return stack, nil
}

// backendURL is where plain pulumi would look.
func (s *Stack) backendURL(ctx context.Context) (string, error) {
	if s.IsLocal() {
		return "file://" + paths.Pulumi(), nil
	}
	if address := os.Getenv("PULUMI_BACKEND_URL"); address != "" {
		return address, nil
	}
	var who struct {
		URL string `json:"url"`
	}
	if err := s.decode(ctx, &who, "whoami", "--verbose", "--json"); err != nil {
		return "", fmt.Errorf("finding the backend of stack %s: %w", s.Name, err)
	}
	return who.URL, nil
}

// decode runs pulumi and reads the JSON it prints.
func (s *Stack) decode(ctx context.Context, into any, args ...string) error {
	cmd, err := s.command(ctx, args...)
	if err != nil {
		return err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := execute(cmd); err != nil {
		return fmt.Errorf("running pulumi %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		return fmt.Errorf("reading what pulumi %s printed: %w", args[0], err)
	}
	return nil
}

// Agent is what an update's history entry says of the checkout. A checkout
// without git still updates; its entries then name no commit, which a rollback
// says.
func (s *Stack) Agent(ctx context.Context) history.Agent {
	head, err := revision.Read(ctx, s.Checkout)
	if err != nil {
		return history.Agent{}
	}
	return history.Agent{Commit: head.Commit, Dirty: head.Dirty}
}

// ErrMoved is returned when another update went first.
var ErrMoved = errors.New("the stack was updated meanwhile")

// writing runs a pulumi command that writes to the stack's state, with a lease
// that says what runs.
func (s *Stack) writing(ctx context.Context, out io.Writer, doing string, args ...string) error {
	if err := s.reach(ctx); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	stack, err := s.Backend(ctx)
	if errors.Is(err, backend.ErrService) {
		return s.run(ctx, out, args...) // which has leases of its own
	}
	if err != nil {
		return err
	}
	defer func() { _ = stack.Close() }()
	before, err := fingerprint(ctx, stack)
	if err != nil {
		return err
	}
	if err := checkRoom(ctx, stack); err != nil {
		return err
	}
	if _, file := out.(*os.File); !file {
		out = &serial{to: out}
	}
	for attempt := 1; ; attempt++ {
		said := &refusal{}
		err := s.attempt(ctx, stack, out, said, doing, args...)
		if err == nil || !said.locked || attempt == attempts || ctx.Err() != nil {
			return err
		}
		if err := outwait(ctx, stack, before); err != nil {
			return fmt.Errorf("running pulumi %s: %w", args[0], err)
		}
		fmt.Fprintln(out, "another update began at the same moment and gave way as well; beginning again")
	}
}

// noteWithin is how long a command that was interrupted tries to leave a note.
const noteWithin = 5 * time.Second

// attempt runs the command once, while the cluster answers.
func (s *Stack) attempt(ctx context.Context, stack *backend.Stack, out io.Writer, said *refusal, doing string, args ...string) error {
	watched, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd, err := s.command(watched, args...)
	if err != nil {
		return err
	}
	go s.watch(watched, out, stop)
	cmd.Stdout, cmd.Stderr = out, io.MultiWriter(out, said)
	warn := func(err error) { fmt.Fprintln(out, "warning:", err) }
	begun := time.Now()
	err = execute(cmd, func(pid int) func() { return lock.Hold(ctx, stack, pid, doing, warn) })
	if err != nil {
		// Where another update had the lock, the newest entry is that one's.
		if ctx.Err() != nil && !said.locked {
			noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
			defer cancel()
			if err := history.NoteCancelled(noting, stack, begun); err != nil {
				warn(fmt.Errorf("noting in the history that this was cancelled: %w", err))
			}
		}
		if watched.Err() != nil {
			return context.Cause(watched)
		}
		if gone := s.reach(ctx); gone != nil {
			return fmt.Errorf("running pulumi %s: %w; what was done until then is recorded, run this again: %w", args[0], err, gone)
		}
		return fmt.Errorf("running pulumi %s: %w", args[0], err)
	}
	return nil
}

// serial lets the command, its lease and the watch over the cluster write to
// one place.
type serial struct {
	mu sync.Mutex
	to io.Writer
}

func (s *serial) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Write(p)
}

// ErrNoRoom is returned, before anything is changed, when a backend's disk has
// too little room.
var ErrNoRoom = errors.New("too little room for the stack's state")

// checkRoom keeps pulumi from running into a full disk: it would put half a
// state in the place of the whole one. An update writes the state, the copy of
// the one before, two more when it has ended, and grows it.
func checkRoom(ctx context.Context, stack *backend.Stack) error {
	dir := stack.Directory()
	if dir == "" {
		return nil
	}
	raw, err := stack.Checkpoint(ctx)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		return err
	}
	disk, err := machine.DiskOf(dir)
	if err != nil {
		return err
	}
	const states, more = 8, 4 << 20
	if need := uint64(states*len(raw) + more); disk.Free < need {
		return fmt.Errorf("updating stack %s: %w: %d MiB are free on the disk of %s, and it may take %d; free some", stack.Name, ErrNoRoom, disk.Free>>20, dir, need>>20+1)
	}
	return nil
}

// attempts is how often an update is begun that another one kept from
// beginning.
const attempts = 5

// outwait returns when nobody holds the stack and nobody has updated it, and
// otherwise an error. Pulumi takes its lock by writing a file and looking
// whether there is another, so two that begin at one moment may both give way.
// The pause is drawn, so that they do not meet again.
func outwait(ctx context.Context, stack *backend.Stack, before [sha256.Size]byte) error {
	pause := time.Duration(rand.Int64N(int64(2 * time.Second))) //nolint:gosec // how long to wait is no secret
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
	}
	if _, err := lock.Await(ctx, stack, pause, nil); err != nil {
		return err
	}
	after, err := fingerprint(ctx, stack)
	if err == nil && after != before {
		err = fmt.Errorf("%w; nothing was changed, run it again", ErrMoved)
	}
	return err
}

// fingerprint tells one state of a stack from another.
func fingerprint(ctx context.Context, stack *backend.Stack) ([sha256.Size]byte, error) {
	raw, err := stack.Checkpoint(ctx)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(raw), nil
}

// refusal notes that pulumi found the stack locked, before it did anything.
type refusal struct {
	rest   []byte
	locked bool
}

var lockedText = []byte("the stack is currently locked by")

func (r *refusal) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	r.locked = r.locked || bytes.Contains(r.rest, lockedText)
	// Enough to find the words when they come in two pieces.
	r.rest = bytes.Clone(r.rest[max(0, len(r.rest)-len(lockedText)):])
	return len(p), nil
}

// release waits until nobody who may be alive holds the stack, at most limit,
// and breaks the locks of the dead.
func (s *Stack) release(ctx context.Context, log io.Writer, limit time.Duration) error {
	stack, err := s.Backend(ctx)
	if errors.Is(err, backend.ErrService) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = stack.Close() }()
	dead, err := lock.Await(ctx, stack, limit, func(err error) { fmt.Fprintf(log, "waiting up to %s: %v\n", limit, err) })
	if err != nil {
		return err
	}
	for _, l := range dead {
		fmt.Fprintf(log, "an update of stack %s was killed; releasing its lock: %s\n", s.Name, l)
	}
	if err := lock.Break(ctx, stack, dead); err != nil {
		return err
	}
	return lock.Sweep(ctx, stack)
}
