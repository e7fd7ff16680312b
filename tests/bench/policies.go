package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/toolchain"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/tests/harness"
)

// judged is how many resources all rules are held against.
const judged = 1000

// policies measures what the policy pack costs: by itself, to start, and in an
// update.
func (b *bench) policies(ctx context.Context) error {
	if err := b.rules(); err != nil {
		return err
	}
	if err := b.packStart(ctx); err != nil {
		return err
	}
	return b.packInUpdates(ctx)
}

// rules asks every rule about resources that nobody has decoded before, on one
// core.
func (b *bench) rules() error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const runs = 10
	judge := rule.NewJudge(catalogue.Rules())
	limits := rule.DefaultLimits()
	var took []time.Duration
	for range runs {
		many, err := example.Many(judged)
		if err != nil {
			return fmt.Errorf("making resources to judge: %w", err)
		}
		stack := rule.NewStack(example.Stack, many...)
		runtime.GC()
		start := time.Now()
		judge.All(stack, limits)
		took = append(took, time.Since(start))
	}
	b.add(fmt.Sprintf("%d rules over %d resources, one core", len(judge.Rules()), judged), milliseconds(took), "100 ms")
	return nil
}

// packStart starts the compiled pack as the engine does, until it has said what
// its policies are.
func (b *bench) packStart(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the pack: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "pack")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./policies")
	build.Dir = b.platform.Checkout
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the policy pack: %w\n%s", err, out)
	}
	const runs = 10
	var took []time.Duration
	for range runs {
		once, err := b.startPack(ctx, program)
		if err != nil {
			return fmt.Errorf("starting the policy pack: %w", err)
		}
		took = append(took, once)
	}
	b.add("policy pack, compiled: start to first answer", milliseconds(took), "300 ms")
	return nil
}

func (b *bench) startPack(ctx context.Context, program string) (took time.Duration, err error) {
	start := time.Now()
	pack := exec.CommandContext(ctx, program)
	pack.Dir = filepath.Join(b.platform.Checkout, "policies")
	said, err := pack.StdoutPipe()
	if err != nil {
		return 0, err
	}
	pack.Stderr = os.Stderr
	if err := pack.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = pack.Process.Kill()
		_, _ = io.Copy(io.Discard, said)
		_ = pack.Wait() // it was killed
	}()
	port, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("reading the pack's port: %w", err)
	}
	connection, err := grpc.NewClient("127.0.0.1:"+strings.TrimSpace(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer func() { _ = connection.Close() }()
	client := pulumirpc.NewAnalyzerClient(connection)
	if _, err := client.Handshake(ctx, &pulumirpc.AnalyzerHandshakeRequest{RootDirectory: &pack.Dir}); err != nil {
		return 0, err
	}
	if _, err := client.ConfigureStack(ctx, &pulumirpc.AnalyzerStackConfigureRequest{Stack: platform.Local, Project: "slipway", DryRun: true}); err != nil {
		return 0, err
	}
	info, err := client.GetAnalyzerInfo(ctx, &emptypb.Empty{})
	if err != nil {
		return 0, err
	}
	took = time.Since(start)
	if len(info.GetPolicies()) == 0 {
		return 0, fmt.Errorf("the pack has no policies")
	}
	return took, nil
}

// packInUpdates compares updates under the pack with updates without, in pairs,
// since what else the machine does changes from minute to minute: updates that
// change nothing, and updates that roll the service out with another setting.
func (b *bench) packInUpdates(ctx context.Context) (err error) {
	tools, err := toolchain.Open(b.platform.Checkout)
	if err != nil {
		return err
	}
	stack, err := platform.OpenStack(b.platform.Checkout, platform.Local, tools)
	if err != nil {
		return err
	}
	defer func() {
		_, back := harness.Slipway(context.WithoutCancel(ctx), b.platform.Checkout, "up")
		err = errors.Join(err, back)
	}()
	update := func(packs ...string) (time.Duration, error) {
		var said bytes.Buffer
		start := time.Now()
		err := stack.Apply(ctx, &said, platform.Updating{Doing: "bench", Policies: packs})
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, said.Bytes())
		}
		return time.Since(start), err
	}
	pack := filepath.Join(b.platform.Checkout, "policies")
	level := 0
	for _, kind := range []struct {
		name   string
		before func() error
	}{
		{"no-op update", func() error { return nil }},
		{"update that rolls the service out", func() error {
			level++
			return setLogLevel(b.platform.Checkout, []string{"info", "debug"}[level%2])
		}},
	} {
		timed := func(packs ...string) (time.Duration, error) {
			if err := kind.before(); err != nil {
				return 0, err
			}
			return update(packs...)
		}
		var ratios []float64
		var took []time.Duration
		for range max(b.runs, 5) {
			without, err := timed()
			if err != nil {
				return err
			}
			with, err := timed(pack)
			if err != nil {
				return err
			}
			ratios, took = append(ratios, with.Seconds()/without.Seconds()), append(took, without)
		}
		slices.Sort(ratios)
		slices.Sort(took)
		b.add(kind.name+" with the policy pack, against one without",
			fmt.Sprintf("%+.0f %% (%+.0f to %+.0f, %d pairs; without %.1f s)", percent(median(ratios)), percent(ratios[0]),
				percent(ratios[len(ratios)-1]), len(ratios), median(took).Seconds()), "+5 %")
	}
	return nil
}

// setLogLevel changes the service's setting in what the engine reads of the local
// stack's settings, which the next `slipway up` writes anew.
func setLogLevel(checkout, level string) error {
	path := filepath.Join(checkout, ".slipway", "local", "Pulumi.local.yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	const above = "    host: api.slipway.test\n"
	text := regexp.MustCompile("(?m)^    logLevel: .*\n").ReplaceAllString(string(raw), "")
	changed := strings.Replace(text, above, above+"    logLevel: "+level+"\n", 1)
	if changed == text {
		return fmt.Errorf("%s: there is no line %q", path, strings.TrimSpace(above))
	}
	return os.WriteFile(path, []byte(changed), 0o600)
}

func percent(ratio float64) float64 { return 100 * (ratio - 1) }

func milliseconds(runs []time.Duration) string {
	slices.Sort(runs)
	return fmt.Sprintf("%.0f ms (%.0f to %.0f, %d runs)", median(runs).Seconds()*1000,
		runs[0].Seconds()*1000, runs[len(runs)-1].Seconds()*1000, len(runs))
}
