package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/simcloud"
)

// chain is the longest line of resources that wait for each other.
type chain struct {
	length time.Duration
	links  []string
}

func (c chain) String() string { return strings.Join(c.links, " > ") }

// slack is how much longer than its longest chain an update may take.
const slack = 1.05

// criticalPath updates from nothing on a clock that jumps, and compares what
// that took on it with the longest chain: it takes longer when something waits
// for what the graph does not say, or for a place among the engine's workers.
func criticalPath(ctx context.Context, a *act) (string, error) {
	s, err := a.prepare(ctx, filepath.Join(filepath.Dir(a.dir), "clock"))
	if err != nil {
		return "", err
	}
	if err := s.up(ctx, "SLIPWAY_SIMULATION_CLOCK=jumping"); err != nil {
		return "", err
	}
	operations, err := s.made(ctx)
	if err != nil {
		return "", err
	}
	took := 0.0
	for _, op := range operations {
		took = max(took, op.To)
	}
	longest, err := s.chain(ctx)
	if err != nil {
		return "", err
	}
	if longest.length == 0 {
		return "", errors.New("nothing in the stack takes any time, so nothing can be said about waiting")
	}
	total := time.Duration(took * float64(time.Second))
	ratio := took / longest.length.Seconds()
	said := fmt.Sprintf("%s on the simulated clock, %.3f times the longest chain of %s", total, ratio, longest.length)
	if ratio > slack {
		resources, _, err := s.state(ctx)
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s, more than %v times: %s\n%s", said, slack, longest, strings.Join(idle(resources, operations), "\n"))
	}
	return said, nil
}

// made are the creations of what is in the state, by URN.
func (s *scene) made(ctx context.Context) (map[string]simcloud.Operation, error) {
	world, err := s.cloud()
	if err != nil {
		return nil, err
	}
	operations, err := world.Operations()
	if err != nil {
		return nil, err
	}
	resources, _, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, r := range resources {
		mine[r.URN] = true
	}
	made := map[string]simcloud.Operation{}
	for _, op := range operations {
		if op.Verb == "create" && mine[op.URN] {
			made[op.URN] = op
		}
	}
	return made, nil
}

// chain adds up how long AWS takes along the dependencies in the state. No
// update from nothing can be faster.
func (s *scene) chain(ctx context.Context) (chain, error) {
	resources, _, err := s.state(ctx)
	if err != nil {
		return chain{}, err
	}
	made, err := s.made(ctx)
	if err != nil {
		return chain{}, err
	}
	// The state lists what others depend on before them.
	ends := map[string]chain{}
	longest := chain{}
	for _, r := range resources {
		best := chain{}
		for _, urn := range r.after() {
			if ends[urn].length > best.length {
				best = ends[urn]
			}
		}
		own := time.Duration(made[r.URN].Seconds * float64(time.Second))
		links := best.links
		if own > 0 {
			links = append(slices.Clone(best.links), fmt.Sprintf("%s %s", r.URN[strings.LastIndex(r.URN, ":")+1:], own))
		}
		ends[r.URN] = chain{best.length + own, links}
		if ends[r.URN].length > longest.length {
			longest = ends[r.URN]
		}
	}
	return longest, nil
}

// after are the resources that one waits for.
func (r resource) after() []string {
	after := slices.Clone(r.Dependencies)
	for _, list := range r.PropertyDependencies {
		after = append(after, list...)
	}
	if urn, _, ok := cutLast(r.Provider, "::"); ok {
		after = append(after, urn)
	}
	return after
}

// idle says what began later than the graph asks, longest first: how many
// seconds passed between the end of all that it waits for and its own begin.
func idle(resources []resource, made map[string]simcloud.Operation) []string {
	// A provider or component takes no time and ends with what it waits for.
	ends := map[string]float64{}
	type late struct {
		urn     string
		seconds float64
	}
	var found []late
	for _, r := range resources {
		ready := 0.0
		for _, urn := range r.after() {
			ready = max(ready, ends[urn])
		}
		ends[r.URN] = ready
		if op, ok := made[r.URN]; ok {
			ends[r.URN] = max(ready, op.To)
			if op.From-ready > 0.5 {
				found = append(found, late{r.URN, op.From - ready})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b late) int { return int(b.seconds - a.seconds) })
	var lines []string
	for _, l := range found[:min(len(found), 10)] {
		lines = append(lines, fmt.Sprintf("%s began %.0f s after all that it waits for", l.urn[strings.LastIndex(l.urn, ":")+1:], l.seconds))
	}
	return lines
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
