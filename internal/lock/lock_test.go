package lock

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/backend"
)

var taken = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// here is a machine on which process 7 is a pulumi that began before the lock,
// 8 one that began after it, and 9 another program.
var here = machine{
	host: "here", id: "m1", boot: "b1", space: "s1", booted: taken.Add(-time.Hour),
	process: func(pid int) (time.Time, bool, bool) {
		switch pid {
		case 7:
			return taken.Add(-time.Minute), true, true
		case 8:
			return taken.Add(time.Hour), true, true
		case 9:
			return taken.Add(-time.Minute), false, true
		}
		return time.Time{}, false, false
	},
}

func TestOnlyWhatIsProvablyDeadIsDead(t *testing.T) {
	lease := func(machine, boot string) *Lease { return &Lease{Machine: machine, Boot: boot, Renewed: taken} }
	in := func(machine, boot, space string) *Lease {
		return &Lease{Machine: machine, Boot: boot, Space: space, Renewed: taken}
	}
	before := here
	before.booted = taken.Add(time.Hour)
	for name, tc := range map[string]struct {
		at      machine
		lock    Lock
		private bool
		want    Life
	}{
		"running here":                  {here, Lock{PID: 7, Host: "here"}, true, Alive},
		"gone":                          {here, Lock{PID: 6, Host: "here"}, true, Dead},
		"number used again, by pulumi":  {here, Lock{PID: 8, Host: "here"}, true, Dead},
		"number used again, by another": {here, Lock{PID: 9, Host: "here"}, true, Dead},
		"elsewhere":                     {here, Lock{PID: 6, Host: "there"}, true, Unknown},
		"same name, shared backend":     {here, Lock{PID: 6, Host: "here"}, false, Unknown},
		"leased here, gone":             {here, Lock{PID: 6, Host: "here", Lease: lease("m1", "b1")}, false, Dead},
		"leased here, running":          {here, Lock{PID: 7, Host: "here", Lease: lease("m1", "b1")}, false, Alive},
		"leased in here, gone":          {here, Lock{PID: 6, Host: "here", Lease: in("m1", "b1", "s1")}, false, Dead},
		"leased in here, no identity":   {here, Lock{PID: 6, Host: "here", Lease: in("", "b1", "s1")}, false, Dead},
		"another container, identity":   {here, Lock{PID: 6, Host: "here", Lease: in("m1", "b1", "s2")}, true, Unknown},
		"another container, none":       {here, Lock{PID: 6, Host: "here", Lease: in("", "b1", "s2")}, true, Unknown},
		"same space of another boot":    {here, Lock{PID: 6, Host: "here", Lease: in("", "b0", "s1")}, false, Unknown},
		"a clone with another name":     {before, Lock{PID: 6, Host: "there", Lease: in("m1", "b0", "s1")}, false, Unknown},
		"leased by a namesake":          {here, Lock{PID: 6, Host: "here", Lease: lease("m2", "b1")}, true, Unknown},
		"leased by one without a name":  {here, Lock{PID: 6, Host: "here", Lease: lease("", "")}, false, Unknown},
		"before the restart":            {before, Lock{PID: 7, Host: "here", Lease: lease("m1", "b0")}, false, Dead},
		"after the restart":             {here, Lock{PID: 7, Host: "here", Lease: lease("m1", "b0")}, false, Alive},
	} {
		t.Run(name, func(t *testing.T) {
			tc.lock.Since = taken
			life, why := tc.at.judge(tc.lock, tc.private)
			require.Equal(t, tc.want, life, why)
			require.NotEmpty(t, why)
		})
	}
}

func open(t *testing.T) *backend.Stack {
	t.Helper()
	b, err := backend.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	stack, err := b.Stack("shop", "test")
	require.NoError(t, err)
	return stack
}

func put(t *testing.T, stack *backend.Stack, key string, value any) {
	t.Helper()
	raw, err := json.Marshal(value)
	require.NoError(t, err)
	require.NoError(t, stack.Write(t.Context(), key, raw))
}

func TestLocksAreJoinedWithTheirLeases(t *testing.T) {
	stack := open(t)
	file := func(pid int) map[string]any {
		return map[string]any{"pid": pid, "username": "ada", "hostname": "here", "timestamp": taken}
	}
	put(t, stack, stack.LockDir()+"/a.json", file(6))
	put(t, stack, stack.LockDir()+"/b.json", file(7))
	require.NoError(t, stack.Write(t.Context(), stack.LockDir()+"/c.json", []byte(`{"pid":`)))
	ended := Lease{PID: 6, Host: "here", Machine: "m9", Since: taken.Add(-time.Hour), Renewed: taken.Add(-time.Hour / 2)}
	put(t, stack, leaseKey(stack, ended), ended)
	own := Lease{PID: 7, Host: "here", Machine: "m1", Boot: "b1", Doing: "rollback to 3", Since: taken.Add(-time.Second), Renewed: taken.Add(time.Minute)}
	put(t, stack, leaseKey(stack, own), own)

	locks, err := list(t.Context(), stack, here)
	require.NoError(t, err)
	require.Len(t, locks, 3)
	require.Nil(t, locks[0].Lease, "that lease ended before the lock was taken")
	require.Equal(t, Dead, locks[0].Life)
	require.Equal(t, Alive, locks[1].Life)
	require.Contains(t, locks[1].String(), "ada@here (pid 7) since 2026-01-02T03:04:05Z, running rollback to 3")
	require.Equal(t, Dead, locks[2].Life)

	dead, err := held(stack, locks)
	require.ErrorIs(t, err, ErrHeld)
	require.ErrorContains(t, err, "pid 7")
	require.NotContains(t, err.Error(), "pid 6")
	require.Len(t, dead, 2)
	require.ErrorIs(t, Break(t.Context(), stack, locks[1:2]), ErrHeld)
	require.NoError(t, Break(t.Context(), stack, dead))
	locks, err = list(t.Context(), stack, here)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	require.Equal(t, 7, locks[0].PID)
}

