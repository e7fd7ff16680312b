// Package report turns findings into what people and tools read: levels and
// waivers applied, as text, JSON, SARIF or Markdown.
package report

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

// The rules about waivers; they cannot be waived.
var (
	Expired = &rule.Rule{
		ID: "waiver-expired", Subject: "waivers", Title: "No waiver is past its end",
		Why: "An exception without an end is a rule nobody keeps.", Remedy: "Correct what it excused, or agree on a new end with its owner.",
	}
	Unused = &rule.Rule{
		ID: "waiver-unused", Subject: "waivers", Title: "Every waiver is needed",
		Why: "One that is no longer needed waits to excuse the next mistake.", Remedy: "Remove it from policies/waivers.yaml.",
	}
)

// Entry is one finding as it is reported.
type Entry struct {
	Rule     string         `json:"rule"`
	Subject  string         `json:"subject"`
	Level    rule.Level     `json:"level"`
	Verdict  rule.Verdict   `json:"verdict"`
	Resource string         `json:"resource"`
	URN      string         `json:"urn,omitempty"`
	Path     string         `json:"path,omitempty"`
	Message  string         `json:"message"`
	Remedy   string         `json:"remedy,omitempty"`
	File     string         `json:"file,omitempty"`
	Line     int            `json:"line,omitempty"`
	Waiver   *waiver.Waiver `json:"waiver,omitempty"`
}

// Stops tells whether the entry stops an update.
func (e Entry) Stops() bool {
	return e.Waiver == nil && e.Level == rule.Mandatory && e.Verdict == rule.Fail
}

// Report is everything said about a stack.
type Report struct {
	Stack string `json:"stack,omitempty"`
	// Rules and Resources are how many were held against each other; Ignored
	// counts resources of each type that no rule is about.
	Rules     int            `json:"rules"`
	Resources int            `json:"resources"`
	Ignored   map[string]int `json:"ignored,omitempty"`
	Entries   []Entry        `json:"findings"`
}

// Options are what a report depends on beside the findings.
type Options struct {
	Settings settings.Settings
	Waivers  []*waiver.Waiver
	Now      time.Time
	// Complete says that the whole stack was judged, so that a waiver without a
	// finding is unused.
	Complete bool
	// Resources are those of a complete stack. A waiver that names no stacks is
	// about every stack that has its resource, and unused only there.
	Resources []*rule.Resource
}

// Make judges a stack and reports.
func Make(j *rule.Judge, s *rule.Stack, o Options) Report {
	report := Report{Stack: s.Name, Rules: len(j.Rules()), Resources: len(s.Resources), Ignored: map[string]int{}}
	for _, r := range s.Resources {
		if !j.Concerns(r.Type) {
			report.Ignored[r.Type]++
		}
	}
	o.Resources = s.Resources
	report.Entries = Entries(j.All(s, o.Settings.Limits), s.Name, o)
	return report
}

// Entries applies levels and waivers to findings.
func Entries(findings []rule.Finding, stack string, o Options) []Entry {
	entries := make([]Entry, 0, len(findings))
	used := map[*waiver.Waiver]bool{}
	for _, f := range findings {
		level := o.Settings.Level(f.Rule)
		if level == rule.Disabled {
			continue
		}
		e := Entry{
			Rule: f.Rule.ID, Subject: f.Rule.Subject, Level: level, Verdict: f.Verdict, Resource: f.Resource.ID(), URN: f.Resource.URN,
			Path: f.Path, Message: f.Message, Remedy: f.Rule.Remedy, File: f.Resource.File, Line: f.Resource.Line,
		}
		for _, w := range o.Waivers {
			if w.Covers(e.Rule, e.Resource, stack) {
				used[w] = true
				if !w.Expired(o.Now) {
					e.Waiver = w
				}
			}
		}
		entries = append(entries, e)
	}
	for _, w := range o.Waivers {
		if !w.For(stack) {
			continue
		}
		about := func(r *rule.Rule, message string) {
			entries = append(entries, Entry{Rule: r.ID, Subject: r.Subject, Level: rule.Mandatory, Verdict: rule.Fail,
				Resource: w.Resource, Message: message, Remedy: r.Remedy, File: path.Join("policies", waiver.File), Line: w.Line})
		}
		switch {
		case w.Expired(o.Now) && o.Complete:
			about(Expired, fmt.Sprintf("the waiver of %s by %s ended on %s", w.Rule, w.Owner, w.Expires))
		case o.Complete && !used[w] && (len(w.Stacks) > 0 || o.has(w.Resource)):
			about(Unused, fmt.Sprintf("nothing needs the waiver of %s by %s", w.Rule, w.Owner))
		}
	}
	return entries
}

// has tells whether a resource is among those judged.
func (o Options) has(resource string) bool {
	return slices.ContainsFunc(o.Resources, func(r *rule.Resource) bool { return r.ID() == resource })
}

// Count is how many entries there are of a kind.
func (r Report) Count(which func(Entry) bool) int {
	n := 0
	for _, e := range r.Entries {
		if which(e) {
			n++
		}
	}
	return n
}

// Stopping is how many entries stop an update.
func (r Report) Stopping() int { return r.Count(Entry.Stops) }

func waived(e Entry) bool    { return e.Waiver != nil }
func undecided(e Entry) bool { return e.Waiver == nil && e.Verdict == rule.Undecided }
func advised(e Entry) bool {
	return e.Waiver == nil && e.Verdict == rule.Fail && e.Level == rule.Advisory
}

// Summary is the report in one line.
func (r Report) Summary() string {
	ignored := 0
	for _, n := range r.Ignored {
		ignored += n
	}
	return fmt.Sprintf("%d rules, %d resources (%d of types no rule is about): %d mandatory, %d advisory, %d undecided, %d waived",
		r.Rules, r.Resources, ignored, r.Stopping(), r.Count(advised), r.Count(undecided), r.Count(waived))
}

// groups are the entries by what they ask of the reader, worst first.
func (r Report) groups() []group {
	groups := []group{
		{title: "Mandatory", which: Entry.Stops}, {title: "Advisory", which: advised},
		{title: "Undecided", which: undecided}, {title: "Waived", which: waived},
	}
	for i := range groups {
		for _, e := range r.Entries {
			if groups[i].which(e) {
				groups[i].entries = append(groups[i].entries, e)
			}
		}
		slices.SortStableFunc(groups[i].entries, func(a, b Entry) int {
			return cmp.Or(strings.Compare(a.Rule, b.Rule), strings.Compare(a.Resource, b.Resource))
		})
	}
	return groups
}

type group struct {
	title   string
	which   func(Entry) bool
	entries []Entry
}
