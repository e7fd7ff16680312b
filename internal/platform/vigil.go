package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrClusterGone is returned for an operation that was stopped because the
// cluster did not answer any more. The plugin would wait for it in silence, for
// as long as the slowest resource may take.
var ErrClusterGone = errors.New("the cluster does not answer")

// How long the cluster may be silent before a person is told, and before the
// operation is stopped. Restarting the API server takes a few seconds.
const (
	tellAfter = 15 * time.Second
	stopAfter = time.Minute
)

// vigil judges a cluster by its answers.
type vigil struct {
	lost time.Time // when it last answered; zero while it does
	told bool
}

// heard takes in one answer, nil for a good one. It returns what to tell a
// person, if anything, and an error once there is no point in waiting.
func (v *vigil) heard(now time.Time, answer error) (string, error) {
	if answer == nil {
		back := v.told
		*v = vigil{}
		if back {
			return "the cluster answers again", nil
		}
		return "", nil
	}
	if v.lost.IsZero() {
		v.lost = now
	}
	silent := now.Sub(v.lost)
	switch {
	case silent >= stopAfter:
		return "", fmt.Errorf("%w since %s; what was done until then is recorded. Bring it back (slipway lab status says what is missing, slipway lab up repairs it) and run this again: %w",
			ErrClusterGone, silent.Round(time.Second), answer)
	case silent >= tellAfter && !v.told:
		v.told = true
		return fmt.Sprintf("the cluster has not answered for %s; stopping if that goes on for %s: %v", silent.Round(time.Second), stopAfter, answer), nil
	}
	return "", nil
}

// watch asks the cluster of a local stack until ctx ends, and ends it with the
// reason when the cluster is gone. A machine without kubectl cannot ask.
func (s *Stack) watch(ctx context.Context, out io.Writer, stop context.CancelCauseFunc) {
	if there, err := s.inCluster(); err != nil || !there {
		return
	}
	if _, err := s.kubectlPath(); err != nil {
		return
	}
	var v vigil
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Second):
		}
		_, answer := s.kubectl(ctx, "get", "--raw", "/readyz")
		if ctx.Err() != nil {
			return
		}
		say, gone := v.heard(time.Now(), answer)
		if say != "" {
			fmt.Fprintln(out, say)
		}
		if gone != nil {
			stop(gone)
			return
		}
	}
}
