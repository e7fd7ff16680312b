package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"slipway.dev/slipway/internal/rehearsal"
	"slipway.dev/slipway/internal/rehearsal/sample"
	"slipway.dev/slipway/internal/toolchain"
)

// records is the number of records that the sample has at 1x.
const records = 170

// cloud measures previews and updates of prod in the simulated AWS, and how
// their cost grows with the number of resources.
func (b *bench) cloud(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return fmt.Errorf("making a directory for the plugins: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	like, err := simulation(ctx, b.platform.Checkout, dir)
	if err != nil {
		return err
	}
	prod := *like
	prod.Project, prod.Stack = b.platform.Checkout, "prod"
	if err := prod.Meant(); err != nil {
		return err
	}
	var previews, noOps []time.Duration
	resources := 0
	for range b.runs {
		speed, err := prod.Measure(ctx)
		if err != nil {
			return err
		}
		previews, noOps, resources = append(previews, speed.Preview), append(noOps, speed.NoOp), speed.Resources
	}
	b.add(fmt.Sprintf("SIMULATED: first preview of prod, %d resources", resources), seconds(previews), "10 s")
	b.add("SIMULATED: no-op update of prod", seconds(noOps), "8 s")

	module := filepath.Join(dir, "module")
	if err := sample.Module(b.platform.Checkout, module); err != nil {
		return err
	}
	for _, times := range []int{1, 4, 16} {
		// The engine writes the whole state after every step, which costs as much
		// again for each resource: at 16x that alone takes a quarter of an hour.
		if times < 16 {
			if err := b.synthetic(ctx, like, dir, module, times, false); err != nil {
				return err
			}
		}
		if err := b.synthetic(ctx, like, dir, module, times, true); err != nil {
			return err
		}
	}
	return nil
}

// synthetic measures a stack of so many times the sample's records; with once,
// the engine writes the state at the end of an update only.
func (b *bench) synthetic(ctx context.Context, like *rehearsal.Rehearsal, dir, module string, times int, once bool) error {
	synthetic, how := *like, ""
	synthetic.Project, synthetic.Stack = filepath.Join(dir, fmt.Sprintf("project-%d-%t", times, once)), sample.Stack
	if once {
		synthetic.Env = append(slices.Clone(like.Env), "PULUMI_SKIP_CHECKPOINTS=true", "PULUMI_EXPERIMENTAL=true")
		how = ", the state written once"
	}
	if err := os.MkdirAll(synthetic.Project, 0o700); err != nil {
		return fmt.Errorf("making a directory for the sample: %w", err)
	}
	if err := sample.Project(module, synthetic.Project, `records: "6"`, fmt.Sprintf(`records: "%d"`, records*times)); err != nil {
		return err
	}
	speed, err := synthetic.Measure(ctx)
	if err != nil {
		return err
	}
	rate := func(took time.Duration) float64 { return float64(speed.Resources) / took.Seconds() }
	b.add(fmt.Sprintf("SIMULATED: synthetic stack at %d×, %d resources%s", times, speed.Resources, how),
		fmt.Sprintf("preview %.0f, update %.0f, no-op %.0f resources/s", rate(speed.Preview), rate(speed.Up), rate(speed.NoOp)), "")
	return nil
}

// simulation is a rehearsal of nothing yet, with plugins built from the checkout
// below dir.
func simulation(ctx context.Context, checkout, dir string) (*rehearsal.Rehearsal, error) {
	tools, err := toolchain.Open(checkout)
	if err != nil {
		return nil, err
	}
	needed := []string{"pulumi", "pulumi-language-go", "pulumi-resource-random"}
	if err := tools.Ensure(ctx, needed...); err != nil {
		return nil, err
	}
	env, err := tools.Env()
	if err != nil {
		return nil, err
	}
	plugins := filepath.Join(dir, "plugins")
	build := exec.CommandContext(ctx, "go", "build", "-o", plugins+"/", "./cmd/pulumi-resource-aws", "./cmd/pulumi-resource-kubernetes")
	build.Dir = checkout
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the simulating plugins: %w\n%s", err, out)
	}
	r := &rehearsal.Rehearsal{Plugins: []string{plugins}, Env: env, Log: io.Discard, Progress: io.Discard}
	for _, name := range needed {
		path, err := tools.Path(name)
		if err != nil {
			return nil, err
		}
		r.Plugins = append(r.Plugins, filepath.Dir(path))
		if name == "pulumi" {
			r.Pulumi = path
		}
	}
	r.Plugins = slices.Compact(r.Plugins)
	return r, nil
}
