package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Verdict is a rule's answer about a resource.
type Verdict string

// Verdicts. Undecided is never a pass: it is listed, and asked again when the
// values are known.
const (
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"
	Undecided Verdict = "undecided"
)

// Readable is the rule every resource of a known type is held against before
// any other: what cannot be read cannot be judged.
const Readable = "resource-readable"

// Finding is one answer that is no pass.
type Finding struct {
	Rule     *Rule
	Resource *Resource
	Verdict  Verdict
	Complaint
}

// Judge holds resources of a stack against rules. A rule that panics fails the
// resource it panicked on; the others are still asked.
type Judge struct {
	byType map[string][]*Rule
	known  map[string]bool
	rules  []*Rule
}

// NewJudge prepares rules, which Group must have been given.
func NewJudge(rules []*Rule) *Judge {
	j := &Judge{byType: map[string][]*Rule{}, known: map[string]bool{}, rules: rules}
	for _, r := range rules {
		for _, token := range r.Types {
			j.byType[token] = append(j.byType[token], r)
			j.known[token] = true
		}
		for token := range r.Consults {
			j.known[token] = true
		}
	}
	return j
}

// Rules are the rules the judge was given.
func (j *Judge) Rules() []*Rule { return j.rules }

// Concerns tells whether any rule is about resources of a type.
func (j *Judge) Concerns(token string) bool { return len(j.byType[token]) > 0 }

// Knows tells whether any rule is about resources of a type, or looks at them to
// judge others. No answer depends on those of any other type.
func (j *Judge) Knows(token string) bool { return j.known[token] }

// Resource asks the rules that need nothing but the resource itself.
func (j *Judge) Resource(s *Stack, r *Resource, limits Limits) []Finding {
	return j.ask(s, r, limits, func(rule *Rule) bool { return !rule.OfStack() })
}

// Stack asks the rules that need the whole stack about each of its resources.
func (j *Judge) Stack(s *Stack, limits Limits) []Finding {
	var findings []Finding
	for _, r := range s.Resources {
		findings = append(findings, j.ask(s, r, limits, (*Rule).OfStack)...)
	}
	return findings
}

// All asks every rule about every resource.
func (j *Judge) All(s *Stack, limits Limits) []Finding {
	var findings []Finding
	for _, r := range s.Resources {
		findings = append(findings, j.ask(s, r, limits, func(*Rule) bool { return true })...)
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Rule.ID, b.Rule.ID), strings.Compare(a.Resource.ID(), b.Resource.ID()), strings.Compare(a.Path, b.Path))
	})
	return findings
}

func (j *Judge) ask(s *Stack, r *Resource, limits Limits, which func(*Rule) bool) []Finding {
	var findings []Finding
	broken := shapes[r.Type] != nil && r.decode() != nil
	for _, rule := range j.byType[r.Type] {
		if !which(rule) || broken && rule.ID != Readable || r.Operation == Delete && !rule.OfDeletes {
			continue
		}
		findings = append(findings, rule.judge(s, r, limits)...)
	}
	return findings
}

// judge is one rule's answer about one resource.
func (rule *Rule) judge(s *Stack, r *Resource, limits Limits) []Finding {
	complaints, crashed := rule.complaints(s, r, limits)
	if crashed {
		return []Finding{{rule, r, Fail, complaints[0]}}
	}
	own := r.unknownAt(rule.reads[r.Type])
	vague := rule.vague(s, r)
	if len(vague) > 0 {
		complaints = rule.doubted(s, r, limits, complaints, vague)
	}
	findings := make([]Finding, 0, len(complaints))
	for _, c := range complaints {
		verdict := Fail
		c.Message = rule.concealed(s, r, c)
		unknown := func(path string) bool {
			return slices.ContainsFunc(own, func(u unknownPath) bool { return meet(steps(path), u.steps) })
		}
		switch {
		case c.Undecided:
			verdict = Undecided
		case unknown(c.Path):
			verdict, c.Message = Undecided, "is not known yet"
		case c.Unless != "" && unknown(c.Unless):
			verdict, c.Path, c.Message = Undecided, c.Unless, "is not known yet"
		case len(vague) > 0 && (!rule.Exhaustive || rule.EitherWay):
			verdict, c.Message = Undecided, c.Message+", unless "+vague[0].ID()+" changes that, of which something is not known yet"
		}
		findings = append(findings, Finding{rule, r, verdict, c})
	}
	switch {
	case len(findings) > 0:
		return findings
	case len(own) > 0:
		return []Finding{{rule, r, Undecided, Complaint{Path: own[0].text, Message: "is not known yet"}}}
	case len(vague) > 0 && (rule.Exhaustive || rule.EitherWay):
		return []Finding{{rule, r, Undecided, Complaint{Message: "depends on " + vague[0].ID() + ", of which something is not known yet"}}}
	}
	return nil
}

// vague are other resources of which something is unknown that the answer
// depends on.
func (rule *Rule) vague(s *Stack, r *Resource) []*Resource {
	var found []*Resource
	for token, patterns := range rule.consults {
		for _, other := range s.Of(token) {
			if other != r && len(other.unknown) > 0 && len(other.unknownAt(patterns)) > 0 {
				found = append(found, other)
			}
		}
	}
	return found
}

// doubted asks once more without the resources that are only half known: what
// is left out of one, such as a selector, may make it fit where it does not. A
// complaint in either case is one.
func (rule *Rule) doubted(s *Stack, r *Resource, limits Limits, complaints []Complaint, vague []*Resource) []Complaint {
	if len(complaints) > 0 || rule.Exhaustive || rule.EitherWay {
		return complaints
	}
	known := slices.DeleteFunc(slices.Clone(s.Resources), func(other *Resource) bool { return slices.Contains(vague, other) })
	complaints, _ = rule.complaints(NewStack(s.Name, known...), r, limits)
	return complaints
}

// complaints asks the check and turns a panic into a complaint about the rule.
func (rule *Rule) complaints(s *Stack, r *Resource, limits Limits) (complaints []Complaint, crashed bool) {
	defer func() {
		if cause := recover(); cause != nil {
			crashed = true
			message := fmt.Sprintf("rule %s panicked on it, which counts as a failure", rule.ID)
			if len(r.hidden) > 0 {
				message += "; the resource holds a secret, so the cause is not shown"
			} else {
				message += fmt.Sprintf(": %.200v", cause)
			}
			complaints = []Complaint{{Message: rule.concealed(s, r, Complaint{Message: message})}}
		}
	}()
	return rule.Check(s, r, limits), false
}

// ReadableRule is the rule called Readable, for the types given.
func ReadableRule(types []string) *Rule {
	return &Rule{
		ID:    Readable,
		Title: "A resource's properties have the shape its type asks for",
		Why: "A rule that cannot read a resource cannot find anything wrong with it. " +
			"What the API server would refuse, or silently drop, is told before anything is changed.",
		Remedy:     "Correct the property that the message names.",
		References: []string{"https://kubernetes.io/docs/reference/using-api/api-concepts/"},
		Types:      types,
		Check: func(_ *Stack, r *Resource, _ Limits) []Complaint {
			if err := r.decode(); err != nil {
				return Complain("", "cannot be read as a %s: %v", r.Kind(), err)
			}
			return nil
		},
	}
}
