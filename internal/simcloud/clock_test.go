package simcloud

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lasting runs an operation of so many simulated seconds.
func lasting(t *testing.T, h *Host, seconds int) (began, ended float64) {
	t.Helper()
	c := &Change{Host: h, Verb: "create", Record: &Record{Token: vpc, ID: time.Now().String(), Properties: Props{}}, Lasts: time.Duration(seconds) * time.Second}
	assert.NoError(t, c.Run(context.Background(), func(*Tx) error { return nil }))
	return c.began, c.ended
}

func TestTheClockJumpsOverWaiting(t *testing.T) {
	// Longer than a busy machine may take between two of an operation's steps.
	Quiet = 2 * time.Second
	h, err := NewHost("aws", Settings{Dir: t.TempDir(), Credentials: "valid", Jumps: true}, nil)
	require.NoError(t, err)
	var all sync.WaitGroup
	var chained float64
	all.Go(func() {
		began, ended := lasting(t, h, 800)
		assert.Equal(t, []float64{0, 800}, []float64{began, ended})
	})
	all.Go(func() {
		lasting(t, h, 100)
		_, chained = lasting(t, h, 50) // after the first, beside the long one
	})
	all.Wait()
	assert.Equal(t, 150.0, chained)
	began, ended := lasting(t, h, 30)
	assert.Equal(t, []float64{800, 830}, []float64{began, ended})
	operations, err := h.World.Operations()
	require.NoError(t, err)
	latest := 0.0
	for _, op := range operations {
		latest = max(latest, op.To)
	}
	assert.Equal(t, 830.0, latest)
}

func TestACancelledWaitDoesNotHoldTheClock(t *testing.T) {
	Quiet = 150 * time.Millisecond
	h, err := NewHost("aws", Settings{Dir: t.TempDir(), Credentials: "valid", Jumps: true}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := &Change{Host: h, Verb: "create", Record: &Record{Token: vpc, ID: "a", Properties: Props{}}, Lasts: 10 * time.Second}
	require.ErrorIs(t, c.Run(ctx, func(*Tx) error { return nil }), errCancelled)
	began, ended := lasting(t, h, 20)
	assert.Equal(t, []float64{0, 20}, []float64{began, ended})
}
