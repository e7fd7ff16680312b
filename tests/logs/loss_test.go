//go:build logs

package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/tests/harness"
)

// writer is a container that numbers its lines, and the kubelet that rotates
// its log.
type writer struct {
	t       *testing.T
	dir     string
	cri     cri
	next    int
	rotated string
}

func newWriter(n *node) *writer {
	return &writer{t: n.t, dir: n.container("slipway-ingress", "traefik-abcde", "traefik"), cri: cri{at: time.Now()}}
}

func (w *writer) log() string { return filepath.Join(w.dir, "0.log") }

// write adds lines with the next numbers.
func (w *writer) write(lines int) {
	w.t.Helper()
	for range lines {
		w.cri.line("stdout", fmt.Sprintf(`{"level":"info","number":%d,"fill":"%s"}`, w.next, strings.Repeat("x", 80)))
		w.next++
	}
	w.cri.appendTo(w.t, w.log())
}

// rotate moves the log aside and compresses what was moved aside before, as a
// kubelet does.
func (w *writer) rotate() {
	w.t.Helper()
	if w.rotated != "" {
		content, err := os.ReadFile(w.rotated)
		require.NoError(w.t, err)
		var packed bytes.Buffer
		to := gzip.NewWriter(&packed)
		_, err = to.Write(content)
		require.NoError(w.t, err)
		require.NoError(w.t, to.Close())
		require.NoError(w.t, os.WriteFile(w.rotated+".tmp", packed.Bytes(), 0o640))
		require.NoError(w.t, os.Rename(w.rotated+".tmp", w.rotated+".gz"))
		require.NoError(w.t, os.Remove(w.rotated))
	}
	// Names are by the second; each rotation here has one of its own.
	w.cri.at = w.cri.at.Add(time.Second)
	w.rotated = w.log() + "." + w.cri.at.UTC().Format("20060102-150405")
	require.NoError(w.t, os.Rename(w.log(), w.rotated))
	require.NoError(w.t, os.WriteFile(w.log(), nil, 0o640))
}

// numbers counts how often each number is stored.
func numbers(records []record) map[int]int {
	counts := map[int]int{}
	for _, r := range records {
		body, _ := r.Body.(map[string]any)
		if number, ok := body["number"].(float64); ok {
			counts[int(number)]++
		}
	}
	return counts
}

// missing are the numbers below end that are not stored.
func missing(counts map[int]int, end int) []int {
	var lost []int
	for number := range end {
		if counts[number] == 0 {
			lost = append(lost, number)
		}
	}
	return lost
}

// all waits until the archive holds the highest number, and returns what it
// holds by then. Where there are several files, others may still be on the way.
func (n *node) all(end int) map[int]int {
	n.t.Helper()
	return numbers(n.await("the last number", func(records []record) bool { return numbers(records)[end-1] > 0 }))
}

// size is how many bytes the archive's segments have.
func (n *node) size() int64 {
	n.t.Helper()
	files, err := filepath.Glob(filepath.Join(n.places.ArchiveDir(), "*.jsonl*"))
	require.NoError(n.t, err)
	var sum int64
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// killBehind kills the collector as soon as it has stored something more.
func (n *node) killBehind(before int64) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	require.NoError(n.t, harness.Eventually(ctx, time.Millisecond, func(context.Context) error {
		if n.size() == before {
			return errors.New("nothing more is stored")
		}
		return nil
	}))
	n.kill()
}

// Rounds of writing, rotating and killing: the collector is killed in the middle
// of a burst, and the log is rotated while it is away.
func TestNoLineIsLost(t *testing.T) {
	const rounds, burst, more = 4, 15_000, 2500
	n := newNode(t, logging.Standard)
	w := newWriter(n)
	n.start()
	began := time.Now()
	behind := 0
	for range rounds {
		before := n.size()
		w.write(burst)
		n.killBehind(before)
		if unread := len(missing(numbers(n.records()), w.next)); unread > 0 && unread < burst {
			behind++
		}
		w.rotate()
		w.write(more)
		n.start()
		// The next rotation takes what was moved aside now out of reach.
		end := w.next
		n.await("all lines of the round", func(records []record) bool { return len(missing(numbers(records), end)) == 0 })
	}
	n.stop()
	counts := numbers(n.records())
	lost := missing(counts, w.next)
	require.Empty(t, lost, "%d of %d lines are lost", len(lost), w.next)
	repeats := 0
	for _, times := range counts {
		repeats += times - 1
	}
	t.Logf("%d lines, %d rotations, %d kills, of which %d in the middle of a burst: none lost, %d repeated; %.0f lines a second, restarts included",
		w.next, rounds, rounds, behind, repeats, float64(w.next)/time.Since(began).Seconds())
	require.Positive(t, behind, "no kill met a collector that was behind, so nothing was tested")
	require.Less(t, repeats, w.next/2, "more is read again than a kill explains")
	for _, r := range n.records() {
		if r.Resource["k8s.pod.name"] != "traefik-abcde" || r.Resource["k8s.namespace.name"] != "slipway-ingress" ||
			r.Resource["k8s.container.name"] != "traefik" || r.class != "access" {
			t.Fatalf("a record does not say whose it is: %+v", r)
		}
	}
}

// The control, and the limit: what is rotated away twice while nobody reads is
// lost, exactly that, and the count sees it.
func TestWhatIsRotatedAwayTwiceIsLost(t *testing.T) {
	n := newNode(t, logging.Standard)
	w := newWriter(n)
	w.write(100)
	n.start()
	n.all(100)
	n.kill()
	w.rotate()
	w.write(70)
	w.rotate()
	w.write(30)
	w.rotate()
	w.write(10)
	n.start()
	// Files are read beside each other: the highest number is no sign that the
	// others have arrived.
	n.await("all that was still there", func(records []record) bool { return len(numbers(records)) >= w.next-70 })
	n.stop()
	lost := missing(numbers(n.records()), w.next)
	require.Len(t, lost, 70)
	require.Equal(t, []int{100, 169}, []int{lost[0], lost[69]})
}

// A sink that cannot be written to loses nothing: reading waits for it.
func TestAnArchiveThatIsAwayIsWaitedFor(t *testing.T) {
	n := newNode(t, logging.Standard)
	w := newWriter(n)
	w.write(10)
	n.start()
	n.all(10)
	n.stop()
	// The archive's place is taken by what cannot be a directory of segments.
	aside := n.places.ArchiveDir() + ".aside"
	require.NoError(t, os.Rename(n.places.ArchiveDir(), aside))
	require.NoError(t, os.WriteFile(n.places.ArchiveDir(), nil, 0o600))
	w.write(10)
	n.start()
	require.Error(t, n.cmd.Wait(), "a collector without an archive says so and ends")
	n.cmd = nil
	require.NoError(t, os.Remove(n.places.ArchiveDir()))
	require.NoError(t, os.Rename(aside, n.places.ArchiveDir()))
	n.start()
	counts := n.all(20)
	n.stop()
	require.Empty(t, missing(counts, 20))
}
