package rollback

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/proposal"
)

// The program of then knows nothing of today's refusals, and its place is the
// reason for all that would be replaced.
func TestAnEntryOfAnotherPlaceIsRefused(t *testing.T) {
	const bucket = "aws:s3/bucketV2:BucketV2"
	inputs := func(region string) *apitype.StepEventStateMetadata {
		return &apitype.StepEventStateMetadata{Inputs: map[string]any{"region": region}}
	}
	state, err := checkpoint.Parse([]byte(`{"version":3,"checkpoint":{"latest":{"resources":[
 {"urn":"urn:pulumi:t::p::` + bucket + `::b","type":"` + bucket + `","custom":true}]}}}`))
	require.NoError(t, err)
	a := &run{state: state, result: Result{Plan: Plan{Target: history.Entry{Number: 3}}}}
	lost := &proposal.Step{Operation: "replace", URN: "urn:pulumi:t::p::" + bucket + "::b", Type: bucket}
	provider := &proposal.Step{
		Operation: "replace", URN: "urn:pulumi:t::p::pulumi:providers:aws::aws", Type: "pulumi:providers:aws",
		Old: inputs("eu-central-1"), New: inputs("eu-west-1"),
	}
	err = a.judge(&proposal.Proposal{Steps: []*proposal.Step{lost, provider}})
	require.ErrorIs(t, err, ErrPlace)
	require.ErrorContains(t, err, "going back to entry 3: the stack stands elsewhere: its aws.region is eu-west-1, but the stack stands in eu-central-1; nothing was changed")

	provider.New = inputs("eu-central-1")
	require.ErrorIs(t, a.judge(&proposal.Proposal{Steps: []*proposal.Step{lost, provider}}), ErrData)
	require.NoError(t, a.judge(&proposal.Proposal{Steps: []*proposal.Step{provider}}))
}
