//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/tests/harness"
)

func TestAChangeMadeByHandIsFoundAndUndone(t *testing.T) {
	healthy(t)
	_, err := live.Kubectl(within(t, time.Minute), "patch", "pdb", "api", "-n", harness.API, "--type=merge", "-p", `{"spec":{"maxUnavailable":2}}`)
	require.NoError(t, err)
	out, err := harness.Slipway(within(t, 5*time.Minute), live.Checkout, "refresh")
	require.NoError(t, err, out)
	out, err = harness.Slipway(within(t, 5*time.Minute), live.Checkout, "preview")
	require.NoError(t, err, out)
	require.Regexp(t, changes, out, "the preview does not show the change made by hand")
	out, err = harness.Slipway(within(t, 10*time.Minute), live.Checkout, "up")
	require.NoError(t, err, out)
	value, err := live.Kubectl(within(t, time.Minute), "get", "pdb", "api", "-n", harness.API, "-o", "jsonpath={.spec.maxUnavailable}")
	require.NoError(t, err)
	require.Equal(t, "1", value)
}

// TestAStoppedUpdateIsContinued stops `up` at several moments, by Ctrl-C, by
// killing all of it, and by killing pulumi under it; each time the next `up` must need no help.
func TestAStoppedUpdateIsContinued(t *testing.T) {
	healthy(t)
	id := store(t, "before the update was stopped", 1)
	// Seeded, so that a failure can be repeated.
	draw := rand.New(rand.NewPCG(2026, 11))
	for range stops {
		for _, how := range []struct {
			name  string
			stop  func(t *testing.T, up *exec.Cmd)
			clean bool
		}{{"Ctrl-C", interrupt, true}, {"kill -9", kill, false}, {"kill -9 of pulumi alone", killEngine, false}} {
			after := time.Duration(1000+draw.IntN(8000)) * time.Millisecond
			// Something to do: an object taken away that the update must bring back.
			_, err := live.Kubectl(within(t, 2*time.Minute), "delete", "deployment", "api", "-n", harness.API, "--wait=true")
			require.NoError(t, err)
			out, err := harness.Slipway(within(t, 5*time.Minute), live.Checkout, "refresh")
			require.NoError(t, err, out)
			stopped(t, after, how.stop, how.clean)
			t.Logf("%s after %s", how.name, after)
			out, err = harness.Slipway(within(t, 10*time.Minute), live.Checkout, "up")
			require.NoError(t, err, "after %s at %s:\n%s", how.name, after, out)
			healthy(t)
		}
	}
	res := ask(t, "GET", "/v1/items/"+id, nil, nil)
	require.Equal(t, 200, res.status)
}

// stopped runs `up` in a session of its own and stops it after a while. Ctrl-C
// leaves no process. What a kill leaves, plugins whose engine is gone, ends by
// itself within minutes; the test does not wait for that.
func stopped(t *testing.T, after time.Duration, stop func(*testing.T, *exec.Cmd), clean bool) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), "up")
	cmd.Dir = live.Checkout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, cmd.Start())
	time.Sleep(after)
	stop(t, cmd)
	require.Error(t, cmd.Wait(), "the update ended before it was stopped")
	require.NoError(t, eventually(within(t, time.Minute), func() error {
		left := session(t, cmd.Process.Pid)
		if !clean {
			for pid := range left {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("processes %v are left", left)
		}
		return nil
	}))
}

// interrupt does what a terminal does at Ctrl-C: it tells the foreground group.
func interrupt(t *testing.T, up *exec.Cmd) {
	t.Helper()
	require.NoError(t, syscall.Kill(-up.Process.Pid, syscall.SIGINT))
}

// kill ends all that the command started, whatever group it made for itself.
func kill(t *testing.T, up *exec.Cmd) {
	t.Helper()
	for pid := range session(t, up.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// killEngine waits for pulumi to update, and kills nothing else.
func killEngine(t *testing.T, up *exec.Cmd) {
	t.Helper()
	require.NoError(t, eventually(within(t, time.Minute), func() error {
		for pid, command := range session(t, up.Process.Pid) {
			if strings.Contains(command, "pulumi up ") {
				return syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return errors.New("pulumi has not begun")
	}))
}

// session maps the processes of a session to their command lines. ps fails
// when there are none.
func session(t *testing.T, leader int) map[int]string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), "ps", "-ww", "-s", strconv.Itoa(leader), "-o", "pid=,args=").Output()
	found := map[int]string{}
	for line := range strings.Lines(string(out)) {
		number, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		pid, err := strconv.Atoi(number)
		require.NoError(t, err, line)
		found[pid] = command
	}
	return found
}

// TestAClusterThatVanishesIsNamed takes the API server away in the middle of an
// update and keeps it away: the update must end by itself, say so, and leave
// what the next `up` continues from.
func TestAClusterThatVanishesIsNamed(t *testing.T) {
	healthy(t)
	_, err := live.Kubectl(within(t, 2*time.Minute), "delete", "deployment", "api", "-n", harness.API, "--wait=true")
	require.NoError(t, err)
	out, err := harness.Slipway(within(t, 5*time.Minute), live.Checkout, "refresh")
	require.NoError(t, err, out)
	// No node takes a pod, so that the update waits until it is stopped.
	_, err = live.Kubectl(within(t, time.Minute), "cordon", "-l", "kubernetes.io/os=linux")
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		out, err := harness.Slipway(ctx, live.Checkout, "lab", "up")
		require.NoError(t, err, out)
		_, err = live.Kubectl(ctx, "uncordon", "-l", "kubernetes.io/os=linux")
		require.NoError(t, err)
		out, err = harness.Slipway(ctx, live.Checkout, "up")
		require.NoError(t, err, out)
		require.NoError(t, harness.Eventually(ctx, time.Second, live.Healthy))
	})
	var said lockedBuffer
	cmd := exec.CommandContext(within(t, 10*time.Minute), filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), "update")
	cmd.Dir, cmd.Stdout, cmd.Stderr = live.Checkout, &said, &said
	require.NoError(t, cmd.Start())
	require.NoError(t, eventually(within(t, 3*time.Minute), func() error {
		if !strings.Contains(said.String(), "0/2 Pods available") {
			return errors.New("the update does not wait for the deployment:\n" + said.String())
		}
		return nil
	}))
	raw, err := harness.Slipway(within(t, time.Minute), live.Checkout, "lab", "status", "-o", "json")
	require.NoError(t, err)
	var status lab.Status
	require.NoError(t, json.Unmarshal([]byte(raw), &status))
	for _, c := range status.Components {
		if c.Name == "apiserver" {
			require.NoError(t, syscall.Kill(c.PID, syscall.SIGKILL))
		}
	}
	require.Error(t, cmd.Wait(), "the update succeeded without a cluster")
	require.Contains(t, said.String(), "the cluster does not answer")
	require.Contains(t, said.String(), "slipway lab up")
}

// lockedBuffer is read while a command writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
