package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/comment"
	"slipway.dev/slipway/internal/gate"
	"slipway.dev/slipway/internal/proposal"
)

// A comment about what must not be done ends in a failure, whatever forbids it:
// whoever waits for a plan goes on after a success.
func TestARefusedPreviewFails(t *testing.T) {
	fine := comment.Stack{Name: "dev", Proposal: &proposal.Proposal{Findings: []proposal.Finding{{Policy: "two-replicas", Level: "advisory"}}}}
	found := func(policy string) comment.Stack {
		return comment.Stack{Name: "prod", Proposal: &proposal.Proposal{
			Findings: []proposal.Finding{{Policy: policy, Level: "mandatory", Message: "it is so"}},
			Problems: []proposal.Problem{{Message: "policy violated"}},
		}}
	}
	require.NoError(t, refused([]comment.Stack{fine}))
	for name, tc := range map[string]struct {
		stack comment.Stack
		code  int
		want  error
	}{
		"could not be asked": {comment.Stack{Name: "prod", Failed: "no route"}, 1, nil},
		"engine's errors":    {comment.Stack{Name: "prod", Proposal: &proposal.Proposal{Problems: []proposal.Problem{{Message: "no"}}}}, 1, nil},
		"mandatory rule":     {found("no-root"), violated, errBroken},
		"loses data":         {found(gate.Rule), violated, gate.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			err := refused([]comment.Stack{tc.stack, fine})
			require.ErrorContains(t, err, "stack prod")
			require.NotContains(t, err.Error(), "stack dev")
			code := 1
			if own := (*exitError)(nil); errors.As(err, &own) {
				code = own.code
			}
			require.Equal(t, tc.code, code)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
			}
		})
	}
}

// An empty hash is what a failed preview leaves, and prod takes no update that
// nobody has read.
func TestAnUpdateIsHeld(t *testing.T) {
	for _, tc := range []struct {
		stack, expect string
		asked, fine   bool
	}{
		{"dev", "", false, true}, {"dev", "", true, false}, {"dev", "abc", true, true},
		{"prod", "", false, false}, {"prod", "", true, false}, {"prod", "abc", true, true},
	} {
		err := held(tc.stack, tc.expect, tc.asked)
		require.Equal(t, tc.fine, err == nil, "%+v: %v", tc, err)
	}
}
