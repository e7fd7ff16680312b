package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"slipway.dev/slipway/internal/backend"
)

// renewal is how often a lease is renewed.
const renewal = 15 * time.Second

func leaseDir(stack *backend.Stack) string { return path.Join(stack.OwnDir(), "leases") }

func leaseKey(stack *backend.Stack, l Lease) string {
	return path.Join(leaseDir(stack), fmt.Sprintf("%s-%d.json", l.Host, l.PID))
}

func readLeases(ctx context.Context, stack *backend.Stack) ([]Lease, error) {
	objects, err := stack.List(ctx, leaseDir(stack))
	if err != nil {
		return nil, err
	}
	var leases []Lease
	for _, object := range objects {
		raw, err := stack.ReadRaw(ctx, object.Key)
		if errors.Is(err, backend.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var l Lease
		// One that cannot be read proves nothing, which is what none would do.
		if json.Unmarshal(raw, &l) == nil {
			leases = append(leases, l)
		}
	}
	return leases, nil
}

// leaseOf finds the lease that was taken for the process that took the lock.
func leaseOf(leases []Lease, l Lock) *Lease {
	for _, lease := range leases {
		// A process number is used again, so the lock must have been taken
		// while the lease was renewed.
		if lease.Host == l.Host && lease.PID == l.PID &&
			lease.Since.Before(l.Since.Add(slack)) && l.Since.Before(lease.Renewed.Add(renewal+slack)) {
			return &lease
		}
	}
	return nil
}

// Sweep deletes the leases that were left by updates of this machine whose
// helper was killed and that left no lock.
func Sweep(ctx context.Context, stack *backend.Stack) error {
	here, err := thisMachine()
	if err != nil {
		return err
	}
	return sweep(ctx, stack, here)
}

func sweep(ctx context.Context, stack *backend.Stack, here machine) error {
	leases, err := readLeases(ctx, stack)
	if err != nil {
		return err
	}
	var over []Lease
	for _, l := range leases {
		if life, _ := here.judge(Lock{PID: l.PID, Host: l.Host, Since: l.Since, Lease: &l}, false); life == Dead {
			over = append(over, l)
		}
	}
	if len(over) == 0 {
		return nil
	}
	// Looked for after the dead were found, who take no lock any more: a lock
	// needs its lease as proof.
	locks, err := list(ctx, stack, here)
	if err != nil {
		return err
	}
	for _, l := range over {
		if slices.ContainsFunc(locks, func(k Lock) bool { return k.PID == l.PID && k.Host == l.Host }) {
			continue
		}
		if err := stack.Delete(ctx, leaseKey(stack, l)); err != nil {
			return fmt.Errorf("ending the lease of process %d on %s: %w", l.PID, l.Host, err)
		}
	}
	return nil
}

// Hold takes a lease for a pulumi process that was just started, and renews it
// until release is called, when the process has ended. A lease that cannot be written is no reason to stop
// an update: the lock, which is Pulumi's, holds without it, so the fault is
// handed to warn.
func Hold(ctx context.Context, stack *backend.Stack, pid int, doing string, warn func(error)) (release func()) {
	here, err := thisMachine()
	if err != nil {
		warn(err)
		return func() {}
	}
	begun := time.Now().UTC()
	lease := Lease{PID: pid, Host: here.host, Machine: here.id, Boot: here.boot, Space: here.space, Doing: doing, Since: begun, Renewed: begun}
	// Ctrl-C ends what the lease is about in its own time; until then it holds.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	write := func() bool {
		raw, err := json.Marshal(lease)
		if err == nil {
			err = stack.Write(ctx, leaseKey(stack, lease), raw)
		}
		if err != nil && ctx.Err() == nil {
			warn(fmt.Errorf("writing the lease of this update: %w", err))
		}
		return err == nil
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(renewal)
		defer ticker.Stop()
		for write() {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				lease.Renewed = time.Now().UTC()
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		const limit = 10 * time.Second
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		// A lock that is still there is of a process that was killed. The lease
		// is what will prove it.
		locks, err := list(ctx, stack, here)
		if err == nil && !slices.ContainsFunc(locks, func(l Lock) bool { return l.PID == pid && l.Host == here.host }) {
			err = stack.Delete(ctx, leaseKey(stack, lease))
		}
		if err != nil {
			warn(fmt.Errorf("ending the lease of this update: %w", err))
		}
	}
}
