package platform

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASilentClusterIsToldOnceAndGivenUp(t *testing.T) {
	refused := errors.New("connection refused")
	begin := time.Unix(1000, 0)
	var v vigil
	for _, step := range []struct {
		at     time.Duration
		answer error
		says   string
		gone   bool
	}{
		{0, nil, "", false},
		{5 * time.Second, refused, "", false},
		{19 * time.Second, refused, "", false},
		{20 * time.Second, refused, "has not answered for 15s", false},
		{30 * time.Second, refused, "", false},
		{40 * time.Second, nil, "answers again", false},
		{50 * time.Second, nil, "", false},
		{60 * time.Second, refused, "", false}, // counted anew
		{119 * time.Second, refused, "has not answered for 59s", false},
		{120 * time.Second, refused, "", true},
	} {
		say, err := v.heard(begin.Add(step.at), step.answer)
		if step.says == "" {
			require.Empty(t, say, step.at)
		} else {
			require.Contains(t, say, step.says, step.at)
		}
		if !step.gone {
			require.NoError(t, err, step.at)
			continue
		}
		require.ErrorIs(t, err, ErrClusterGone)
		require.ErrorIs(t, err, refused)
		require.ErrorContains(t, err, "slipway lab up")
	}
}
