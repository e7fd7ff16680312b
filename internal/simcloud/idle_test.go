package simcloud

import (
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheEngineIsBusyWhileAnythingBelowItRuns(t *testing.T) {
	require.False(t, busy(), "nobody is asked")
	t.Cleanup(func() { EngineProcess = 0 })
	spinning := exec.Command("sh", "-c", "sh -c 'while :; do :; done' & wait")
	spinning.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, spinning.Start())
	end := sync.OnceFunc(func() { _ = syscall.Kill(-spinning.Process.Pid, syscall.SIGKILL) })
	t.Cleanup(func() { end(); _ = spinning.Wait() })
	EngineProcess = spinning.Process.Pid
	require.Eventually(t, busy, time.Minute, look)
	end()
	require.Eventually(t, func() bool { return !busy() }, time.Minute, look)
}
