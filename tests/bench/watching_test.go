package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each line counts once, from when it is whole, in whichever file it is.
func TestLinesOfAnArchiveAreSeenOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, first, last int, more string) {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		for i := first; i < last; i++ {
			_, err = fmt.Fprintf(file, `{"body":"mark %d %d"}`+"\n", i, time.Now().Add(-time.Minute).UnixNano())
			require.NoError(t, err)
		}
		_, err = file.WriteString(more)
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	write("application-1.jsonl", 0, lineCount-1, `{"body":"mark 999 1`)
	write("application-2.jsonl", 0, 10, "")
	found := make(chan []time.Duration, 1)
	go func() {
		late, err := arrivals(context.Background(), dir, "mark")
		if err != nil {
			late = nil
		}
		found <- late
	}()
	write("application-2.jsonl", lineCount-1, lineCount, "")
	late := <-found
	require.Len(t, late, lineCount)
	for _, one := range late {
		require.GreaterOrEqual(t, one, time.Minute)
		require.Less(t, one, 24*time.Hour, "half a line was read")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := arrivals(ctx, dir, "other")
	require.ErrorContains(t, err, "0 of 1000 lines came into "+dir)
}

func TestDurationsAreShort(t *testing.T) {
	require.Equal(t, []string{"3 ms", "1.2 s", "70 s"}, []string{short(3 * time.Millisecond), short(1234 * time.Millisecond), short(70 * time.Second)})
	require.Equal(t, 3*time.Second, quantile([]time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, 0.99))
}
