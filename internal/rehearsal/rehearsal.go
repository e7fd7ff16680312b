package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Rehearsal is one stack's whole life.
type Rehearsal struct {
	// Project is the directory of the program, with Pulumi.yaml and
	// Pulumi.<Stack>.yaml.
	Project, Stack string
	// Pulumi is the pulumi command.
	Pulumi string
	// Plugins are the directories of the simulating plugins, and of the tools
	// that pulumi needs. They are searched before the machine's own.
	Plugins []string
	// Env is added to pulumi's environment, as NAME=VALUE.
	Env []string
	// Account is the number of the simulated account. Empty means 123456789012.
	Account string
	// Role is the name of the role that the credentials are of. Empty means some
	// user.
	Role string
	// Before are stacks of the same project that must stand first, in order. Some
	// user brings them up, as the role may be theirs to make.
	Before []string
	// Changes are configuration paths and values: the update that is made and
	// then taken back. Without any, that part is not rehearsed.
	Changes [][2]string
	// Ahead are configuration paths and values that raise the version of
	// Kubernetes, which has no way back. Without any, that is not rehearsed.
	Ahead [][2]string
	// Unguard are configuration paths and values with which the stack may be
	// destroyed. Without any, protection is taken out of the state.
	Unguard [][2]string
	// Every is the distance between the operations at which an update is cut
	// off. Zero means 10.
	Every int
	// Short leaves out what takes an update of its own: the cuts and the critical
	// path.
	Short bool
	// Scale is how many real seconds a simulated one takes. Zero means no
	// waiting.
	Scale float64
	// Record is a file for the state after the update from nothing, as Upgrade
	// reads it. Empty means none.
	Record string
	// Log receives everything that pulumi prints.
	Log io.Writer
	// Progress receives a line for each step.
	Progress io.Writer

	// checkpoints lets the engine write the state after every step.
	checkpoints bool
}

func (r *Rehearsal) account() string {
	if r.Account == "" {
		return "123456789012"
	}
	return r.Account
}

// step is one part of a life.
type step struct {
	name string
	run  func(ctx context.Context, a *act) (string, error)
	long bool
}

// act is what the steps of a life share.
type act struct {
	*Rehearsal
	*scene
	// previous values of changed configuration, as lines of the file.
	before []byte
	total  int
	// cutOff is the scene whose destroy is cut off too.
	cutOff *scene
}

// life is what is rehearsed, in order.
var life = []step{
	{name: "first preview", run: firstPreview},
	{name: "up from nothing", run: upFromNothing},
	{name: "up again changes nothing", run: upAgain},
	{name: "a change", run: change},
	{name: "the way back", run: wayBack},
	{name: "drift is seen and undone", run: drift},
	{name: "the next version of Kubernetes", run: nextVersion},
	{name: "destroy", run: destroy},
	{name: "nothing waits for what it does not need", run: criticalPath, long: true},
	{name: "cut off in the middle of up", run: cutOff(false), long: true},
	{name: "cut off half way through", run: cutOff(true), long: true},
	{name: "cut off in the middle of destroy", run: cutDestroy, long: true},
}

// ErrFailed is returned by Run when a step failed; the result says which.
var ErrFailed = errors.New("the rehearsal failed")

// Run rehearses in a temporary directory and stops at the first step that
// fails. The result is there in any case.
func (r *Rehearsal) Run(ctx context.Context) (*Result, error) {
	dir, err := os.MkdirTemp("", "slipway-rehearsal-")
	if err != nil {
		return nil, fmt.Errorf("making a place to rehearse in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	scene, err := r.prepare(ctx, filepath.Join(dir, "life"))
	if err != nil {
		return nil, err
	}
	a := &act{Rehearsal: r, scene: scene}
	steps := slices.DeleteFunc(slices.Clone(life), func(s step) bool { return s.long && r.Short })
	result := &Result{Stack: r.Stack, Began: time.Now()}
	for i, step := range steps {
		fmt.Fprintf(r.Progress, "SIMULATED %-40s ", step.name)
		started := time.Now()
		did, err := step.run(ctx, a)
		taken := time.Since(started)
		result.Steps = append(result.Steps, Step{Name: step.name, Did: did, Took: taken, Err: err})
		if err != nil {
			fmt.Fprintf(r.Progress, "FAILED after %.1f s\n", taken.Seconds())
			for _, rest := range steps[i+1:] {
				result.Steps = append(result.Steps, Step{Name: rest.name, Did: "not reached"})
			}
			return result, fmt.Errorf("%w: %s: %w", ErrFailed, step.name, err)
		}
		fmt.Fprintf(r.Progress, "%.1f s  %s\n", taken.Seconds(), did)
	}
	return result, nil
}
