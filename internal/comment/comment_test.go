package comment

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/proposal"
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
	order := []string{"no-root", "**loses data** | replace", "interrupts | delete", "changes | update", "adds | create", "plan `abc`", "1 unchanged", "https://example.test/run"}
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
	require.True(t, Destructive([]Stack{s}))
	require.False(t, Destructive([]Stack{stack("dev", step("create", deployment, "x"))}))
}

func TestNeverTooLong(t *testing.T) {
	var steps []*proposal.Step
	for i := range 3000 {
		steps = append(steps, step("update", deployment, fmt.Sprintf("web-%d-ü", i)))
	}
	text := Write([]Stack{stack("prod", steps...), stack("dev"), stack("stage", steps...)}, "the artifact")
	require.LessOrEqual(t, len(text), Limit)
	require.Greater(t, len(text), Limit-1000)
	require.Contains(t, text, "Cut short")
	require.Contains(t, text, "1 unchanged")
	require.Contains(t, text, "the artifact")
}

func TestAPreviewThatFailedIsTold(t *testing.T) {
	text := Write([]Stack{{Name: "prod", Failed: "no ``` route"}}, "")
	require.Contains(t, text, "The preview failed:\n\n```\nno ''' route\n```")
}
