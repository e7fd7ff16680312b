// Package proposal reads what the engine says it would do, from the event log
// of a preview, an update or a refresh.
package proposal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
)

// ErrIncomplete is returned for an event log that ends before the engine had
// finished: nothing can be concluded from what is not in it.
var ErrIncomplete = errors.New("the engine ended before it had looked at everything")

// Missing is the operation of a step for a resource that a refresh did not
// find. Nothing deletes it: it is gone.
const Missing = "missing"

// Step is what happens to one resource.
type Step struct {
	// Operation is one of Pulumi's: same, create, update, delete, replace,
	// refresh, read, import; or Missing. The parts of a replacement are one
	// step.
	Operation string
	URN, Type string
	// Custom is false for components.
	Custom   bool
	Protect  bool
	Old, New *apitype.StepEventStateMetadata
	// Keys are the properties that force a replacement.
	Keys []string
	// Properties are the changed properties by path, with the kind of change.
	// It is empty when the provider does not say.
	Properties map[string]apitype.PropertyDiff
	// Diffs are the changed top-level properties.
	Diffs []string
}

// Finding is what a policy found.
type Finding struct {
	URN, Policy, Pack, Level, Message string
}

// String names the resource and the policy, and says what it found.
func (f Finding) String() string {
	return checkpoint.Name(f.URN) + ": " + f.Policy + ": " + f.Message
}

// Problem is an error the engine reported.
type Problem struct {
	URN, Message string
}

// String names the resource, where the problem is of one.
func (p Problem) String() string {
	return strings.TrimPrefix(checkpoint.Name(p.URN)+": ", ": ") + p.Message
}

// Lines is an indented line for each finding, problem or loss, for an error that
// lists them.
func Lines[T fmt.Stringer](all []T) string {
	lines := make([]string, len(all))
	for i, one := range all {
		lines[i] = "  " + one.String()
	}
	return strings.Join(lines, "\n")
}

// Proposal is all the engine said.
type Proposal struct {
	// Steps are in the order in which the engine came to them.
	Steps    []*Step
	Findings []Finding
	Problems []Problem
	// Counts are resources by operation.
	Counts map[string]int
}

// limit bounds one event; a step carries a resource's whole state twice.
const limit = 256 << 20

// Read reads an event log.
func Read(log io.Reader) (*Proposal, error) {
	p := &Proposal{Counts: map[string]int{}}
	steps, refreshing := map[string]*Step{}, map[string]bool{}
	complete := false
	lines := bufio.NewScanner(log)
	lines.Buffer(make([]byte, 1<<16), limit)
	for lines.Scan() {
		var event apitype.EngineEvent
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("reading the engine's events: %w: %w", ErrIncomplete, err)
		}
		switch {
		case event.ResourcePreEvent != nil:
			m := event.ResourcePreEvent.Metadata
			refreshing[m.URN] = m.Op == apitype.OpRefresh
			p.step(steps, m)
		case event.ResOutputsEvent != nil:
			m := event.ResOutputsEvent.Metadata
			// The result of a refresh is told as what it does to the state.
			if refreshing[m.URN] && m.Op == apitype.OpDelete {
				m.Op = Missing
			}
			refreshing[m.URN] = false
			p.step(steps, m)
		case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "error":
			p.Problems = append(p.Problems, Problem{URN: event.DiagnosticEvent.URN, Message: strings.TrimSpace(event.DiagnosticEvent.Message)})
		case event.PolicyEvent != nil:
			e := event.PolicyEvent
			p.Findings = append(p.Findings, Finding{
				URN: e.ResourceURN, Policy: e.PolicyName, Pack: e.PolicyPackName, Level: e.EnforcementLevel, Message: strings.TrimSpace(e.Message),
			})
		case event.SummaryEvent != nil:
			complete = true
			for operation, n := range event.SummaryEvent.ResourceChanges {
				p.Counts[string(operation)] = n
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the engine's events: %w", err)
	}
	if !complete {
		return p, fmt.Errorf("reading the engine's events: %w", ErrIncomplete)
	}
	return p, nil
}

// operation joins the parts of a replacement.
func operation(op apitype.OpType) string {
	switch op {
	case apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpReplace, apitype.OpReadReplacement, apitype.OpImportReplacement,
		apitype.OpDiscardReplaced, apitype.OpRemovePendingReplace:
		return string(apitype.OpReplace)
	case apitype.OpReadDiscard:
		return string(apitype.OpDelete)
	}
	return string(op)
}

func (p *Proposal) step(steps map[string]*Step, m apitype.StepEventMetadata) {
	s := steps[m.URN]
	op := operation(m.Op)
	if s == nil {
		s = &Step{URN: m.URN, Type: m.Type, Operation: op}
		steps[m.URN] = s
		p.Steps = append(p.Steps, s)
	}
	// What is destroyed in any part of it is destroyed.
	if !guard.Destructive(s.Operation) || op == string(apitype.OpReplace) {
		s.Operation = op
	}
	if m.Old != nil {
		s.Old, s.Custom, s.Protect = m.Old, m.Old.Custom, m.Old.Protect
	}
	if m.New != nil {
		s.New, s.Custom = m.New, m.New.Custom
	}
	if len(m.Keys) > 0 {
		s.Keys = m.Keys
	}
	if len(m.Diffs) > 0 {
		s.Diffs = m.Diffs
	}
	if len(m.DetailedDiff) > 0 {
		s.Properties = m.DetailedDiff
	}
}

// Changes are the steps that change something.
func (p *Proposal) Changes() []*Step {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(s *Step) bool {
		return s.Operation == string(apitype.OpSame) || s.Operation == string(apitype.OpRead)
	})
}

