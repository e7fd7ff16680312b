// Package lock tells who holds a stack of Pulumi's own backends, and whether
// they still live.
//
// Pulumi's lock is a file that names a process, a user and a host. It has no
// lease: who is killed holds it for ever, and `pulumi cancel` takes it from
// whoever has it. Slipway keeps a lease beside it for every update it runs,
// which adds the machine, its boot and a regular sign of life. What is broken
// here is only what is provably dead: a process of this machine that is no
// longer there. A lease of another machine that was not renewed is no proof,
// because Pulumi asks nobody before it writes, and a machine that slept wakes
// up and goes on.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"slipway.dev/slipway/internal/backend"
)

// ErrHeld is returned when somebody who may be alive holds the stack.
var ErrHeld = errors.New("the stack is locked")

// Life says whether a lock's holder lives.
type Life string

// What can be known of a holder.
const (
	Alive   Life = "alive"
	Dead    Life = "dead"
	Unknown Life = "unknown"
)

// Lock is one lock file.
type Lock struct {
	Key   string    `json:"key"`
	PID   int       `json:"pid"`
	User  string    `json:"user"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	Life  Life      `json:"life"`
	// Why says what Life rests on.
	Why string `json:"why"`
	// Lease is what Slipway knows of the holder, nil when it did not start it.
	Lease *Lease `json:"lease,omitempty"`
}

// Lease is Slipway's note about an update it runs.
type Lease struct {
	PID  int    `json:"pid"`
	Host string `json:"host"`
	// Machine and Boot tell this machine's processes from those of another
	// with the same name, and from those before it restarted.
	Machine string `json:"machine"`
	Boot    string `json:"boot"`
	// Space tells a container's processes from those of another that shares
	// all of the above.
	Space string `json:"space,omitempty"`
	// Doing is the command, such as up or rollback.
	Doing string    `json:"doing"`
	Since time.Time `json:"since"`
	// Renewed is the last sign of life.
	Renewed time.Time `json:"renewed"`
}

// String is one sentence for a person.
func (l Lock) String() string {
	if l.PID == 0 {
		return fmt.Sprintf("%s: %s", path.Base(l.Key), l.Why)
	}
	text := fmt.Sprintf("%s@%s (pid %d) since %s", l.User, l.Host, l.PID, l.Since.Format(time.RFC3339))
	if l.Lease != nil {
		text += ", running " + l.Lease.Doing
	}
	return text + "; " + string(l.Life) + ": " + l.Why
}

// List reads a stack's locks and judges each.
func List(ctx context.Context, stack *backend.Stack) ([]Lock, error) {
	here, err := thisMachine()
	if err != nil {
		return nil, err
	}
	return list(ctx, stack, here)
}

func list(ctx context.Context, stack *backend.Stack, here machine) ([]Lock, error) {
	objects, err := stack.List(ctx, stack.LockDir())
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	leases, err := readLeases(ctx, stack)
	if err != nil {
		return nil, err
	}
	var locks []Lock
	for _, object := range objects {
		l := Lock{Key: object.Key}
		switch err := l.read(ctx, stack); {
		case errors.Is(err, backend.ErrNotFound):
			continue // released since it was listed, or under its final name
		case errors.Is(err, errCutShort):
			l.Life, l.Why = Dead, err.Error()
			locks = append(locks, l)
			continue
		case err != nil:
			return nil, err
		}
		l.Lease = leaseOf(leases, l)
		l.Life, l.Why = here.judge(l, stack.Directory() != "")
		locks = append(locks, l)
	}
	return locks, nil
}

var errCutShort = errors.New("the file was cut short and names nobody")

// read fills in what the lock's file says. A directory shows a file that is
// being written, under a name of its own, for some microseconds: one that is
// not whole is read again for a second before errCutShort is returned.
func (l *Lock) read(ctx context.Context, stack *backend.Stack) error {
	for try := 0; ; try++ {
		raw, err := stack.ReadRaw(ctx, l.Key)
		if err != nil {
			return err
		}
		var file struct {
			PID       int       `json:"pid"`
			Username  string    `json:"username"`
			Hostname  string    `json:"hostname"`
			Timestamp time.Time `json:"timestamp"`
		}
		if err := json.Unmarshal(raw, &file); err == nil && file.PID > 0 {
			l.PID, l.User, l.Host, l.Since = file.PID, file.Username, file.Hostname, file.Timestamp
			return nil
		}
		if try == 10 {
			return errCutShort
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Held returns an error that names every holder who is not provably dead, and
// otherwise the locks of the dead.
func Held(ctx context.Context, stack *backend.Stack) ([]Lock, error) {
	locks, err := List(ctx, stack)
	if err != nil {
		return nil, err
	}
	return held(stack, locks)
}

func held(stack *backend.Stack, locks []Lock) ([]Lock, error) {
	var dead []Lock
	var living []string
	elsewhere := false
	for _, l := range locks {
		if l.Life == Dead {
			dead = append(dead, l)
			continue
		}
		living = append(living, l.String())
		elsewhere = elsewhere || l.Life == Unknown
	}
	if len(living) == 0 {
		return dead, nil
	}
	way := "wait for it to end (--wait 10m)"
	if elsewhere {
		way += "; only if you know that it is gone, run: pulumi cancel"
	}
	return dead, fmt.Errorf("stack %s/%s in %s: %w by %s; %s", stack.Project, stack.Name, stack.URL(), ErrHeld, strings.Join(living, " and "), way)
}

// Await waits until nobody who may be alive holds the stack, at most limit,
// and returns the locks of the dead. A limit of zero asks once.
func Await(ctx context.Context, stack *backend.Stack, limit time.Duration, waiting func(error)) ([]Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, max(limit, time.Minute))
	defer cancel()
	deadline := time.Now().Add(limit)
	const pause = 2 * time.Second
	told := ""
	for {
		dead, err := Held(ctx, stack)
		if err == nil || !errors.Is(err, ErrHeld) || !time.Now().Before(deadline) {
			return dead, err
		}
		if err.Error() != told && waiting != nil {
			told = err.Error()
			waiting(err)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}

// Break deletes the locks of the dead, and refuses any other.
func Break(ctx context.Context, stack *backend.Stack, locks []Lock) error {
	for _, l := range locks {
		if l.Life != Dead {
			return fmt.Errorf("breaking the lock of %s: %w", l, ErrHeld)
		}
		if err := stack.Delete(ctx, l.Key); err != nil {
			return fmt.Errorf("breaking the lock of %s: %w", l, err)
		}
		if l.Lease != nil {
			if err := stack.Delete(ctx, leaseKey(stack, *l.Lease)); err != nil {
				return fmt.Errorf("ending the lease of %s: %w", l, err)
			}
		}
	}
	return nil
}
