package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const aliasPrefix = "slipway lab "

// bridgeOwner is the state directory of the lab that made the bridge; empty when
// there is no bridge, or one that no lab named.
func bridgeOwner(on surroundings) (string, error) {
	link, err := on.link(BridgeName)
	if err != nil || link == nil {
		return "", err
	}
	owner, _ := strings.CutPrefix(link.Attrs().Alias, aliasPrefix)
	if owner == link.Attrs().Alias {
		return "", nil
	}
	return owner, nil
}

// deserted tells whether a lab of other directories made the bridge and no
// process of it is left. Who is not root cannot see whose a process is, and is
// told that it is not.
func (l *Lab) deserted(on surroundings) (string, bool, error) {
	owner, err := bridgeOwner(on)
	if err != nil || owner == "" || owner == l.state || !on.root {
		return owner, false, err
	}
	components, err := on.components()
	if err != nil {
		return owner, false, err
	}
	return owner, !slices.ContainsFunc(components, func(r running) bool { return r.lab == owner }), nil
}

// clearDeserted removes from the machine what a lab of other directories left
// there when all of it was killed at once: links, namespaces, firewall rules,
// control groups, mounts. Its data stays, and its next Up continues from it. It
// fails while another command changes that lab.
func (l *Lab) clearDeserted(ctx context.Context, on surroundings, p *progress) error {
	owner, dead, err := l.deserted(on)
	if err != nil || !dead {
		return err
	}
	other := &Lab{layout: layoutOf(owner), tools: l.tools, self: l.self}
	if _, err := os.Stat(owner); err == nil {
		unlock, err := other.exclude(ctx)
		if err != nil {
			return fmt.Errorf("clearing away what the lab of %s left: %w", owner, err)
		}
		defer unlock()
		// Whoever held the lock may have started it.
		if _, dead, err := l.deserted(on); err != nil || !dead {
			return err
		}
	}
	p.say("the lab of %s was killed: removing what it left on the machine; its data stays", owner)
	if err := other.endProcesses(ctx, p); err != nil {
		return err
	}
	return other.removeTraces(ctx)
}

// layoutOf is where the lab of a state directory keeps things. A lab that never
// wrote down its run directory has nothing there that can be found.
func layoutOf(state string) layout {
	found := layout{state: state, run: filepath.Join(state, "run")}
	content, err := os.ReadFile(found.settings())
	if errors.Is(err, fs.ErrNotExist) {
		return found
	}
	var set settings
	if err == nil && json.Unmarshal(content, &set) == nil && set.Run != "" {
		found.run = set.Run
	}
	return found
}
