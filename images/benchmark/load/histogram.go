package load

import (
	"math"
	"math/bits"
	"time"
)

// precision is how many bits of a value are kept: values are known to one part
// in 128, which is less than two runs of anything differ by.
const precision = 7

// Histogram counts durations in buckets that are as wide as precision allows, in
// the manner of HdrHistogram: of one width up to 256 µs, and from there on twice
// as wide with each doubling. It is not safe for concurrent use.
type Histogram struct {
	counts []int
	count  int
	max    time.Duration
}

// bucket is where a number of microseconds is counted.
func bucket(value uint64) int {
	shift := max(bits.Len64(value)-precision-1, 0)
	return shift<<precision + int(value>>shift) //nolint:gosec // of precision bits and one
}

// last is the largest number of microseconds that a bucket counts.
func last(bucket int) uint64 {
	shift := max(bucket>>precision-1, 0)
	return uint64(bucket-shift<<precision+1)<<shift - 1 //nolint:gosec // of a bucket that counted something
}

// Add counts one duration. One below zero is none.
func (h *Histogram) Add(d time.Duration) {
	d = max(d, 0)
	at := bucket(uint64(d.Microseconds())) //nolint:gosec // not below zero
	if missing := at + 1 - len(h.counts); missing > 0 {
		h.counts = append(h.counts, make([]int, missing)...)
	}
	h.counts[at]++
	h.count++
	h.max = max(h.max, d)
}

// Merge counts what another has counted.
func (h *Histogram) Merge(other *Histogram) {
	if missing := len(other.counts) - len(h.counts); missing > 0 {
		h.counts = append(h.counts, make([]int, missing)...)
	}
	for at, count := range other.counts {
		h.counts[at] += count
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// Count is how many durations there are.
func (h *Histogram) Count() int { return h.count }

// Max is the longest of them, to the nanosecond.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile is a duration that a share q of all does not exceed, never shorter
// than the true one; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := max(int(math.Ceil(q*float64(h.count))), 1)
	seen := 0
	for at, count := range h.counts {
		if seen += count; seen >= rank {
			return min(time.Duration(last(at))*time.Microsecond+time.Microsecond-1, h.max) //nolint:gosec // at most twice a duration
		}
	}
	return h.max
}
