package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/internal/toolchain"
	"slipway.dev/slipway/tests/harness"
)

// accessLines are how many records of the ingress a collector is given at once.
const accessLines = 100_000

// recordsPerRequest is how many records a request through Traefik leaves.
const recordsPerRequest = 2

// redaction measures what a collector spends on a record of the ingress, with
// the data-protection profile and without. It is the collector's own processor
// time: how long it takes depends on who else is there.
func (b *bench) redaction(ctx context.Context) error {
	tools, err := toolchain.Open(b.platform.Checkout)
	if err != nil {
		return err
	}
	program, err := tools.Path("collector")
	if err != nil {
		return err
	}
	var with, without []time.Duration
	var ratios []float64
	for range b.runs {
		off, err := collect(ctx, program, logging.Off)
		if err != nil {
			return err
		}
		on, err := collect(ctx, program, logging.Standard)
		if err != nil {
			return err
		}
		with, without, ratios = append(with, on/accessLines), append(without, off/accessLines), append(ratios, float64(on)/float64(off))
	}
	slices.Sort(with)
	slices.Sort(without)
	each := func(all []time.Duration) string {
		return fmt.Sprintf("%.0f µs", float64(median(all).Nanoseconds())/1000)
	}
	slices.Sort(ratios)
	if b.answered > 0 {
		// A record of Traefik's and one of the API's for each request, on cores that
		// have nothing left at full speed.
		share := recordsPerRequest * (median(with) - median(without)).Seconds() * b.answered / float64(runtime.NumCPU())
		b.add("redaction's share of the processors at full speed through Traefik", fmt.Sprintf("%.2f %%", 100*share), "2 %")
	}
	b.add("collector's processor time for a record, redacted", fmt.Sprintf("%s, as it is %s (ratio %.2f, %.2f to %.2f, %d pairs)",
		each(with), each(without), median(ratios), ratios[0], ratios[len(ratios)-1], len(ratios)), "")
	return nil
}

// collect has a collector store the access log of one pod, and returns its
// processor time.
func collect(ctx context.Context, program string, profile logging.Profile) (spent time.Duration, err error) {
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	places := logging.Places{Logs: filepath.Join(dir, "pods"), State: filepath.Join(dir, "state")}
	for _, address := range []*string{&places.Health, &places.Metrics} {
		if *address, err = harness.FreeAddress(); err != nil {
			return 0, err
		}
	}
	if err := writeAccessLog(places); err != nil {
		return 0, err
	}
	text, err := logging.Configuration(logging.Args{
		Image: "none", Profile: profile,
		Classes: []logging.Class{{Name: "access", Namespaces: []string{"slipway-ingress"}, Days: 1, DiskMiB: 512}, {Name: "system", Days: 1, DiskMiB: 512}},
	}, places)
	if err != nil {
		return 0, err
	}
	config := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, err
	}
	var said bytes.Buffer
	cmd := harness.Collector(ctx, program, config)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	waiting, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	stored := harness.Eventually(waiting, 100*time.Millisecond, func(context.Context) error {
		return lastStored(places.ArchiveDir())
	})
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if stored != nil {
		return 0, fmt.Errorf("waiting for the collector: %w\n%s", stored, said.String())
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// writeAccessLog writes what a container runtime keeps of Traefik's.
func writeAccessLog(places logging.Places) error {
	pod := filepath.Join(places.Logs, "slipway-ingress_traefik-abcde_0a1b2c3d-0000-4000-8000-000000000000", "traefik")
	if err := os.MkdirAll(pod, 0o755); err != nil {
		return err
	}
	var log bytes.Buffer
	at := time.Now().UTC()
	for i := range accessLines {
		fmt.Fprintf(&log, `%s stdout F {"DownstreamContentSize":112,"DownstreamStatus":200,"Duration":2%06d,"RequestHost":"api.slipway.test",`+
			`"RequestMethod":"GET","RequestPath":"/v1/items/0193f2a4-7c1e-7b3a-9d55-%012d?verbose=1","RequestProtocol":"HTTP/2.0","RouterName":"api@kubernetescrd",`+
			`"ServiceName":"api","TLSVersion":"1.3","level":"info","msg":"","number":"n%d","time":%q}`+"\n",
			at.Add(time.Duration(i)*time.Microsecond).Format(time.RFC3339Nano), i%1_000_000, i, i, at.Format(time.RFC3339))
	}
	return os.WriteFile(filepath.Join(pod, "0.log"), log.Bytes(), 0o640)
}

// lastStored fails unless the newest segments hold the last line. Segments that
// are finished are compressed and hold earlier ones.
func lastStored(archive string) error {
	files, err := filepath.Glob(filepath.Join(archive, "access*.jsonl"))
	if err != nil {
		return err
	}
	last := []byte(fmt.Sprintf(`"n%d"`, accessLines-1))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil && (bytes.Contains(content, last) || bytes.Contains(content, []byte(strings.ReplaceAll(string(last), `"`, `\"`)))) {
			return nil
		}
	}
	return fmt.Errorf("the last of %d lines is not stored", accessLines)
}
