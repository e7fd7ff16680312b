package comment

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/policies/waiver"
)

const statefulSet, deployment = "kubernetes:apps/v1:StatefulSet", "kubernetes:apps/v1:Deployment"

func step(op, kind, name string) *proposal.Step {
	return &proposal.Step{
		Operation: op, Type: kind, URN: "urn:pulumi:t::p::" + kind + "::" + name, Custom: true,
		Properties: map[string]apitype.PropertyDiff{"spec.secretValue": {}},
		New:        &apitype.StepEventStateMetadata{Inputs: map[string]any{"spec": map[string]any{"secretValue": "hunter2"}}},
	}
}

func stack(name string, steps ...*proposal.Step) Stack {
	return Stack{
		Name: name, Hash: "abc", Proposal: &proposal.Proposal{Steps: steps, Counts: map[string]int{"create": 1}},
		Guard: guard.New([]guard.Resource{{URN: "urn:pulumi:t::p::" + statefulSet + "::db", Type: statefulSet, Custom: true}}),
	}
}

func TestWorstComesFirstAndNoValueIsShown(t *testing.T) {
	s := stack("prod", step("create", deployment, "new"), step("update", deployment, "web"), step("delete", deployment, "api"), step("replace", statefulSet, "db"), step("same", deployment, "same"))
	s.Proposal.Findings = []proposal.Finding{{Policy: "no-root", Level: "mandatory", Message: "runs as <root> @everyone | x"}}
	text := Write([]Stack{s, stack("dev")}, "https://example.test/run")
	require.True(t, strings.HasPrefix(text, Marker+"\n"))
	order := []string{
		"<!-- destructive: yes -->", "| prod | **loses data** | 1 | 1 | 1 | 1 | 1 | 0 | `abc` |",
		"| prod | **loses data** | replace", "| prod | interrupts | delete", "### prod", "no-root", "| changes | update", "| adds | create",
		"1 unchanged", "https://example.test/run",
	}
	at := -1
	for _, part := range order {
		i := strings.Index(text, part)
		require.Greater(t, i, at, "%q in\n%s", part, text)
		at = i
	}
	require.NotContains(t, text, "hunter2")
	require.NotContains(t, text, "<root>")
	require.NotContains(t, text, " @everyone")
	require.Contains(t, text, `everyone \| x`)
	for _, part := range []string{"replace | `" + statefulSet + "` db", "delete | `" + deployment + "` api"} {
		require.Equal(t, 1, strings.Count(text, part), "%q twice", part)
	}
}

func TestWhatIsDestructiveIsSaid(t *testing.T) {
	calm, failed := stack("dev", step("create", deployment, "x")), Stack{Name: "prod", Failed: "no route"}
	for want, stacks := range map[string][]Stack{
		"no": {calm}, "yes": {failed, calm, stack("stage", step("delete", deployment, "x"))}, "unknown": {calm, failed},
	} {
		lines := strings.Split(Write(stacks, ""), "\n")
		require.Equal(t, "<!-- destructive: "+want+" -->", lines[1])
	}
}

// A waiver lets a change through, so whoever reads the change reads who answers
// for it, why, and until when.
func TestWaiversInUseAreNamed(t *testing.T) {
	s := stack("prod", step("replace", statefulSet, "db"))
	s.Waivers = []*waiver.Waiver{{Rule: "data-not-replaced", Resource: "StatefulSet/data/db", Owner: "ada", Reason: "moved | away", Expires: "2026-06-01"}}
	text := Write([]Stack{s}, "")
	require.Contains(t, text, "- waived until 2026-06-01 by ada: `data-not-replaced` of StatefulSet/data/db, because moved \\| away\n")
	quiet := stack("dev")
	quiet.Waivers = s.Waivers
	require.Contains(t, Write([]Stack{quiet}, ""), "by ada", "a waiver in use is no news only where nothing else is")
}

// However much is cut, every stack has its row, and what is lost is said first.
func TestNeverTooLong(t *testing.T) {
	var steps, losses []*proposal.Step
	for i := range 3000 {
		steps = append(steps, step("update", deployment, fmt.Sprintf("web-%d-ü", i)))
		losses = append(losses, step("delete", deployment, fmt.Sprintf("old-%d", i)))
	}
	last := stack("stage", append(steps, step("delete", deployment, "gone"), step("replace", statefulSet, "db"))...)
	text := Write([]Stack{stack("prod", steps...), stack("dev"), last}, "the artifact")
	require.LessOrEqual(t, len(text), Limit)
	require.Greater(t, len(text), Limit-1000)
	for _, part := range []string{
		"<!-- destructive: yes -->", "| prod | changes | 0 | 0 | 3000 | 0 |", "| stage | **loses data** | 1 | 1 | 3000 | 0 |",
		"| stage | **loses data** | replace", "| stage | interrupts | delete", "Cut short: the rest of 2 stacks", "1 unchanged", "the artifact",
	} {
		require.Contains(t, text, part)
	}
	text = Write([]Stack{stack("prod", losses...), last}, "")
	require.LessOrEqual(t, len(text), Limit)
	require.Contains(t, text, "| stage | **loses data** | replace", "what interrupts keeps out what loses data")
	require.Regexp(t, `\*\*And \d+ more, in the whole preview\.\*\*`, text)

	text = Write([]Stack{{Name: "prod", Failed: strings.Repeat("no route\n", Limit)}, stack("dev", step("create", deployment, "x"))}, "")
	require.LessOrEqual(t, len(text), Limit)
	require.Zero(t, strings.Count(text, "```")%2, "the rest of the comment is code")
	require.Contains(t, text, "| dev | adds |")
}

func TestAPreviewThatFailedIsTold(t *testing.T) {
	text := Write([]Stack{{Name: "prod", Failed: "no ``` route"}}, "")
	require.Contains(t, text, "The preview failed:\n\n```\nno ''' route\n```")
}
