package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/proposal"
)

// Proposing is how Propose asks the engine.
type Proposing struct {
	// Refresh compares the state with what exists, in place of the program
	// with the state.
	Refresh bool
	// RefreshFirst compares the program with what exists, in place of the
	// state.
	RefreshFirst bool
	// Plan is where to save the plan, empty for nowhere.
	Plan string
	// Policies are directories of policy packs.
	Policies []string
}

// Propose asks the engine what it would do, and changes nothing. A proposal
// with problems is returned as one: its Problems say what the engine refused.
func (s *Stack) Propose(ctx context.Context, out io.Writer, how Proposing) (*proposal.Proposal, error) {
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-events-")
	if err != nil {
		return nil, fmt.Errorf("making a directory for the engine's events: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	events := filepath.Join(dir, "events.json")
	args := []string{"preview"}
	if how.Refresh {
		args = []string{"refresh", "--preview-only"}
	}
	args = s.configured(append(args, "--non-interactive", "--suppress-outputs", "--event-log", events)...)
	if how.RefreshFirst {
		args = append(args, "--refresh")
	}
	if how.Plan != "" {
		args = append(args, "--save-plan", how.Plan)
	}
	for _, pack := range how.Policies {
		args = append(args, "--policy-pack", pack)
	}
	cmd, err := s.command(ctx, args...)
	if err != nil {
		return nil, err
	}
	// The event log is one of the flags that the CLI shows on this condition.
	cmd.Env = append(cmd.Env, "PULUMI_DEBUG_COMMANDS=true")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	running := execute(cmd)
	if _, err := out.Write(said.Bytes()); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	log, err := os.Open(events)
	if err != nil {
		return nil, fmt.Errorf("asking pulumi what it would do: %w\n%s", errors.Join(running, err), said.String())
	}
	defer func() { _ = log.Close() }()
	p, err := proposal.Read(log)
	if err != nil {
		return nil, fmt.Errorf("asking pulumi what it would do: %w\n%s", errors.Join(running, err), said.String())
	}
	if running != nil && len(p.Problems) == 0 && len(p.Mandatory()) == 0 {
		return nil, fmt.Errorf("asking pulumi what it would do: %w\n%s", running, said.String())
	}
	return p, nil
}

// Updating is how Apply updates.
type Updating struct {
	// Doing names the command, for the lease.
	Doing string
	// Message is the history entry's, empty for the commit's first line.
	Message string
	// Agent is what the entry says of the checkout; the zero value asks git.
	Agent history.Agent
	// Plan is a plan that the update must keep to, empty for none.
	Plan string
	// Policies are directories of policy packs.
	Policies []string
	// Refresh takes what exists into the state first, so that what was changed
	// by hand is changed back.
	Refresh bool
}

// Apply runs an update, and nothing else.
func (s *Stack) Apply(ctx context.Context, out io.Writer, how Updating) error {
	recorded := how.Agent
	if recorded == (history.Agent{}) {
		recorded = s.Agent(ctx)
	}
	ran := recorded
	recorded.By = ranBy(os.Getenv)
	args := s.configured("up", "--yes", "--skip-preview", "--suppress-outputs", "--non-interactive", "--exec-agent", recorded.String())
	if how.Refresh {
		args = append(args, "--refresh")
	}
	if how.Message != "" {
		args = append(args, "--message", how.Message)
	}
	if how.Plan != "" {
		args = append(args, "--plan", how.Plan)
	}
	for _, pack := range how.Policies {
		args = append(args, "--policy-pack", pack)
	}
	if err := s.writing(ctx, out, how.Doing, args...); err != nil {
		return err
	}
	if how.Agent == (history.Agent{}) {
		// Only a later rollback would be slower without it.
		compile := func(ctx context.Context, target string) error { return s.compile(ctx, target, out) }
		if err := s.keepProgram(ctx, ran, compile); err != nil {
			fmt.Fprintln(out, "warning:", err)
		}
	}
	return nil
}

// At is the same stack with the program of another checkout, such as a
// worktree of an older commit, and with recorded settings in place of those
// that the checkout has. Secrets in them stay encrypted; the salt or key that
// opens them is today's.
func (s *Stack) At(checkout string, recorded config.Map) (*Stack, error) {
	there, err := projectIn(checkout)
	if err != nil {
		return nil, err
	}
	here, err := s.Project()
	if err != nil {
		return nil, err
	}
	if there != here {
		return nil, fmt.Errorf("the program of that commit is project %q, and this is project %q: their stacks have nothing to do with each other", there, here)
	}
	at, err := OpenStack(checkout, s.Name, s.tools)
	if err != nil {
		return nil, err
	}
	today := s.settings
	if today == "" {
		today = s.file
		if s.IsLocal() {
			if err := s.writeConfig(); err != nil {
				return nil, err
			}
			today = s.configFile()
		}
	}
	keys, err := secretKeys(today)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(map[string]config.Map{"config": recorded})
	if err != nil {
		return nil, fmt.Errorf("writing the recorded configuration: %w", err)
	}
	if err := os.MkdirAll(at.scratch(), 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", at.scratch(), err)
	}
	at.settings = at.configFile()
	return at, replaceFile(at.settings, append(text, keys...), 0o600)
}

// secretKeys are the lines of a stack's configuration file that say how its
// secrets are encrypted.
func secretKeys(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading how the stack's secrets are encrypted: %w", err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	keys := map[string]any{}
	for _, name := range []string{"secretsprovider", "encryptionsalt", "encryptedkey"} {
		if value, ok := all[name]; ok {
			keys[name] = value
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return yaml.Marshal(keys)
}
