package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// process writes what measure reads of one process; memory is in kB.
func process(t *testing.T, proc string, pid int, group string, pss, rss, utime, stime int) {
	t.Helper()
	dir := filepath.Join(proc, fmt.Sprint(pid))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, text := range map[string]string{
		"cgroup":       "4:memory:" + group + "\n0::/\n",
		"smaps_rollup": fmt.Sprintf("55f0-7ffd ---p 00000000 00:00 0 [rollup]\nRss: %8d kB\nPss: %8d kB\nPss_Dirty: 1 kB\nSwapPss: 0 kB\n", rss, pss),
		"stat":         fmt.Sprintf("%d (a) b) S 1 2 3 4 5 6 7 8 9 10 %d %d 13\n", pid, utime, stime),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
}

func TestMeasureTellsSharedMemoryFromResident(t *testing.T) {
	proc := t.TempDir()
	process(t, proc, 10, "/slipway/system", 100, 150, 3, 4)
	process(t, proc, 11, "/slipway/node-1/kubepods/pod77/c", 200, 350, 10, 20)
	process(t, proc, 12, "/slipway/node-1/kubepods/pod88/c", 20, 70, 1, 1)
	process(t, proc, 13, "/user.slice", 5000, 9000, 9, 9)
	process(t, proc, 15, "/slipway/node-1/kubepods/pod99/c", 30, 40, 2, 2)
	process(t, proc, 16, "/slipway/node-1/kubepods/pod77/exporter77", 5, 6, 1, 0)
	// Ended between the listing and the look: the kernel has no memory of it.
	process(t, proc, 14, "/slipway/system", 1, 1, 1, 1)
	require.NoError(t, os.Remove(filepath.Join(proc, "14", "smaps_rollup")))

	sums, err := measure(proc, map[string]string{"pod77": "platform", "exporter77": "observability", "pod99": "observability"})
	require.NoError(t, err)
	require.Equal(t, map[string]usage{
		"observability": {proportional: 35 << 10, resident: 46 << 10, ticks: 5},
		"lab":           {proportional: 120 << 10, resident: 220 << 10, ticks: 9},
		"platform":      {proportional: 200 << 10, resident: 350 << 10, ticks: 30},
	}, sums)
}

func TestAnExporterCountsToWhatWatches(t *testing.T) {
	require.Equal(t, map[string]string{
		"pod77": "platform", "exporter77": "observability", "pod88": "platform", "pod99": "observability",
	}, partsOf("pod77 slipway-database containerd://exporter77\npod88 slipway-api \n\npod99 slipway-monitoring \n"))
}

func TestMeasureRefusesWhatItCannotRead(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, proc string){
		"no process of the platform": func(t *testing.T, proc string) { require.NoError(t, os.RemoveAll(filepath.Join(proc, "11"))) },
		"no Pss": func(t *testing.T, proc string) {
			require.NoError(t, os.WriteFile(filepath.Join(proc, "10", "smaps_rollup"), []byte("Rss: 4 kB\n"), 0o600))
		},
		"a short stat": func(t *testing.T, proc string) {
			require.NoError(t, os.WriteFile(filepath.Join(proc, "10", "stat"), []byte("10 (a) S 1"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			process(t, proc, 10, "/slipway/system", 100, 150, 3, 4)
			process(t, proc, 11, "/slipway/pod77", 100, 150, 3, 4)
			spoil(t, proc)
			_, err := measure(proc, map[string]string{"pod77": "platform"})
			require.Error(t, err)
		})
	}
}

// The kernel's own account of this process adds up.
func TestUsageOfThisProcess(t *testing.T) {
	used, err := usageOf("/proc/self")
	require.NoError(t, err)
	require.Positive(t, used.proportional)
	require.LessOrEqual(t, used.proportional, used.resident)
}
