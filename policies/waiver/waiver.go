// Package waiver reads exceptions to rules. A waiver has an owner, a reason and
// an end; one that is expired, or that nothing needs, is itself a failure.
package waiver

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
)

// File is the waivers' name in the directory of the policy pack.
const File = "waivers.yaml"

// Waiver lets one resource break one rule for a while.
type Waiver struct {
	Rule     string   `yaml:"rule"`
	Resource string   `yaml:"resource"`
	Stacks   []string `yaml:"stacks"`
	Owner    string   `yaml:"owner"`
	Reason   string   `yaml:"reason"`
	Expires  string   `yaml:"expires"`

	// Line is where in the file it begins.
	Line int `yaml:"-"`
	end  time.Time
}

// UnmarshalYAML refuses unknown keys, which the decoder forgets to do for
// values that unmarshal themselves.
func (w *Waiver) UnmarshalYAML(node *yaml.Node) error {
	type plain Waiver
	known := []string{"rule", "resource", "stacks", "owner", "reason", "expires"}
	for i := 0; i+1 < len(node.Content) && node.Kind == yaml.MappingNode; i += 2 {
		if key := node.Content[i]; !slices.Contains(known, key.Value) {
			return fmt.Errorf("line %d: field %s not found", key.Line, key.Value)
		}
	}
	if err := node.Decode((*plain)(w)); err != nil {
		return err
	}
	w.Line = node.Line
	return nil
}

// list refuses items that hold nothing, which no item is asked about.
type list []*Waiver

// UnmarshalYAML reads every item.
func (l *list) UnmarshalYAML(node *yaml.Node) error {
	for _, item := range node.Content {
		if node.Kind == yaml.SequenceNode && item.ShortTag() == "!!null" {
			return fmt.Errorf("line %d: a waiver is empty", item.Line)
		}
	}
	return node.Decode((*[]*Waiver)(l))
}

// Expired tells whether the waiver's last day is over.
func (w *Waiver) Expired(now time.Time) bool { return !now.Before(w.end) }

// Covers tells whether the waiver is about a rule, a resource and a stack.
func (w *Waiver) Covers(ruleID, resource, stack string) bool {
	return w.Rule == ruleID && w.Resource == resource && w.For(stack)
}

// For tells whether the waiver holds for a stack.
func (w *Waiver) For(stack string) bool {
	return len(w.Stacks) == 0 || slices.Contains(w.Stacks, stack)
}

// Load reads a file of waivers; one that is not there has none.
func Load(path string, rules []*rule.Rule) ([]*Waiver, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading waivers: %w", err)
	}
	return Parse(path, raw, rules)
}

// Parse is Load for text that was read already. Every fault is reported with
// the file and line.
func Parse(path string, raw []byte, rules []*rule.Rule) ([]*Waiver, error) {
	var doc struct {
		Waivers list `yaml:"waivers"`
	}
	if err := settings.Strict(path, raw, &doc); err != nil {
		return nil, err
	}
	var faults []error
	seen := map[string]int{}
	for _, w := range doc.Waivers {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("%s:%d: %s", path, w.Line, fmt.Sprintf(format, args...)))
		}
		for _, field := range []struct{ name, value string }{
			{"rule", w.Rule}, {"resource", w.Resource}, {"owner", w.Owner}, {"reason", w.Reason}, {"expires", w.Expires},
		} {
			if strings.TrimSpace(field.value) == "" {
				fault("%s is missing", field.name)
			}
		}
		if w.Rule != "" && !slices.ContainsFunc(rules, func(r *rule.Rule) bool { return r.ID == w.Rule }) {
			fault("there is no rule %s; `slipway policy list` names them", w.Rule)
		}
		day, err := time.Parse(time.DateOnly, w.Expires)
		if err != nil && w.Expires != "" {
			fault("expires is %q, must be a date such as 2026-12-31", w.Expires)
		}
		w.end = day.AddDate(0, 0, 1)
		key := w.Rule + " " + w.Resource + " " + strings.Join(w.Stacks, ",")
		if first, ok := seen[key]; ok {
			fault("says the same as line %d", first)
		}
		seen[key] = w.Line
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return doc.Waivers, nil
}
