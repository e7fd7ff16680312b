package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"slipway.dev/slipway/tests/harness"
)

// usage is the memory and processor time of a set of processes.
//
// The bars are compared with proportional: what the machine would get back if
// the processes ended. The sum of what each has resident says something else,
// because it counts a page once for every process that maps it, and here
// three kubelets, three kube-proxies and the control plane run from one binary,
// whose code alone is some 100 MB. It is shown beside it, since that is what
// top and ps would add up to.
type usage struct {
	proportional int64 // bytes; a page that n processes map counts 1/n in each
	resident     int64 // bytes; a page that n processes map counts n times
	ticks        int64 // user and system time, in clock ticks
}

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for what it shows.
const ticksPerSecond = 100

// atRest watches the lab with the platform on it while nobody asks anything.
// The lab's own part is what would run without the platform: everything but
// the pods of namespaces other than kube-system. What watches it and keeps its
// logs is a part of its own.
func (b *bench) atRest(ctx context.Context) error {
	pods, err := b.pods(ctx)
	if err != nil {
		return err
	}
	before, err := measure("/proc", pods)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.rest):
	}
	after, err := measure("/proc", pods)
	if err != nil {
		return err
	}
	cores := func(part string) float64 {
		return float64(after[part].ticks-before[part].ticks) / ticksPerSecond / b.rest.Seconds()
	}
	for _, row := range []struct {
		what, memory, processor string
		used                    usage
		cores                   float64
	}{
		{"lab's own processes at rest", "1.5 GiB", "0.2 cores", after["lab"], cores("lab")},
		{"what watches and keeps logs, at rest", "0.59 GiB", "0.15 cores", after["observability"], cores("observability")},
		{
			"with the platform at rest", "4 GiB", "0.5 cores",
			after["lab"].plus(after["platform"]).plus(after["observability"]), cores("lab") + cores("platform") + cores("observability"),
		},
	} {
		b.add(row.what+", memory, shared pages once (sum of PSS)", gibibytes(row.used.proportional), row.memory)
		b.add(row.what+", memory, shared pages once per process (sum of RSS)", gibibytes(row.used.resident), "")
		b.add(row.what+", processor", fmt.Sprintf("%.2f cores", row.cores), row.processor)
	}
	return nil
}

func (u usage) plus(v usage) usage {
	return usage{u.proportional + v.proportional, u.resident + v.resident, u.ticks + v.ticks}
}

func gibibytes(n int64) string { return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30)) }

// pods are the ids of the platform's pods, and of the containers in them that
// watch the others, with the part that each counts to.
func (b *bench) pods(ctx context.Context) (map[string]string, error) {
	out, err := b.platform.Kubectl(ctx, "get", "pods", "-A", "--field-selector=metadata.namespace!=kube-system",
		"-o", `jsonpath={range .items[*]}{.metadata.uid} {.metadata.namespace} {.status.containerStatuses[?(@.name=="exporter")].containerID}{"\n"}{end}`)
	if err != nil {
		return nil, err
	}
	return partsOf(out), nil
}

// partsOf reads lines of a pod's id, its namespace, and the id of an exporter in it
// if there is one.
func partsOf(lines string) map[string]string {
	parts := map[string]string{}
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[1] {
		case harness.Monitoring, harness.Logging:
			parts[words[0]] = "observability"
		default:
			parts[words[0]] = "platform"
		}
		if len(words) > 2 {
			_, id, _ := strings.Cut(words[2], "://")
			parts[id] = "observability"
		}
	}
	return parts
}

// measure sums over every process in a control group of the lab's, as proc,
// which is /proc, has them.
func measure(proc string, pods map[string]string) (map[string]usage, error) {
	processes, err := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	sums := map[string]usage{}
	for _, dir := range processes {
		groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
		if err != nil || !bytes.Contains(groups, []byte("slipway")) {
			continue // gone since, or not the lab's
		}
		part, longest := "lab", 0
		for id, of := range pods {
			// A container's id is longer than that of its pod, and says more.
			if len(id) > longest && bytes.Contains(groups, []byte(id)) {
				part, longest = of, len(id)
			}
		}
		used, err := usageOf(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		sums[part] = sums[part].plus(used)
	}
	if sums["lab"].proportional == 0 || sums["platform"].proportional == 0 {
		return nil, fmt.Errorf("found no processes of the lab or the platform: %v", sums)
	}
	return sums, nil
}

// usageOf reads one process's directory in /proc. It takes root for those of
// others.
func usageOf(dir string) (usage, error) {
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return usage{}, fmt.Errorf("reading the memory of a process: %w", err)
	}
	var used usage
	for line := range strings.Lines(string(rollup)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "Pss":
			used.proportional = kib << 10
		case "Rss":
			used.resident = kib << 10
		}
	}
	if used.proportional <= 0 || used.resident < used.proportional {
		return usage{}, fmt.Errorf("%s/smaps_rollup has no Pss and Rss that make sense:\n%s", dir, rollup)
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, fmt.Errorf("reading the processor time of a process: %w", err)
	}
	// The command's name is in parentheses and may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime = 11, 12
	if len(fields) <= stime {
		return usage{}, fmt.Errorf("%s/stat ends early: %s", dir, stat)
	}
	for _, field := range fields[utime : stime+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("reading the processor time in %s/stat: %w", dir, err)
		}
		used.ticks += n
	}
	return used, nil
}

// machine says what was measured on, without naming it.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				model = strings.TrimSpace(strings.TrimLeft(name, "\t :"))
				break
			}
		}
	}
	memory := int64(0)
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(info)); len(fields) > 1 {
			memory, _ = strconv.ParseInt(fields[1], 10, 64)
		}
	}
	kernel := ""
	if raw, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel, _, _ = strings.Cut(string(raw), "-")
	}
	return fmt.Sprintf("a shared virtual machine, %d cores of %s, %d GiB, Linux %s", runtime.NumCPU(), model, memory>>20, strings.TrimSpace(kernel))
}
