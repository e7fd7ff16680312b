// Package gate stops what would delete or replace something that cannot be made
// again, unless a waiver in the change allows it, and names the waivers that a
// change needs. The engine tells a policy pack
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
	entries, err := judge(checkout, stack, now, destroyed, func(r *rule.Rule) bool { return r.ID == Rule })
	if err != nil {
		return nil, err
	}
	var findings []proposal.Finding
	for _, e := range entries {
		if e.Stops() {
			findings = append(findings, proposal.Finding{
				URN: e.URN, Policy: e.Rule, Pack: "slipway", Level: string(e.Level), Message: e.Resource + ": " + e.Message,
			})
		}
	}
	return findings, nil
}

// Waivers are those that a proposal needs: without them a rule, this one or one
// of the policy pack's, would have more to say. The pack tells the engine only
// what is not waived, so all rules are asked again here.
func Waivers(checkout, stack string, p *proposal.Proposal, now time.Time) ([]*waiver.Waiver, error) {
	destroyed, err := destroyed(p)
	if err != nil {
		return nil, err
	}
	declared, err := declared(p)
	if err != nil {
		return nil, err
	}
	var used []*waiver.Waiver
	for _, part := range []struct {
		resources []*rule.Resource
		rules     func(*rule.Rule) bool
	}{
		{destroyed, func(r *rule.Rule) bool { return r.ID == Rule }},
		{declared, func(r *rule.Rule) bool { return r.ID != Rule }},
	} {
		entries, err := judge(checkout, stack, now, part.resources, part.rules)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Waiver != nil && !slices.ContainsFunc(used, func(w *waiver.Waiver) bool { return w.Line == e.Waiver.Line }) {
				used = append(used, e.Waiver)
			}
		}
	}
	return used, nil
}

// judge holds resources to some of the rules, with the levels and waivers of the
// checkout.
func judge(checkout, stack string, now time.Time, resources []*rule.Resource, which func(*rule.Rule) bool) ([]report.Entry, error) {
	if len(resources) == 0 {
		return nil, nil
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
	rules := slices.DeleteFunc(slices.Clone(all), func(r *rule.Rule) bool { return !which(r) })
	return report.Make(rule.NewJudge(rules), rule.NewStack(stack, resources...), report.Options{Settings: chosen, Waivers: waivers, Now: now}).Entries, nil
}

// state is a resource as document reads it.
type state struct {
	URN     string         `json:"urn"`
	Type    string         `json:"type"`
	Protect bool           `json:"protect,omitempty"`
	Inputs  map[string]any `json:"inputs"`
}

// declared are the resources as they will be.
func declared(p *proposal.Proposal) ([]*rule.Resource, error) {
	var states []state
	for _, step := range p.Steps {
		if step.New != nil && step.Operation != "delete" && step.New.Custom {
			states = append(states, state{step.New.URN, step.New.Type, step.New.Protect, step.New.Inputs})
		}
	}
	return resources("what would be declared", states)
}

func resources(what string, states []state) ([]*rule.Resource, error) {
	if len(states) == 0 {
		return nil, nil
	}
	raw, err := json.Marshal(map[string]any{"resources": states})
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", what, err)
	}
	doc, err := document.Read(what, raw)
	return doc.Resources, err
}

// destroyed are the resources as they are that will not be there afterwards.
func destroyed(p *proposal.Proposal) ([]*rule.Resource, error) {
	operations := map[string]rule.Operation{}
	var states []state
	for _, step := range p.Steps {
		if !guard.Destructive(step.Operation) || step.Old == nil {
			continue
		}
		states = append(states, state{URN: step.Old.URN, Type: step.Old.Type, Inputs: step.Old.Inputs})
		operations[step.Old.URN] = rule.Delete
		if step.Operation != "delete" && step.Operation != "discard" {
			operations[step.Old.URN] = rule.Replace
		}
	}
	all, err := resources("what would be destroyed", states)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		r.Operation = operations[r.URN]
	}
	return all, nil
}
