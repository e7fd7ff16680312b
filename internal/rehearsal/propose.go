package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/proposal"
)

// Releases is where a project keeps the states that its releases left behind, as
// VERSION.STACK.json.gz.
const Releases = "tests/engine/testdata/releases"

// ErrNoRelease is returned for a stack of which no release's state is kept.
var ErrNoRelease = errors.New("no release's state is kept")

// Release is the file with the state that the newest release of the stack left
// behind.
func (r *Rehearsal) Release() (string, error) {
	suffix := "." + r.Stack + ".json.gz"
	files, err := filepath.Glob(filepath.Join(r.Project, Releases, "*"+suffix))
	if err != nil {
		return "", fmt.Errorf("looking for releases: %w", err)
	}
	newest, version := "", ""
	for _, file := range files {
		if v := "v" + strings.TrimSuffix(filepath.Base(file), suffix); newest == "" || semver.Compare(v, version) > 0 {
			newest, version = file, v
		}
	}
	if newest == "" {
		return "", fmt.Errorf("%w of stack %s; slipway rehearse --stack %s --short --record %s/VERSION%s keeps one", ErrNoRelease, r.Stack, r.Stack, Releases, suffix)
	}
	return newest, nil
}

// Proposed is what an update would do to a recorded state.
type Proposed struct {
	Proposal *proposal.Proposal
	// Guard knows what in the recorded state holds data.
	Guard *guard.Guard
}

// Propose previews the program under the policy packs against a recorded state,
// as Upgrade does.
func (r *Rehearsal) Propose(ctx context.Context, recorded string, packs ...string) (*Proposed, error) {
	dir, err := os.MkdirTemp("", "slipway-propose-")
	if err != nil {
		return nil, fmt.Errorf("making a place to preview in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := r.takeOver(ctx, dir, recorded)
	if err != nil {
		return nil, err
	}
	p := &Proposed{}
	if p.Guard, err = s.guard(); err != nil {
		return nil, err
	}
	events := filepath.Join(dir, "events.json")
	args := []string{"preview", "--suppress-outputs", "--event-log", events}
	for _, pack := range packs {
		args = append(args, "--policy-pack", pack)
	}
	// The event log is one of the flags that the CLI shows on this condition.
	_, failure := s.run(ctx, []string{"PULUMI_DEBUG_COMMANDS=true"}, args...)
	log, err := os.Open(events)
	if err != nil {
		return nil, errors.Join(failure, fmt.Errorf("reading what pulumi would do: %w", err))
	}
	defer func() { _ = log.Close() }()
	if p.Proposal, err = proposal.Read(log); err != nil {
		return nil, errors.Join(failure, err)
	}
	if failure != nil && len(p.Proposal.Problems) == 0 && len(p.Proposal.Mandatory()) == 0 {
		return nil, failure
	}
	return p, nil
}

// guard knows the scene's state.
func (s *scene) guard() (*guard.Guard, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "backend", ".pulumi", "stacks", "*", s.stack+".json"))
	if err != nil || len(files) != 1 {
		return nil, errors.Join(fmt.Errorf("looking for the state of stack %s in its backend: found %v", s.stack, files), err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		return nil, fmt.Errorf("reading the stack's state: %w", err)
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return nil, err
	}
	return guard.FromState(state), nil
}

// First previews the stack from nothing under the policy packs, and writes what
// pulumi says.
func (r *Rehearsal) First(ctx context.Context, out io.Writer, packs ...string) error {
	dir, err := os.MkdirTemp("", "slipway-first-")
	if err != nil {
		return fmt.Errorf("making a place to preview in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := r.prepare(ctx, filepath.Join(dir, "life"))
	if err != nil {
		return err
	}
	args := []string{"preview", "--suppress-outputs"}
	for _, pack := range packs {
		args = append(args, "--policy-pack", pack)
	}
	said, err := s.run(ctx, nil, args...)
	if _, writing := io.WriteString(out, said); writing != nil {
		return writing
	}
	var refused *pulumiError
	if errors.As(err, &refused) {
		return fmt.Errorf("the preview of stack %s fails; what is wrong is said above", r.Stack)
	}
	return err
}
