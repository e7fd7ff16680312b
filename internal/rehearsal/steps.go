package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/slipway/internal/simcloud"
)

func firstPreview(ctx context.Context, a *act) (string, error) {
	out, err := a.run(ctx, nil, "preview", "--json")
	if err != nil {
		return "", err
	}
	if !strings.Contains(out, "SIMULATED") {
		return "", errors.New("the preview does not say that it is a simulation: another aws plugin answered")
	}
	world, err := a.cloud()
	if err != nil {
		return "", err
	}
	return "nothing was made", world.Do(func(tx *simcloud.Tx) error {
		if n := len(tx.All("")); n > len(a.standing) {
			return fmt.Errorf("the preview made %d things", n-len(a.standing))
		}
		return nil
	})
}

func upFromNothing(ctx context.Context, a *act) (string, error) {
	started := time.Now()
	if err := a.up(ctx); err != nil {
		return "", err
	}
	took := time.Since(started)
	changes, err := a.changes(ctx)
	if err != nil {
		return "", err
	}
	a.total = changes["create"]
	if len(changes) != 1 {
		return "", fmt.Errorf("an update from nothing should only create, and did %s", counts(changes))
	}
	if err := a.agree(ctx); err != nil {
		return "", err
	}
	chain, err := a.chain(ctx)
	if err != nil {
		return "", err
	}
	if a.Record != "" {
		if err := a.record(ctx, a.Record); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d resources, %.1f a second; in AWS at least %s: %s", a.total, float64(a.total)/took.Seconds(), chain.length, chain), nil
}

func upAgain(ctx context.Context, a *act) (string, error) {
	return "no change", a.unchanged(ctx)
}

// unchanged fails if an update would change anything.
func (a *act) unchanged(ctx context.Context) error {
	if _, err := a.run(ctx, nil, "up", "--yes", "--skip-preview", "--expect-no-changes"); err != nil {
		return err
	}
	return a.agree(ctx)
}

func change(ctx context.Context, a *act) (string, error) {
	if len(a.Changes) == 0 {
		return "not rehearsed: no change is given", nil
	}
	before, err := os.ReadFile(a.config)
	if err != nil {
		return "", fmt.Errorf("reading the configuration: %w", err)
	}
	a.before = before
	if err := a.set(ctx, a.Changes); err != nil {
		return "", err
	}
	did, err := a.moved(ctx)
	if err != nil {
		return "", err
	}
	return did, a.unchanged(ctx)
}

// set changes the configuration.
func (s *scene) set(ctx context.Context, changes [][2]string) error {
	for _, c := range changes {
		if _, err := s.run(ctx, nil, "config", "set", "--path", c[0], "--", c[1]); err != nil {
			return err
		}
	}
	return nil
}

// wayBack is an update to the configuration of before, as a rollback makes it.
func wayBack(ctx context.Context, a *act) (string, error) {
	if a.before == nil {
		return "not rehearsed: no change is given", nil
	}
	if err := os.WriteFile(a.config, a.before, 0o600); err != nil {
		return "", fmt.Errorf("restoring the configuration: %w", err)
	}
	did, err := a.moved(ctx)
	if err != nil {
		return "", err
	}
	return did, a.unchanged(ctx)
}

// moved updates and says what changed; nothing is a failure.
func (a *act) moved(ctx context.Context) (string, error) {
	if err := a.up(ctx); err != nil {
		return "", err
	}
	changes, err := a.changes(ctx)
	if err != nil {
		return "", err
	}
	if len(changes) == 1 && changes["same"] > 0 {
		return "", errors.New("the change of the configuration changed nothing")
	}
	return counts(changes), nil
}

func destroy(ctx context.Context, a *act) (string, error) {
	resources, _, err := a.state(ctx)
	if err != nil {
		return "", err
	}
	protected := guarded(resources)
	if protected > 0 {
		if _, err := a.run(ctx, nil, "destroy", "--yes", "--skip-preview"); err == nil {
			return "", fmt.Errorf("%d resources are protected, and the destroy went through", protected)
		}
	}
	retained, err := a.unguard(ctx, a.scene)
	if err != nil {
		return "", err
	}
	if _, err := a.run(ctx, nil, "destroy", "--yes", "--skip-preview"); err != nil {
		return "", err
	}
	left, err := a.left(retained)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d protected were refused first; %s", protected, left), nil
}

func guarded(resources []resource) int {
	n := 0
	for _, r := range resources {
		if r.Protect {
			n++
		}
	}
	return n
}

// unguard takes away what keeps a stack from being destroyed, as its
// configuration has it where it does, and returns what is retained all the same.
func (a *act) unguard(ctx context.Context, s *scene) (map[string]bool, error) {
	if len(a.Unguard) > 0 {
		if err := s.set(ctx, a.Unguard); err != nil {
			return nil, err
		}
		if err := s.up(ctx); err != nil {
			return nil, fmt.Errorf("taking the guards away: %w", err)
		}
	}
	resources, _, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	if n := guarded(resources); n > 0 && len(a.Unguard) > 0 {
		return nil, fmt.Errorf("%d resources are protected although the configuration says that none is", n)
	} else if n > 0 {
		if out, err := s.command(ctx, "state", "unprotect", "--all", "--yes", "--stack", s.stack).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("taking the protection away: %w\n%s", err, out)
		}
	}
	retained := map[string]bool{}
	for _, r := range resources {
		if r.RetainOnDelete {
			retained[r.Type+" "+r.ID] = true
		}
	}
	return retained, nil
}

