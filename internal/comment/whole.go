package comment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/difference"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/policies/document"
)

// unknown stands in place of what only the update will tell.
const unknown = "(known after the update)"

// Whole is each change of a stack with every property in it, values and all but
// secrets. It is for the file beside the comment, which nothing cuts.
func (s Stack) Whole() string {
	if s.Proposal == nil {
		return ""
	}
	var b strings.Builder
	for _, step := range s.sorted() {
		fmt.Fprintf(&b, "%s: %s %s %s\n", s.risk(step), step.Operation, checkpoint.Type(step.URN), checkpoint.Name(step.URN))
		fmt.Fprintf(&b, "    %s\n", step.URN)
		if len(step.Keys) > 0 {
			fmt.Fprintf(&b, "    cannot be changed in place: %s\n", strings.Join(step.Keys, ", "))
		}
		for _, p := range valuesOf(step) {
			fmt.Fprintf(&b, "    %s: %s => %s\n", p.Path, orNone(p.Before), orNone(p.After))
		}
	}
	return b.String()
}

// valuesOf are the properties that a step changes: by the inputs, and where those
// are the same to look at, as secrets are, by what the provider names.
func valuesOf(step *proposal.Step) []difference.Property {
	inputs := func(m *apitype.StepEventStateMetadata) map[string]any {
		if m == nil {
			return nil
		}
		return m.Inputs
	}
	before, after := inputs(step.Old), inputs(step.New)
	if step.Operation == string(apitype.OpDelete) {
		after = nil
	}
	changed := difference.Values(hideData(step.Type, before), hideData(step.Type, after))
	if before == nil || after == nil {
		return changed
	}
	named := slices.Sorted(maps.Keys(step.Properties))
	if len(named) == 0 {
		named = step.Diffs
	}
	for _, path := range named {
		if !slices.ContainsFunc(changed, func(p difference.Property) bool {
			return within(p.Path, path) || within(path, p.Path)
		}) {
			changed = append(changed, difference.Property{Path: path, Before: "(not shown)", After: "(not shown)"})
		}
	}
	return changed
}

// within tells whether a property's path is another's, or of a part of it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// hideData masks what a Kubernetes Secret holds, whoever forgot to mark it.
func hideData(kind string, inputs map[string]any) map[string]any {
	if kind != "kubernetes:core/v1:Secret" {
		return inputs
	}
	inputs = maps.Clone(inputs)
	for _, key := range []string{"data", "stringData"} {
		if inputs[key] != nil {
			inputs[key] = checkpoint.Masked
		}
	}
	return inputs
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return strings.ReplaceAll(strings.ReplaceAll(value, `"`+document.UnknownMark+`"`, unknown), document.UnknownMark, unknown)
}