// Losses are the data that the steps would delete, from the state the guard
// knows.
func (p *Proposal) Losses(g *guard.Guard) []guard.Loss {
	var losses []guard.Loss
	for _, s := range p.Steps {
		if !guard.Destructive(s.Operation) {
			continue
		}
		urn := s.URN
		if s.Old != nil && s.Old.URN != "" {
			urn = s.Old.URN // the state knows a renamed resource by its old name
		}
		if what := g.Holds(urn); what != "" {
			losses = append(losses, guard.Loss{URN: urn, Operation: s.Operation, Holds: what, Because: s.Keys})
		}
	}
	return losses
}

// Move is a provider that would work in another place than the one where what
// it made stands.
type Move struct {
	// URN is the provider's.
	URN string
	// Setting is the stack's setting that decides it: aws.region or aws.account.
	Setting string
	// From is where the stack stands, and To where it would go.
	From, To string
}

// placing maps an input of the AWS provider to the setting that decides it.
var placing = []struct{ input, setting string }{{"region", "aws.region"}, {"allowedAccountIds", "aws.account"}}

// Moves are the providers of AWS that the steps would send to another region or
// account. One that was made without saying where is none.
func (p *Proposal) Moves() []Move {
	var moves []Move
	for _, s := range p.Steps {
		if s.Type != "pulumi:providers:aws" || s.Old == nil || s.New == nil {
			continue
		}
		for _, place := range placing {
			from, to := places(s.Old.Inputs[place.input]), places(s.New.Inputs[place.input])
			if from != "" && from != to {
				moves = append(moves, Move{URN: s.URN, Setting: place.setting, From: from, To: to})
			}
		}
	}
	return moves
}

// places are the regions or accounts in an input, which the engine shows as a
// list or as one in JSON.
func places(input any) string {
	var list []string
	switch v := input.(type) {
	case string:
		if json.Unmarshal([]byte(v), &list) != nil {
			return v
		}
	case []any:
		for _, one := range v {
			list = append(list, fmt.Sprint(one))
		}
	}
	return strings.Join(list, ", ")
}

// Mandatory are the policy findings that forbid the update.
func (p *Proposal) Mandatory() []Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f Finding) bool { return f.Level != "mandatory" })
}

// Advised are the policy findings that do not forbid it, among which are those
// that a preview could not decide.
func (p *Proposal) Advised() []Finding {
	return slices.DeleteFunc(slices.Clone(p.Findings), func(f Finding) bool { return f.Level == "mandatory" })
}