// left says what still exists, and fails if any of it is not retained: by the
// program, or a volume by its storage class.
func (a *act) left(retained map[string]bool) (string, error) {
	world, err := a.cloud()
	if err != nil {
		return "", err
	}
	left := map[string]int{}
	var faults []error
	err = world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range tx.All("") {
			key := thing.Token + " " + thing.ID
			if a.standing[key] {
				continue
			}
			left[thing.Token[strings.LastIndex(thing.Token, ":")+1:]]++
			if !retained[key] && thing.Properties[simcloud.ReclaimPolicy] != "Retain" {
				faults = append(faults, fmt.Errorf("%s is left over", key))
			}
		}
		return nil
	})
	if err := errors.Join(append(faults, err)...); err != nil {
		return "", err
	}
	if len(left) == 0 {
		return "nothing left", nil
	}
	return "left on purpose: " + counts(left), nil
}

// cutOff cuts updates off at every so many operations, one after the other on
// one stack: each goes on from what the one before left behind.
func cutOff(halfway bool) func(ctx context.Context, a *act) (string, error) {
	return func(ctx context.Context, a *act) (string, error) {
		mode := "before"
		if halfway {
			mode = "halfway"
		}
		s, err := a.prepare(ctx, filepath.Join(filepath.Dir(a.dir), mode))
		if err != nil {
			return "", err
		}
		if !halfway {
			a.cutOff = s
		}
		cuts, err := a.cut(ctx, s, mode, "up")
		if err != nil {
			return "", err
		}
		b := &act{Rehearsal: a.Rehearsal, scene: s}
		if err := b.unchanged(ctx); err != nil {
			return "", fmt.Errorf("after %d cuts: %w", cuts, err)
		}
		return fmt.Sprintf("%d cuts, each update went on; nothing orphaned", cuts), nil
	}
}

func cutDestroy(ctx context.Context, a *act) (string, error) {
	b := &act{Rehearsal: a.Rehearsal, scene: a.cutOff}
	retained, err := a.unguard(ctx, a.cutOff)
	if err != nil {
		return "", err
	}
	cuts, err := a.cut(ctx, a.cutOff, "before", "destroy")
	if err != nil {
		return "", err
	}
	left, err := b.left(retained)
	return fmt.Sprintf("%d cuts, each destroy went on; %s", cuts, left), err
}

// most bounds the cuts, should a stack never get done.
const most = 1000

// cut runs the verb until it succeeds; every run is cut off a step further.
func (a *act) cut(ctx context.Context, s *scene, mode, verb string) (int, error) {
	every := a.Every
	if every == 0 {
		every = 10
	}
	world, err := s.cloud()
	if err != nil {
		return 0, err
	}
	for cuts := range most {
		done := 0
		if err := world.Do(func(tx *simcloud.Tx) error {
			done = tx.Operations
			return nil
		}); err != nil {
			return cuts, err
		}
		_, err := s.run(ctx, []string{
			"SLIPWAY_SIMULATION_FAIL_AT=" + strconv.Itoa(done+every), "SLIPWAY_SIMULATION_FAIL_MODE=" + mode,
		}, verb, "--yes", "--skip-preview")
		if err == nil {
			return cuts, nil
		}
		var failed *pulumiError
		if !errors.As(err, &failed) || !strings.Contains(failed.output, "SLIPWAY_SIMULATION_FAIL_AT") {
			return cuts, fmt.Errorf("after %d cuts: %w", cuts, err)
		}
	}
	return most, fmt.Errorf("not done after %d cuts", most)
}

// counts writes down what an update did, such as "3 create, 1 delete".
func counts(changes map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(changes)) {
		parts = append(parts, fmt.Sprintf("%d %s", changes[kind], kind))
	}
	return strings.Join(parts, ", ")
}