func TestLeasesOfTheKilledAreSwept(t *testing.T) {
	stack := open(t)
	lease := func(pid int, host, machine string) Lease {
		l := Lease{PID: pid, Host: host, Machine: machine, Boot: "b1", Space: "s1", Since: taken, Renewed: taken}
		put(t, stack, leaseKey(stack, l), l)
		return l
	}
	lease(6, "here", "m1")
	running, locked, elsewhere := lease(7, "here", "m1"), lease(5, "here", "m1"), lease(6, "there", "m2")
	put(t, stack, stack.LockDir()+"/a.json", map[string]any{"pid": 5, "hostname": "here", "timestamp": taken})
	require.NoError(t, sweep(t.Context(), stack, here))
	left, err := readLeases(t.Context(), stack)
	require.NoError(t, err)
	require.ElementsMatch(t, []Lease{running, locked, elsewhere}, left)
}

func TestLeaseLastsAsLongAsItsUpdate(t *testing.T) {
	stack := open(t)
	release := Hold(t.Context(), stack, 4711, "up", func(err error) { t.Error(err) })
	var leases []Lease
	require.Eventually(t, func() bool {
		var err error
		leases, err = readLeases(t.Context(), stack)
		return err == nil && len(leases) == 1
	}, time.Minute, time.Millisecond)
	require.Equal(t, 4711, leases[0].PID)
	require.Equal(t, "up", leases[0].Doing)
	release()
	leases, err := readLeases(t.Context(), stack)
	require.NoError(t, err)
	require.Empty(t, leases)
}

// Whoever started a process that was killed has its lock left, and the lease is
// all that can prove whose it was.
func TestLeaseOutlivesAProcessThatLeftItsLock(t *testing.T) {
	stack := open(t)
	host, err := os.Hostname()
	require.NoError(t, err)
	const pid = 1 << 30
	release := Hold(t.Context(), stack, pid, "up", func(err error) { t.Error(err) })
	require.Eventually(t, func() bool {
		leases, err := readLeases(t.Context(), stack)
		return err == nil && len(leases) == 1
	}, time.Minute, time.Millisecond)
	put(t, stack, stack.LockDir()+"/a.json", map[string]any{"pid": pid, "hostname": host, "timestamp": time.Now()})
	release()
	locks, err := List(t.Context(), stack)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	require.NotNil(t, locks[0].Lease)
	require.Equal(t, Dead, locks[0].Life)
	require.NoError(t, Break(t.Context(), stack, locks))
	leases, err := readLeases(t.Context(), stack)
	require.NoError(t, err)
	require.Empty(t, leases)
}

// The real /proc: this test is a process that is no pulumi, and a program of
// that name is one.
func TestProcessesOfThisMachine(t *testing.T) {
	_, pulumi, found := findProcess(os.Getpid())
	require.True(t, found)
	require.False(t, pulumi)
	_, _, found = findProcess(1 << 30)
	require.False(t, found)

	name := t.TempDir() + "/pulumi"
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(sleep, name))
	cmd := exec.Command(name, "60")
	require.NoError(t, cmd.Start())
	begun, pulumi, found := findProcess(cmd.Process.Pid)
	require.True(t, found && pulumi)
	require.Less(t, time.Since(begun).Abs(), time.Hour, "the start time is nonsense: %s", begun)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	_, _, found = findProcess(cmd.Process.Pid)
	require.False(t, found)
}

// A lock that is being written is not one whose holder died in the middle.
func TestAHalfWrittenLockIsWaitedFor(t *testing.T) {
	stack := open(t)
	half, whole := stack.LockDir()+"/a.json.1f.tmp", stack.LockDir()+"/a.json"
	require.NoError(t, stack.Write(t.Context(), half, []byte(`{"pid":`)))
	files := filepath.Join(stack.Directory(), filepath.FromSlash(half))
	renamed := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		renamed <- os.Rename(files, strings.TrimSuffix(files, ".1f.tmp"))
	}()
	locks, err := list(t.Context(), stack, here)
	require.NoError(t, <-renamed)
	require.NoError(t, err)
	require.Empty(t, locks, "it was called dead, and would have been removed")

	locks, err = list(t.Context(), stack, here)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	require.Equal(t, Dead, locks[0].Life, "nobody is writing it: %s is as short as before", whole)
}
