package toolchain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"

	"slipway.dev/slipway/internal/machine"
)

// ErrNoRoom is returned, before anything is built, when the machine has too
// little disk or memory.
var ErrNoRoom = errors.New("too little room to build")

// lanes is how many tools are built at once. A build keeps all cores busy most
// of the time, but links on one; a second fills that gap, where there is memory
// for two links.
func lanes(cores int, memory uint64) int {
	const each = 4 * machine.GiB
	return int(max(1, min(uint64(max(1, cores)), memory/each))) //nolint:gosec // at most the cores
}

// Lanes is how many tools Ensure builds at once on this machine.
func Lanes() int {
	memory, err := machine.ReadMemory()
	if err != nil {
		return 1
	}
	return lanes(runtime.NumCPU(), memory.Available)
}

// need is what a build will take from a directory's disk, in MiB.
type need struct {
	what, dir string
	mib       int
}

const (
	// slack is what a disk should keep for everything else.
	slack = 500
	// moduleMiB is what the source of all pinned modules takes.
	moduleMiB = 5600
	// programMiB bounds the size of one built program, written twice while its
	// link is copied into place.
	programMiB = 700
)

// checkRoom compares what building the tools takes with what the machine has.
func (c *Chain) checkRoom(ctx context.Context, tools ...tool) error {
	g, err := c.golang(ctx)
	if err != nil {
		return err
	}
	compiled, link := 0, 0
	for _, t := range tools {
		compiled += t.cold
		link = max(link, t.linkMemory)
	}
	modules := moduleMiB
	if _, err := os.Stat(filepath.Join(g.Modules, k8sModule+"@"+c.pins.version(k8sModule))); err == nil {
		modules = 0 // the biggest is there, so the others are
	}
	// What the build cache holds already need not be made. It may be of other
	// work; then a full disk is found only when it is met.
	compiled = max(0, compiled-cacheMiB(g.Builds))
	faults := []error{
		checkDisks(machine.DiskOf, []need{
			{"compiled packages (GOCACHE)", g.Builds, compiled},
			{"module sources (GOMODCACHE)", g.Modules, modules},
			{"programs (SLIPWAY_CACHE)", c.cache, programMiB * min(len(tools), 4)},
		}),
	}
	memory, err := machine.ReadMemory()
	if err != nil {
		return err
	}
	faults = append(faults, checkMemory(memory, link))
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return nil
}

// checkDisks adds up what shares a disk, and reports every disk that is short.
func checkDisks(diskOf func(dir string) (machine.Disk, error), needs []need) error {
	type total struct {
		free, need int
		what       string
	}
	var faults []error
	totals := map[any]*total{}
	var order []*total
	for _, n := range needs {
		disk, err := diskOf(n.dir)
		if err != nil {
			return err
		}
		if disk.ReadOnly {
			faults = append(faults, fmt.Errorf("%s, for %s, is on a read-only file system", n.dir, n.what))
			continue
		}
		t, ok := totals[disk.ID]
		if !ok {
			t = &total{free: int(min(disk.Free>>20, math.MaxInt32)), need: slack}
			totals[disk.ID] = t
			order = append(order, t)
		}
		t.need += n.mib
		t.what += fmt.Sprintf("\n  %6d MiB for %s in %s", n.mib, n.what, n.dir)
	}
	for _, t := range order {
		if t.free < t.need {
			faults = append(faults, fmt.Errorf("%d MiB of disk are free, %d are needed:%s\nfree some, or move a directory to another disk with its variable",
				t.free, t.need, t.what))
		}
	}
	return errors.Join(faults...)
}

func checkMemory(memory machine.Memory, link int) error {
	if have := int(min(memory.Available>>20, math.MaxInt32)); have < link {
		return fmt.Errorf("%d MiB of memory are free, the largest link needs %d: close other programs or add swap", have, link)
	}
	return nil
}

// cacheMiB estimates the size of Go's build cache, whose entries are spread
// evenly over 256 directories, from four of them.
func cacheMiB(dir string) int {
	var bytes int64
	for _, shard := range []string{"00", "55", "aa", "ff"} {
		entries, err := os.ReadDir(filepath.Join(dir, shard))
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
	}
	return int(bytes * 64 >> 20)
}
