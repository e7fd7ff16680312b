package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/images/benchmark/load"
	"slipway.dev/slipway/internal/benchmark"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, benchCommand) }

// benching is what `slipway bench` is asked for.
type benching struct {
	cold, inside, asJSON bool
	stack                string
	slower               float64
}

// ofCluster are the flags that belong to --in-cluster.
var ofCluster = []string{"stack", "json", "max-slower"}

func benchCommand() *cobra.Command {
	b := benching{}
	cmd := &cobra.Command{
		Use: "bench [-- flags of tests/bench]", Short: "Measure this machine's platform and write docs/benchmarks.md, or a stack from inside its cluster",
		Long: `Without --in-cluster it measures the running local platform and the commands people
wait for, and writes docs/benchmarks.md.

With --in-cluster it starts one run of the stack's own benchmark (benchmark in
docs/settings.md), which sends requests at a fixed rate through the ingress, shows
how far it is, and prints what it came to beside the last run of the same kind that
the cluster still has. The exit code is 0 when every limit was kept. Ctrl-C stops
the run, which then deletes what it has stored.`,
		Example: `  slipway bench -- -only requests
  slipway bench --in-cluster --stack prod --max-slower 50`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.check(cmd, args); err != nil {
				return err
			}
			if b.inside {
				return b.run(cmd)
			}
			program, tools := []string{"run", "./tests/bench", "-write"}, suites["e2e"]
			if b.cold {
				// It builds everything itself, elsewhere.
				program, tools = append(program, "-from-nothing"), nil
			}
			return runGo(cmd, tools, append(program, args...)...)
		},
	}
	cmd.Flags().BoolVar(&b.cold, "from-nothing", false, "make up with every cache empty instead, which takes long")
	cmd.Flags().BoolVar(&b.inside, "in-cluster", false, "run the stack's own benchmark now")
	cmd.Flags().StringVarP(&b.stack, "stack", "s", platform.Local, "with --in-cluster: the stack, as in Pulumi.<stack>.yaml")
	cmd.Flags().Float64Var(&b.slower, "max-slower", 0, "with --in-cluster: fail as well when p99 is this many percent above the run before; 0 only shows it")
	cmd.Flags().BoolVar(&b.asJSON, "json", false, "with --in-cluster: print JSON; how far it is goes to standard error")
	return cmd
}

// check refuses what does not go together.
func (b *benching) check(cmd *cobra.Command, args []string) error {
	if b.inside {
		switch {
		case b.cold:
			return errors.New("--in-cluster and --from-nothing measure different things; give one")
		case len(args) > 0:
			return fmt.Errorf("--in-cluster takes no arguments, and %q is one; what a run does is in the settings, see benchmark in docs/settings.md", args[0])
		case b.slower < 0:
			return fmt.Errorf("--max-slower is %v, must be 0 or more percent", b.slower)
		}
		return nil
	}
	for _, name := range ofCluster {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for --in-cluster", name)
		}
	}
	return nil
}

// run measures a stack from inside.
func (b *benching) run(cmd *cobra.Command) error {
	w, err := openWorkplace()
	if err != nil {
		return err
	}
	s, err := platform.OpenStack(w.checkout, b.stack, w.tools)
	if err != nil {
		return err
	}
	routine, err := s.Benchmark(cmd.Context())
	if err != nil {
		return err
	}
	defer routine.Close()
	now, err := routine.Measure(cmd.Context(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	runs, err := routine.Runs(cmd.Context())
	if err != nil {
		return err
	}
	return b.report(cmd, now, runs)
}

// report prints a run beside the last one like it of those that are kept, and
// returns an error when it failed.
func (b *benching) report(cmd *cobra.Command, now *platform.Run, kept []*platform.Run) error {
	before := lastLike(now, kept)
	var old *load.Result
	if before != nil {
		old = before.Result
	} else {
		fmt.Fprintln(cmd.ErrOrStderr(), "no earlier run of this mix, rate and duration is kept, so there is nothing to compare with")
	}
	verdict, failed := benchmark.Judge(*now.Result, old, b.slower)
	out := cmd.OutOrStdout()
	if b.asJSON {
		write := json.NewEncoder(out)
		write.SetIndent("", "  ")
		return errors.Join(write.Encode(map[string]*platform.Run{"run": now, "before": before}), failed)
	}
	if err := benchmark.Write(out, *now.Result, old); err != nil {
		return err
	}
	if failed == nil {
		fmt.Fprintln(out, verdict)
	}
	return failed
}

// lastLike is the newest run before this one that asked for the same; nil when
// there is none.
func lastLike(now *platform.Run, kept []*platform.Run) *platform.Run {
	for _, run := range kept {
		if run.Result != nil && run.Began.Before(now.Began) && benchmark.Comparable(*now.Result, *run.Result) {
			return run
		}
	}
	return nil
}
