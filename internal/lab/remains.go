package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"slipway.dev/slipway/internal/paths"
)

const aliasPrefix = "slipway lab "

// bridgeOwner is the state directory of the lab that made the bridge; empty when
// there is no such bridge, when no lab named it, and when somebody plugged
// something else into it.
func bridgeOwner(on surroundings) (string, error) {
	link, err := on.link(BridgeName)
	if err != nil || link == nil {
		return "", err
	}
	owner, named := strings.CutPrefix(link.Attrs().Alias, aliasPrefix)
	if !named || link.Type() != "bridge" || !onlyLabPorts(on, link) {
		return "", nil
	}
	return owner, nil
}

// deserted finds the lab of other directories that made the bridge and of which
// nothing is left that runs: no component of any lab, no process in the lab's
// control groups, nobody at its ports. It is empty for none. Who is not root
// cannot see all that, and finds none. A lab that is being started has nothing
// that runs, either, for a moment: only who holds the machine can tell (see
// holdMachine).
func (l *Lab) deserted(on surroundings) (string, error) {
	owner, err := bridgeOwner(on)
	if err != nil || owner == "" || owner == l.state || !on.root {
		return "", err
	}
	for begun := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		components, err := on.components()
		if err != nil || len(components) > 0 {
			return "", err
		}
		remains, err := on.remains()
		if err != nil {
			return "", err
		}
		if !remains {
			return owner, nil
		}
		// The sockets of a process outlive it by a moment, and so do its children.
		if time.Since(begun) > on.patience {
			return "", nil
		}
	}
}

// remains tells whether a process is in the lab's control groups, or somebody
// at its ports.
func (s surroundings) remains() (bool, error) {
	grouped, err := s.grouped()
	if err != nil || grouped {
		return grouped, err
	}
	for _, port := range Ports() {
		if _, taken, err := s.listener(port.Network, port.Address); err != nil || taken {
			return taken, err
		}
	}
	return false, nil
}

// clearDeserted removes from the machine what a lab of other directories left
// there when all of it was killed at once: links, namespaces, firewall rules,
// control groups, mounts. Its data stays, and its next Up continues from it. The
// caller holds the machine.
func (l *Lab) clearDeserted(ctx context.Context, on surroundings, p *progress) error {
	owner, err := l.deserted(on)
	if err != nil || owner == "" {
		return err
	}
	p.say("the lab of %s was killed: removing what it left on the machine; its data stays", owner)
	other := &Lab{layout: layoutOf(owner), tools: l.tools, self: l.self}
	if err := other.endProcesses(ctx, p); err != nil {
		return fmt.Errorf("clearing away the lab of %s: %w", owner, err)
	}
	if err := other.removeTraces(ctx); err != nil {
		return fmt.Errorf("clearing away the lab of %s: %w", owner, err)
	}
	return nil
}

// layoutOf is where the lab of a state directory keeps things. Of one that is no
// longer there, or that never wrote it down, the run directory is taken to be
// the one that every lab has by default.
func layoutOf(state string) layout {
	found := layout{state: state, run: paths.DefaultRun}
	var set settings
	content, err := os.ReadFile(found.settings())
	if err == nil && json.Unmarshal(content, &set) == nil && set.Run != "" {
		found.run = set.Run
	}
	return found
}
