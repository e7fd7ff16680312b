// Package comment writes what a pull request would do to every stack as one
// comment: what is lost first, what stays as it is last, and no secret.
package comment

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/proposal"
)

// Limit is how many bytes a comment may have; GitHub refuses more than 65,536
// characters.
const Limit = 64 << 10

// Marker is the comment's first line, by which the next run finds it.
const Marker = "<!-- slipway preview -->"

// Risk classes a change by what it can break.
type Risk string

// Risks, worst first.
const (
	Data    Risk = "loses data"
	Outage  Risk = "interrupts"
	Routine Risk = "changes"
	Fresh   Risk = "adds"
)

// Stack is one stack's part of the comment.
type Stack struct {
	Name     string
	Proposal *proposal.Proposal
	Guard    *guard.Guard
	// Hash is that of the plan, which an update can be held to.
	Hash string
	// Against is the state that the change is compared with, as half a sentence;
	// empty for the stack's own of today.
	Against string
	// Failed says why there is no proposal.
	Failed string
	// Cost is what the change costs a month, as a sentence; empty when nobody
	// estimated it.
	Cost string
}

// risk judges a step.
func (s Stack) risk(step *proposal.Step) Risk {
	destructive := guard.Destructive(step.Operation)
	urn := step.URN
	if step.Old != nil && step.Old.URN != "" {
		urn = step.Old.URN
	}
	switch {
	case destructive && s.Guard.Holds(urn) != "":
		return Data
	case destructive:
		return Outage
	case step.Operation == "create" || step.Operation == "import":
		return Fresh
	}
	return Routine
}

// Destructive tells whether any stack would delete or replace something.
func Destructive(stacks []Stack) bool {
	return slices.ContainsFunc(stacks, func(s Stack) bool {
		return s.Proposal != nil && slices.ContainsFunc(s.Proposal.Changes(), func(step *proposal.Step) bool { return guard.Destructive(step.Operation) })
	})
}

// Write renders the comment. What does not fit into Limit is left out from the
// end, and the comment says so; artifact says where the whole is.
func Write(stacks []Stack, artifact string) string {
	var changed, still []string
	for _, s := range stacks {
		if s.Proposal != nil && len(s.Proposal.Changes()) == 0 && len(s.Proposal.Problems) == 0 && len(s.Proposal.Findings) == 0 {
			name := s.Name
			if s.Against != "" {
				name += " against " + s.Against
			}
			still = append(still, name)
			continue
		}
		changed = append(changed, s.section())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n## Preview\n\n", Marker)
	end := ""
	if len(still) > 0 {
		end = fmt.Sprintf("<details><summary>%d unchanged</summary>\n\n%s\n\n</details>\n", len(still), cell(strings.Join(still, ", ")))
	}
	if artifact != "" {
		end += fmt.Sprintf("\nThe whole preview: %s\n", artifact)
	}
	const notice = "\n**Cut short: the rest is in the whole preview.**\n"
	for _, section := range changed {
		room := Limit - b.Len() - len(end) - len(notice)
		if len(section) > room {
			b.WriteString(cut(section, room))
			b.WriteString(notice)
			break
		}
		b.WriteString(section)
	}
	b.WriteString(end)
	return b.String()
}

// cut ends a text at a whole line.
func cut(text string, room int) string {
	if room <= 0 {
		return ""
	}
	text = text[:room]
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}

func (s Stack) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", cell(s.Name))
	if s.Against != "" {
		fmt.Fprintf(&b, "Compared with %s.\n\n", cell(s.Against))
	}
	if s.Failed != "" {
		fmt.Fprintf(&b, "The preview failed:\n\n%s\n\n", code(s.Failed))
		return b.String()
	}
	for _, f := range s.Proposal.Findings {
		fmt.Fprintf(&b, "- policy `%s` (%s) %s: %s\n", cell(f.Policy), cell(f.Level), cell(checkpoint.Name(f.URN)), cell(f.Message))
	}
	for _, p := range s.Proposal.Problems {
		fmt.Fprintf(&b, "- error %s: %s\n", cell(checkpoint.Name(p.URN)), cell(p.Message))
	}
	steps := s.Proposal.Changes()
	rank := []Risk{Data, Outage, Routine, Fresh}
	slices.SortStableFunc(steps, func(a, b *proposal.Step) int { return slices.Index(rank, s.risk(a)) - slices.Index(rank, s.risk(b)) })
	if len(steps) > 0 {
		b.WriteString("\n| risk | operation | resource | properties |\n|---|---|---|---|\n")
		for _, step := range steps {
			risk := string(s.risk(step))
			if s.risk(step) == Data {
				risk = "**" + risk + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | `%s` %s | %s |\n", risk, step.Operation, cell(checkpoint.Type(step.URN)), cell(checkpoint.Name(step.URN)), cell(properties(step)))
		}
	}
	fmt.Fprintf(&b, "\n%s", totals(s.Proposal.Counts))
	if s.Cost != "" {
		fmt.Fprintf(&b, " · %s", cell(s.Cost))
	}
	if s.Hash != "" {
		fmt.Fprintf(&b, " · plan `%s`", s.Hash)
	}
	b.WriteString("\n\n")
	return b.String()
}

// properties names what changes. Values are not shown: a comment is read by
// more people than the state.
func properties(step *proposal.Step) string {
	var paths []string
	for path := range step.Properties {
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		paths = slices.Clone(step.Diffs)
	}
	slices.Sort(paths)
	const most = 8
	if len(paths) > most {
		paths = append(paths[:most:most], fmt.Sprintf("and %d more", len(paths)-most))
	}
	return strings.Join(paths, ", ")
}

func totals(counts map[string]int) string {
	var parts []string
	for _, op := range []string{"delete", "replace", "update", "create", "same"} {
		if n := counts[op]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, op))
		}
	}
	return strings.Join(parts, ", ")
}

// cell makes text safe inside a table: one line, no mark-up of its own, and
// nobody is notified by it.
func cell(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "`", "'", "@", "@\u200b").Replace(text)
}

func code(text string) string {
	return "```\n" + strings.ReplaceAll(strings.TrimSpace(text), "```", "'''") + "\n```"
}
