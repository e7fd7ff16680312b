package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFailuresAreToldOnce(t *testing.T) {
	s := newStack(t)
	for scenario, want := range map[string]string{
		"error": "the moon is in the wrong house",
		"panic": "program exited with code 2",
		"exit":  "program exited with code 3",
		"dance": `there is no scenario "dance"`,
	} {
		t.Run(scenario, func(t *testing.T) {
			s.set("scenario", scenario)
			out, ok := s.run("up", "--yes", "--skip-preview")
			assert.False(t, ok)
			said := diagnostics(t, out)
			assert.Equal(t, 1, strings.Count(said, want), said)
			assert.Equal(t, 1, strings.Count(said, "error:"), said)
			assert.Empty(t, s.resources())
		})
	}
}

func TestProgramThatDoesNotCompile(t *testing.T) {
	s := newStack(t)
	dir := filepath.Join(t.TempDir(), "module")
	require.NoError(t, os.CopyFS(dir, os.DirFS(bench.module)))
	source := filepath.Join(dir, "program", "main.go")
	content, err := os.ReadFile(source)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(source, append(content, "func broken() { return nil }\n"...), 0o600))
	project, err := os.ReadFile(filepath.Join(s.dir, "Pulumi.yaml"))
	require.NoError(t, err)
	project = []byte(strings.ReplaceAll(string(project), bench.module, dir))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "Pulumi.yaml"), project, 0o600))

	out, ok := s.run("preview")
	assert.False(t, ok)
	said := diagnostics(t, out)
	assert.Equal(t, 1, strings.Count(said, "error:"), said)
	assert.Equal(t, 1, strings.Count(said, "too many return values"), said)
	assert.Regexp(t, `main\.go:\d+:\d+`, said)
}

func TestNothingOutlivesTheEngine(t *testing.T) {
	for title, signal := range map[string]syscall.Signal{
		"Ctrl-C": syscall.SIGINT, "kill": syscall.SIGTERM, "kill -9": syscall.SIGKILL,
	} {
		t.Run(title, func(t *testing.T) {
			s := newStack(t)
			pids := filepath.Join(t.TempDir(), "pids")
			s.set("scenario", "hang")
			s.set("pids", pids)
			cmd := s.command("preview")
			require.NoError(t, cmd.Start())
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()

			var program, child int
			eventually(t, "the program to start", func() bool {
				content, err := os.ReadFile(pids)
				if err != nil {
					return false
				}
				_, err = fmt.Sscan(string(content), &program, &child)
				return err == nil
			})
			require.True(t, alive(program) && alive(child), "the program ended by itself")
			host := parent(t, program)
			require.NoError(t, cmd.Process.Signal(signal))
			for _, pid := range []int{program, child, host} {
				eventually(t, fmt.Sprintf("process %d to end", pid), func() bool { return !alive(pid) })
			}
			require.Error(t, <-ended)
		})
	}
}

// eventually waits long enough for any machine; it ends at once when done.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 1200 {
		if done() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited two minutes for %s", what)
}

// alive tells whether a process runs; one that only waits for its parent to
// take note of its end does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(stat), ") ")
	var state string
	var ppid int
	_, err = fmt.Sscan(after, &state, &ppid)
	require.NoError(t, err)
	return ppid
}
