package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestQuantilesAreNearTheTrueOnes holds the histogram to sorting everything.
func TestQuantilesAreNearTheTrueOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() time.Duration{
		"microseconds": func() time.Duration { return time.Duration(random.IntN(200_000)) },
		"milliseconds": func() time.Duration { return time.Duration(random.ExpFloat64() * float64(5*time.Millisecond)) },
		"all sizes":    func() time.Duration { return time.Duration(math.Exp(random.Float64() * 28)) },
	} {
		t.Run(name, func(t *testing.T) {
			var h Histogram
			var all []time.Duration
			for range 10_000 {
				d := draw()
				all = append(all, d)
				h.Add(d)
			}
			slices.Sort(all)
			for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
				got, want := h.Quantile(q), all[max(int(math.Ceil(q*float64(len(all))))-1, 0)]
				if most := want + want/(1<<precision) + time.Microsecond; got < want || got > most {
					t.Errorf("quantile %v is %s, want %s to %s", q, got, want, most)
				}
			}
			if h.Max() != all[len(all)-1] || h.Count() != len(all) {
				t.Errorf("the longest of %d is %s, want %s of %d", h.Count(), h.Max(), all[len(all)-1], len(all))
			}
		})
	}
}

// TestBucketsFollowEachOther: a value between two buckets would be counted by
// none, or by another's.
func TestBucketsFollowEachOther(t *testing.T) {
	for at := range 4000 {
		if got := bucket(last(at)); got != at {
			t.Fatalf("the last value of bucket %d is counted in %d", at, got)
		}
		if got := bucket(last(at) + 1); got != at+1 {
			t.Fatalf("the value after bucket %d is counted in %d", at, got)
		}
	}
}

func TestMergedIsAsIfCountedTogether(t *testing.T) {
	var one, other, both Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		both.Add(d)
		if i%3 == 0 {
			one.Add(d)
		} else {
			other.Add(d)
		}
	}
	one.Merge(&other)
	for _, q := range []float64{0.1, 0.5, 0.99, 1} {
		if one.Quantile(q) != both.Quantile(q) {
			t.Errorf("quantile %v is %s, want %s", q, one.Quantile(q), both.Quantile(q))
		}
	}
	if one.Count() != both.Count() {
		t.Errorf("%d are counted, want %d", one.Count(), both.Count())
	}
}

func TestNothingIsZero(t *testing.T) {
	var h Histogram
	if h.Quantile(0.99) != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Errorf("of nothing, p99 is %s and the longest %s", h.Quantile(0.99), h.Max())
	}
}
