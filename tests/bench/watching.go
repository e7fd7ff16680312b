package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/prometheus"
	"slipway.dev/slipway/internal/toolchain"
	"slipway.dev/slipway/tests/harness"
)

// watching measures how late the platform knows of itself: a line of a log in
// the archive, a sample in an answer, a fault in an alert.
func (b *bench) watching(ctx context.Context) error {
	if err := b.lines(ctx); err != nil {
		return err
	}
	tools, err := toolchain.Open(b.platform.Checkout)
	if err != nil {
		return err
	}
	stack, err := platform.OpenStack(b.platform.Checkout, platform.Local, tools)
	if err != nil {
		return err
	}
	forward := stack.Prometheus()
	defer forward.Close()
	client := prometheus.New(forward, 0)
	if err := b.samples(ctx, client); err != nil {
		return err
	}
	return b.alert(ctx, client)
}

// Lines that one pod writes, and how many of them a second.
const (
	lineCount = 1000
	lineRate  = 50
)

// lines has a pod of the service write lines that say when they were written,
// and watches the node's archive for them. Node and bench are one machine, with
// one clock.
func (b *bench) lines(ctx context.Context) error {
	pods, err := b.platform.Pods(ctx, harness.API, "app.kubernetes.io/name=api,app.kubernetes.io/component=web")
	if err != nil {
		return err
	}
	ready := slices.IndexFunc(pods, harness.Pod.Ready)
	if ready < 0 {
		return errors.New("no pod of the service is ready")
	}
	mark := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	program := fmt.Sprintf(`
import time
with open("/proc/1/fd/1", "w") as out:
    for i in range(%d):
        out.write("%s %%d %%d\n" %% (i, time.time_ns()))
        out.flush()
        time.sleep(1 / %d)
`, lineCount, mark, lineRate)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	wrote := make(chan error, 1)
	go func() {
		_, err := b.platform.Kubectl(ctx, "exec", "-n", harness.API, pods[ready].Metadata.Name, "--", "python", "-c", program)
		wrote <- err
	}()
	late, err := arrivals(ctx, filepath.Join(paths.Lab(), "nodes", pods[ready].Spec.NodeName, "collector", "archive"), mark)
	if err != nil {
		return errors.Join(err, <-wrote)
	}
	if err := <-wrote; err != nil {
		return err
	}
	slices.Sort(late)
	b.add("log line to archive, "+strconv.Itoa(lineRate)+" lines/s",
		fmt.Sprintf("p50 %s, p99 %s (%d lines)", short(median(late)), short(quantile(late, 0.99)), len(late)), "")
	return nil
}

// arrivals polls the files of an archive and returns how old each marked line was
// when it was first seen.
func arrivals(ctx context.Context, archive, mark string) ([]time.Duration, error) {
	line := regexp.MustCompile(regexp.QuoteMeta(mark) + ` (\d+) (\d+)`)
	read, seen, late := map[string]int64{}, map[string]bool{}, []time.Duration(nil)
	for len(late) < lineCount {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d lines came into %s: %w", len(late), lineCount, archive, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
		files, err := filepath.Glob(filepath.Join(archive, "*.jsonl"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			content, err := from(file, read[file])
			if err != nil {
				continue // it was rotated away
			}
			now := time.Now()
			// The last line may not be there whole.
			content = content[:bytes.LastIndexByte(content, '\n')+1]
			read[file] += int64(len(content))
			for _, match := range line.FindAllSubmatch(content, -1) {
				number, written := string(match[1]), string(match[2])
				if seen[number] {
					continue
				}
				seen[number] = true
				nanos, err := strconv.ParseInt(written, 10, 64)
				if err != nil {
					return nil, err
				}
				late = append(late, now.Sub(time.Unix(0, nanos)))
			}
		}
	}
	return late, nil
}

// from reads a file from an offset to its end.
func from(path string, offset int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	content := make([]byte, max(info.Size()-offset, 0))
	n, err := file.ReadAt(content, offset)
	if n < len(content) && err != nil {
		return nil, err
	}
	return content, nil
}

// samples asks how old the newest sample of the service is, at moments that have
// nothing to do with the scrapes.
func (b *bench) samples(ctx context.Context, client *prometheus.Client) error {
	var ages []time.Duration
	for range 20 {
		now := time.Now()
		series, err := client.Instant(ctx, `max(timestamp(up{job="api"}))`, now)
		if err != nil {
			return err
		}
		if len(series) != 1 {
			return errors.New("nothing is known of the service's job")
		}
		ages = append(ages, now.Sub(time.UnixMilli(int64(series[0].Samples[0].Value*1000))))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(1700 * time.Millisecond):
		}
	}
	slices.Sort(ages)
	b.add("age of the newest sample in an answer", fmt.Sprintf("median %s, at most %s (%d questions)",
		short(median(ages)), short(ages[len(ages)-1]), len(ages)), "")
	return nil
}

// alert takes the service away and waits for the alert that says so.
func (b *bench) alert(ctx context.Context, client *prometheus.Client) (err error) {
	scale := func(ctx context.Context, replicas string) error {
		_, err := b.platform.Kubectl(ctx, "scale", "deployment/api", "-n", harness.API, "--replicas="+replicas)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		err = errors.Join(err, scale(ctx, "2"), harness.Eventually(ctx, time.Second, b.platform.Healthy))
	}()
	begun := time.Now()
	if err := scale(ctx, "0"); err != nil {
		return err
	}
	var active time.Time
	if err := harness.Eventually(ctx, 250*time.Millisecond, func(ctx context.Context) error {
		alerts, err := client.Alerts(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(alerts, func(a prometheus.Alert) bool {
			return a.Labels["alertname"] == "ApiDown" && a.State == "firing"
		})
		if i < 0 {
			return errors.New("the alert does not fire")
		}
		active = alerts[i].ActiveAt
		return nil
	}); err != nil {
		return err
	}
	b.add("service scaled to nothing, to the alert firing",
		fmt.Sprintf("%s, of which %s until it was seen (one run)", short(time.Since(begun)), short(active.Sub(begun))), "")
	return nil
}

// quantile of sorted durations, by the nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// short is a duration to three digits.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
}
