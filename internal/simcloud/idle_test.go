package simcloud

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheEngineIsBusyWhileAnythingBelowItRuns(t *testing.T) {
	require.False(t, busy(), "nobody is asked")
	t.Cleanup(func() { EngineProcess = 0 })
	spinning := exec.Command("sh", "-c", "sh -c 'while :; do :; done' & child=$!; trap 'kill $child' TERM; wait")
	require.NoError(t, spinning.Start())
	t.Cleanup(func() { _ = spinning.Wait() })
	EngineProcess = spinning.Process.Pid
	require.Eventually(t, busy, time.Minute, look)
	require.NoError(t, spinning.Process.Signal(syscall.SIGTERM))
	require.Eventually(t, func() bool { return !busy() }, time.Minute, look)
}
