package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/environment"
	"slipway.dev/slipway/internal/paths"
)

// RemoveGuest deletes all that the preview has: its objects and their volumes,
// its stack, its configuration. It may be repeated from wherever it was stopped.
func (s *Stack) RemoveGuest(ctx context.Context, out io.Writer, wait time.Duration) error {
	if !s.IsGuest() {
		return fmt.Errorf("stack %s: it is no branch preview; see slipway destroy", s.Name)
	}
	state, err := s.state(ctx)
	if err != nil && !errors.Is(err, backend.ErrNotFound) {
		return err
	}
	if err == nil {
		if err := environment.CheckOwn(state, environment.Namespaces(s.Name)); err != nil {
			return fmt.Errorf("stack %s: %w", s.Name, err)
		}
		if err := s.Prepare(ctx, out); err != nil {
			return err
		}
		if err := s.Recover(ctx, out, wait); err != nil {
			return err
		}
		if err := s.destroy(ctx, out); err != nil {
			return err
		}
		if err := s.volumesGone(ctx, out); err != nil {
			return err
		}
		if err := s.run(ctx, out, "stack", "rm", s.Name, "--yes", "--preserve-config"); err != nil {
			return fmt.Errorf("removing stack %s: %w", s.Name, err)
		}
	}
	return s.forget()
}

// forget deletes what this machine keeps of a preview whose stack is gone. The
// configuration goes last: while it is there, the preview is listed and can be
// removed.
func (s *Stack) forget() error {
	project, err := s.Project()
	if err != nil {
		return err
	}
	// The CLI leaves a copy of the last state, and the history may be what is
	// left of a removal that was stopped.
	place := filepath.Join(paths.Pulumi(), ".pulumi")
	leftovers, err := filepath.Glob(filepath.Join(place, "stacks", project, s.Name+".json*"))
	if err != nil {
		return fmt.Errorf("looking for what is left of stack %s: %w", s.Name, err)
	}
	for _, leftover := range append(leftovers,
		filepath.Join(place, "history", project, s.Name), filepath.Join(place, "backups", project, s.Name),
		filepath.Join(place, "locks", "organization", project, s.Name), filepath.Join(paths.Pulumi(), ".slipway", project, s.Name),
		s.saltFile(), s.scratch(), s.file,
	) {
		if err := os.RemoveAll(leftover); err != nil {
			return fmt.Errorf("removing %s: %w", leftover, err)
		}
	}
	return nil
}

// volumesLimit bounds how long the cluster may take to delete volumes whose
// claims are gone.
const volumesLimit = 2 * time.Minute

// ErrRemains is returned when volumes of a removed preview are still there.
var ErrRemains = errors.New("volumes are left")

// volumesGone waits until the cluster has deleted the preview's volumes, which
// follow their claims after a moment.
func (s *Stack) volumesGone(ctx context.Context, log io.Writer) error {
	deadline, told := time.Now().Add(volumesLimit), false
	for {
		raw, err := s.kubectl(ctx, "get", "persistentvolumes", "-o",
			`jsonpath={range .items[*]}{.spec.claimRef.namespace}{"\t"}{.metadata.name}{"\n"}{end}`)
		if err != nil {
			return fmt.Errorf("looking for volumes of %s: %w", s.Name, err)
		}
		left := volumesOf(string(raw), environment.Namespaces(s.Name))
		switch {
		case len(left) == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("stack %s: %w: %s; `kubectl describe pv` says why, then run this again", s.Name, ErrRemains, strings.Join(left, ", "))
		case !told:
			fmt.Fprintf(log, "waiting for the cluster to delete %d volumes\n", len(left))
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// volumesOf names volumes claimed in namespaces; each line is a namespace, a tab
// and a volume.
func volumesOf(lines string, namespaces []string) []string {
	var names []string
	for _, line := range strings.Split(lines, "\n") {
		if namespace, name, ok := strings.Cut(line, "\t"); ok && slices.Contains(namespaces, namespace) {
			names = append(names, name)
		}
	}
	return names
}
