// Package comment writes what a pull request would do to every stack as one
// comment: what is lost first, what stays as it is last, and no secret.
package comment

import (
	"fmt"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/policies/waiver"
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
	// Waivers are those without which a rule would have more to say.
	Waivers []*waiver.Waiver
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

// Destructive tells whether any stack would delete or replace something. known is
// false when that cannot be said, because a preview failed.
func Destructive(stacks []Stack) (destructive, known bool) {
	known = true
	for _, s := range stacks {
		known = known && s.Proposal != nil
		destructive = destructive || len(s.destroyed()) > 0
	}
	return destructive, known || destructive
}

// Write renders the comment: a row for every stack that changes, what is deleted
// or replaced in any of them, then each by itself. What does not fit into Limit
// is left out from the end, and the comment says so; artifact says where the
// whole is. The second line is for scripts/comment, which must not have to
// guess from what was left.
func Write(stacks []Stack, artifact string) string {
	var changed []Stack
	var still []string
	for _, s := range stacks {
		if s.unchanged() {
			name := s.Name
			if s.Against != "" {
				name += " against " + s.Against
			}
			still = append(still, name)
			continue
		}
		changed = append(changed, s)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n<!-- destructive: %s -->\n## Preview\n\n", Marker, answer(Destructive(stacks)))
	end := ""
	if len(still) > 0 {
		end = fmt.Sprintf("<details><summary>%d unchanged</summary>\n\n%s\n\n</details>\n", len(still), cell(strings.Join(still, ", ")))
	}
	if artifact != "" {
		end += fmt.Sprintf("\nThe whole preview: %s\n", artifact)
	}
	if len(changed) > 0 {
		b.WriteString(overview(changed))
		b.WriteString(losses(changed, Limit/2))
	}
	for i, s := range changed {
		room := Limit - b.Len() - len(end) - len(notice(len(changed)))
		if section := s.section(); len(section) <= room {
			b.WriteString(section)
			continue
		}
		b.WriteString(cut(s.section(), room))
		b.WriteString(notice(len(changed) - i))
		break
	}
	b.WriteString(end)
	return b.String()
}

func notice(stacks int) string {
	return fmt.Sprintf("\n**Cut short: the rest of %d stacks is in the whole preview.**\n", stacks)
}

func answer(yes, known bool) string {
	switch {
	case !known:
		return "unknown"
	case yes:
		return "yes"
	}
	return "no"
}

func (s Stack) unchanged() bool {
	return s.Proposal != nil && len(s.Proposal.Changes()) == 0 && len(s.Proposal.Problems) == 0 && len(s.Proposal.Findings) == 0 && len(s.Waivers) == 0
}

// sorted are the changes, worst first.
func (s Stack) sorted() []*proposal.Step {
	steps := s.Proposal.Changes()
	rank := []Risk{Data, Outage, Routine, Fresh}
	slices.SortStableFunc(steps, func(a, b *proposal.Step) int { return slices.Index(rank, s.risk(a)) - slices.Index(rank, s.risk(b)) })
	return steps
}

// destroyed are the changes after which what was there is gone.
func (s Stack) destroyed() []*proposal.Step {
	if s.Proposal == nil {
		return nil
	}
	return slices.DeleteFunc(s.sorted(), func(step *proposal.Step) bool { return !guard.Destructive(step.Operation) })
}

// overview is a row for each stack, which is there however much is cut.
func overview(stacks []Stack) string {
	var b strings.Builder
	b.WriteString("| stack | worst | delete | replace | update | create | rules broken | waivers | plan |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range stacks {
		if s.Proposal == nil {
			fmt.Fprintf(&b, "| %s | **the preview failed** | | | | | | | |\n", cell(s.Name))
			continue
		}
		worst, counts := "", map[string]int{}
		for _, step := range s.sorted() {
			if worst == "" {
				worst = s.word(step)
			}
			operation := step.Operation
			if operation == "import" {
				operation = "create"
			}
			counts[operation]++
		}
		if len(s.Proposal.Problems) > 0 {
			worst = "**the preview failed**"
		}
		plan := ""
		if s.Hash != "" {
			plan = "`" + s.Hash + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d | %s |\n", cell(s.Name), worst,
			counts["delete"], counts["replace"], counts["update"], counts["create"], len(s.Proposal.Mandatory()), len(s.Waivers), plan)
	}
	return b.String() + "\n"
}

// losses are what is deleted or replaced in any stack, in at most limit bytes.
func losses(stacks []Stack, limit int) string {
	const head = "### Deleted and replaced\n\n| stack | risk | operation | resource | properties |\n|---|---|---|---|---|\n"
	var b strings.Builder
	b.WriteString(head)
	left := 0
	for _, risk := range []Risk{Data, Outage} {
		for _, s := range stacks {
			for _, step := range s.destroyed() {
				if s.risk(step) != risk {
					continue
				}
				row := fmt.Sprintf("| %s %s", cell(s.Name), s.row(step))
				if b.Len()+len(row) > limit {
					left++
					continue
				}
				b.WriteString(row)
			}
		}
	}
	switch {
	case left > 0:
		fmt.Fprintf(&b, "\n**And %d more, in the whole preview.**\n", left)
	case b.Len() == len(head):
		return ""
	}
	return b.String() + "\n"
}

// word is a step's risk as the comment shows it.
func (s Stack) word(step *proposal.Step) string {
	if risk := s.risk(step); risk != Data {
		return string(risk)
	}
	return "**" + string(Data) + "**"
}

func (s Stack) row(step *proposal.Step) string {
	return fmt.Sprintf("| %s | %s | `%s` %s | %s |\n", s.word(step), step.Operation,
		cell(checkpoint.Type(step.URN)), cell(checkpoint.Name(step.URN)), cell(properties(step)))
}

// cut ends a text at a whole line, outside of a block of code.
func cut(text string, room int) string {
	const fence = "```\n"
	if room <= len(fence) {
		return ""
	}
	text = text[:room-len(fence)]
	text = text[:strings.LastIndexByte(text, '\n')+1]
	if strings.Count(text, "```")%2 == 1 {
		text += fence
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
	for _, w := range s.Waivers {
		fmt.Fprintf(&b, "- waived until %s by %s: `%s` of %s, because %s\n", cell(w.Expires), cell(w.Owner), cell(w.Rule), cell(w.Resource), cell(w.Reason))
	}
	for _, p := range s.Proposal.Problems {
		fmt.Fprintf(&b, "- error %s: %s\n", cell(checkpoint.Name(p.URN)), cell(p.Message))
	}
	rest := slices.DeleteFunc(s.sorted(), func(step *proposal.Step) bool { return guard.Destructive(step.Operation) })
	if len(rest) > 0 {
		b.WriteString("\n| risk | operation | resource | properties |\n|---|---|---|---|\n")
		for _, step := range rest {
			b.WriteString(s.row(step))
		}
	}
	fmt.Fprintf(&b, "\n%s", totals(s.Proposal.Counts))
	if s.Cost != "" {
		fmt.Fprintf(&b, " · %s", cell(s.Cost))
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
