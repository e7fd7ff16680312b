// Command bench measures the running platform and the commands people wait
// for, prints the figures and, with -write, puts them into
// docs/benchmarks.md with machine and date.
//
// Machines differ and are shared: times are medians over several runs, and
// comparisons are ratios of pairs measured in the same run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// figure is one row of the result.
type figure struct {
	what, value, bar string
}

func main() {
	write := flag.Bool("write", false, "write docs/benchmarks.md")
	runs := flag.Int("runs", 3, "runs of each timed command")
	rest := flag.Duration("rest", 60*time.Second, "how long the platform is watched at rest")
	load := flag.Duration("load", 15*time.Second, "how long each load runs")
	cold := flag.Bool("from-nothing", false, "measure make up with every cache empty instead, which takes long")
	only := flag.String("only", "", "measure these parts alone and write nothing, as a,b: "+strings.Join(names(), ", "))
	flag.Parse()
	chosen, err := choose(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{runs: *runs, rest: *rest, load: *load, parts: chosen}
	target, measure := "bench", b.run
	if *cold {
		target, measure = "bench-from-nothing", b.fromNothing
	}
	// A page with some of the figures would look like one with all.
	if err := b.publish(ctx, target, measure, *write && *only == ""); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// publish measures, prints the figures and, when told to, writes them where the
// page has a place for this make target's.
func (b *bench) publish(ctx context.Context, target string, measure func(context.Context, string) error, write bool) error {
	checkout, err := harness.Checkout()
	if err != nil {
		return err
	}
	if err := measure(ctx, checkout); err != nil {
		// What was measured until then took long enough.
		fmt.Println(b.markdown(target))
		return err
	}
	text := b.markdown(target)
	fmt.Println(text)
	if !write {
		return nil
	}
	return update(filepath.Join(checkout, "docs", "benchmarks.md"), target, text)
}

type bench struct {
	runs     int
	rest     time.Duration
	load     time.Duration
	platform *harness.Platform
	figures  []figure
	parts    []part
	// answered is how many one-row reads a second came through Traefik at full
	// speed; 0 until it was measured.
	answered float64
}

// part is some of the benchmark that can be asked for alone.
type part struct {
	name    string
	measure func(*bench, context.Context) error
}

// parts are all there are, in order: the last but one takes the lab down.
var parts = []part{
	{"commands", (*bench).commands}, {"rest", (*bench).atRest}, {"requests", (*bench).requests},
	{"service", (*bench).service}, {"watching", (*bench).watching}, {"redaction", (*bench).redaction}, {"records", (*bench).records}, {"policies", (*bench).policies},
	{"starts", (*bench).starts}, {"cloud", (*bench).cloud},
}

func names() []string {
	var all []string
	for _, s := range parts {
		all = append(all, s.name)
	}
	return all
}

// choose finds the named steps; all of them where none is named.
func choose(only string) ([]part, error) {
	if only == "" {
		return parts, nil
	}
	var chosen []part
	for _, name := range strings.Split(only, ",") {
		i := slices.Index(names(), name)
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q; there are: %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

func (b *bench) add(what, value, bar string) {
	b.figures = append(b.figures, figure{what, value, bar})
	fmt.Fprintf(os.Stderr, "%-60s %s\n", what, value)
}

func (b *bench) run(ctx context.Context, _ string) error {
	var err error
	if b.platform, err = harness.Up(ctx); err != nil {
		return err
	}
	for _, step := range b.parts {
		if err := step.measure(b, ctx); err != nil {
			return fmt.Errorf("measuring %s: %w", step.name, err)
		}
	}
	return nil
}

// commands times what a person runs against an unchanged platform.
func (b *bench) commands(ctx context.Context) error {
	for _, c := range []struct {
		what, bar string
		args      []string
	}{
		{"no-op update, program unchanged", "5 s", []string{"update"}},
		{"preview, program unchanged", "5 s", []string{"preview"}},
	} {
		took, err := b.timed(nil, b.slipway(ctx, c.args...))
		if err != nil {
			return err
		}
		b.add(c.what, seconds(took), c.bar)
	}
	return nil
}

// starts takes the lab down and measures the way back, after everything that
// asks the running platform.
func (b *bench) starts(ctx context.Context) error {
	down := b.slipway(ctx, "down")
	if err := down(); err != nil {
		return err
	}
	if err := b.labAlone(ctx); err != nil {
		return err
	}
	lab, err := b.timed(down, b.slipway(ctx, "lab", "up"))
	if err != nil {
		return err
	}
	b.add("lab with the platform on it, from down to nodes ready and DNS answering", seconds(lab), "")
	up, err := b.timed(down, b.slipway(ctx, "up"))
	if err != nil {
		return err
	}
	b.add("make up, everything built, lab down: first 200 over HTTPS", seconds(up), "120 s")
	return nil
}

// labAlone measures the start of a lab that holds nothing, in directories of its
// own, while the machine's lab is down.
func (b *bench) labAlone(ctx context.Context) (err error) {
	// Socket paths are short: the kernel takes 107 characters.
	dir, err := os.MkdirTemp("/var/tmp", "lab")
	if err != nil {
		return fmt.Errorf("making directories for a lab: %w", err)
	}
	environment := append(os.Environ(), paths.StateEnv+"="+filepath.Join(dir, "s"), paths.RunEnv+"="+filepath.Join(dir, "r"))
	lab := func(ctx context.Context, args ...string) error {
		cli := filepath.Join(b.platform.Checkout, ".slipway", "bin", "slipway")
		_, err := run(ctx, b.platform.Checkout, environment, io.Discard, cli, append([]string{"lab"}, args...)...)
		return err
	}
	defer func() {
		down := lab(context.WithoutCancel(ctx), "down", "--purge")
		if down == nil { // else something may still run there
			down = os.RemoveAll(dir)
		}
		err = errors.Join(err, down)
	}()
	// The first start unpacks the images, which a lab that was down has.
	if err := lab(ctx, "up"); err != nil {
		return err
	}
	took, err := b.timed(
		func() error { return lab(ctx, "down") },
		func() error { return lab(ctx, "up") })
	if err != nil {
		return err
	}
	b.add("lab alone, from down to nodes ready and DNS answering", seconds(took), "15 s")
	return nil
}

// timed runs what is measured b.runs times, each after prepare.
func (b *bench) timed(prepare, measured func() error) ([]time.Duration, error) {
	var took []time.Duration
	for range b.runs {
		if prepare != nil {
			if err := prepare(); err != nil {
				return nil, err
			}
		}
		start := time.Now()
		if err := measured(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// slipway is a command of the checkout's CLI.
func (b *bench) slipway(ctx context.Context, args ...string) func() error {
	return func() error {
		_, err := harness.Slipway(ctx, b.platform.Checkout, args...)
		return err
	}
}

func seconds(runs []time.Duration) string {
	slices.Sort(runs)
	return fmt.Sprintf("%.1f s (%.1f to %.1f, %d runs)",
		median(runs).Seconds(), runs[0].Seconds(), runs[len(runs)-1].Seconds(), len(runs))
}

func median[T any](sorted []T) T { return sorted[len(sorted)/2] }

func (b *bench) markdown(target string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured %s by `make %s` on %s.\n\n", time.Now().UTC().Format(time.DateOnly), target, machine())
	wide := [3]int{len("what"), len("measured"), len("bar")}
	for _, f := range b.figures {
		wide[0], wide[1], wide[2] = max(wide[0], len(f.what)), max(wide[1], len(f.value)), max(wide[2], len(f.bar))
	}
	row := func(cells ...string) {
		for i, cell := range cells {
			fmt.Fprintf(&text, "| %-*s ", wide[i], cell)
		}
		text.WriteString("|\n")
	}
	row("what", "measured", "bar")
	row(strings.Repeat("-", wide[0]), strings.Repeat("-", wide[1]), strings.Repeat("-", wide[2]))
	for _, f := range b.figures {
		row(f.what, f.value, f.bar)
	}
	return text.String()
}

// update replaces the part of the page that target measured and leaves the rest.
func update(path, target, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the benchmarks page: %w", err)
	}
	begin, end := fmt.Sprintf("<!-- make %s: begin -->\n", target), fmt.Sprintf("<!-- make %s: end -->\n", target)
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the figures (%q … %q)", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	if err := os.WriteFile(path, []byte(before+begin+text+end+after), 0o644); err != nil {
		return fmt.Errorf("writing the benchmarks page: %w", err)
	}
	return nil
}
