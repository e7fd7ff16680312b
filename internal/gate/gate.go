// Package gate stops what would delete or replace something that cannot be made
// again, unless a waiver in the change allows it. The engine tells a policy pack
// nothing of what an update does to a resource, so the rule about it is asked
// here, where the engine's plan is known.
package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

// Rule is the ID of the rule.
const Rule = "data-not-replaced"

// ErrRefused is returned for a proposal that the rule forbids.
var ErrRefused = errors.New("the change would delete or replace what must stay")

// Pass returns ErrRefused with every resource that the proposal would delete or
// replace against the rule, and nil when there is none or each has a waiver.
// The rule's level and the waivers are those of the checkout.
func Pass(checkout, stack string, p *proposal.Proposal, now time.Time) error {
	findings, err := Findings(checkout, stack, p, now)
	if err != nil || len(findings) == 0 {
		return err
	}
	lines := make([]string, 0, len(findings))
	for _, f := range findings {
		lines = append(lines, "  "+f.Message)
	}
	return fmt.Errorf("stack %s: %w:\n%s\nFind the property that forces it and leave it; to do it on purpose, put into policies/%s of the same change a waiver of rule %s with owner, reason and end",
		stack, ErrRefused, strings.Join(lines, "\n"), waiver.File, Rule)
}

// Findings are what the rule has against a proposal, in the form of a policy's.
func Findings(checkout, stack string, p *proposal.Proposal, now time.Time) ([]proposal.Finding, error) {
	destroyed, err := destroyed(p)
	if err != nil || len(destroyed) == 0 {
		return nil, err
	}
	all := catalogue.Rules()
	chosen, err := settings.Load(filepath.Join(checkout, "policies", settings.File), stack, all)
	if err != nil {
		return nil, err
	}
	waivers, err := waiver.Load(filepath.Join(checkout, "policies", waiver.File), all)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r *rule.Rule) bool { return r.ID == Rule })
	made := report.Make(rule.NewJudge(all[i:i+1]), rule.NewStack(stack, destroyed...), report.Options{Settings: chosen, Waivers: waivers, Now: now})
	var findings []proposal.Finding
	for _, e := range made.Entries {
		if e.Stops() {
			findings = append(findings, proposal.Finding{
				URN: e.URN, Policy: e.Rule, Pack: "slipway", Level: string(e.Level), Message: e.Resource + ": " + e.Message,
			})
		}
	}
	return findings, nil
}

// destroyed are the resources as they are that will not be there afterwards.
func destroyed(p *proposal.Proposal) ([]*rule.Resource, error) {
	type state struct {
		URN    string         `json:"urn"`
		Type   string         `json:"type"`
		Inputs map[string]any `json:"inputs"`
	}
	operations := map[string]rule.Operation{}
	states := []state{}
	for _, step := range p.Steps {
		if !guard.Destructive(step.Operation) || step.Old == nil {
			continue
		}
		states = append(states, state{step.Old.URN, step.Old.Type, step.Old.Inputs})
		operations[step.Old.URN] = rule.Delete
		if step.Operation != "delete" && step.Operation != "discard" {
			operations[step.Old.URN] = rule.Replace
		}
	}
	if len(states) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(map[string]any{"resources": states})
	if err != nil {
		return nil, fmt.Errorf("writing what would be destroyed: %w", err)
	}
	doc, err := document.Read("what would be destroyed", raw)
	if err != nil {
		return nil, err
	}
	for _, r := range doc.Resources {
		r.Operation = operations[r.URN]
	}
	return doc.Resources, nil
}
