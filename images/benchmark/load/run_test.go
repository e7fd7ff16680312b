package load

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// stalling is a service that answers within a millisecond, and for a second, ten
// seconds after its start, not at all.
func stalling() Send {
	start := time.Now()
	return func(context.Context, int) (string, error) {
		if at := time.Since(start); at >= 10*time.Second && at < 11*time.Second {
			time.Sleep(11*time.Second - at)
		}
		time.Sleep(time.Millisecond)
		return Read, nil
	}
}

// TestAStallIsInTheFigures: of 2000 requests a hundred are due while nothing
// answers, and each is late by what is left of the stall. It is the same with few
// workers, who cannot send most of them until it is over.
func TestAStallIsInTheFigures(t *testing.T) {
	for name, workers := range map[string]int{"many workers": 200, "few workers": 4} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := Run(t.Context(), Plan{Rate: 100, Duration: 20 * time.Second, Workers: workers, Overtime: time.Second}, stalling()).All()
				if all.Count() != 2000 || all.Failed != 0 {
					t.Fatalf("%d were sent and %d failed, want 2000 and none", all.Count(), all.Failed)
				}
				if p99 := all.Quantile(0.99); p99 < 790*time.Millisecond || p99 > 850*time.Millisecond {
					t.Errorf("p99 is %s; one in a hundred was late by 800 ms", p99)
				}
			})
		})
	}
}

// TestAClosedLoopHidesTheStall is the counterproof: a client that waits for each
// answer sends one request in the second in which a hundred were due.
func TestAClosedLoopHidesTheStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		measured := Run(t.Context(), Plan{Duration: 20 * time.Second, Workers: 1}, stalling())
		all := measured.All()
		if p99 := all.Quantile(0.99); p99 > 2*time.Millisecond {
			t.Errorf("p99 is %s; the counterproof proves nothing", p99)
		}
		if all.Max() < time.Second {
			t.Errorf("the longest took %s; there was no stall to hide", all.Max())
		}
		if measured.Due != all.Count() {
			t.Errorf("%d are due of %d sent", measured.Due, all.Count())
		}
	})
}

// TestRequestsAreSentWhenTheyAreDue: neither in a bunch nor late.
func TestRequestsAreSentWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sent := make(chan time.Duration, 100)
		Run(t.Context(), Plan{Rate: 4, Duration: 5 * time.Second, Workers: 3}, func(context.Context, int) (string, error) {
			sent <- time.Since(start)
			return Read, nil
		})
		close(sent)
		number := 0
		for at := range sent {
			if want := time.Duration(number) * time.Second / 4; at != want {
				t.Errorf("request %d was sent after %s, want %s", number, at, want)
			}
			number++
		}
		if number != 20 {
			t.Errorf("%d requests were sent, want 20", number)
		}
	})
}

// TestAServiceThatHangsEndsTheRun: what finds no worker in time has failed, and
// is not waited for.
func TestAServiceThatHangsEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		measured := Run(t.Context(), Plan{Rate: 10, Duration: 10 * time.Second, Workers: 2, Overtime: 5 * time.Second},
			func(context.Context, int) (string, error) {
				time.Sleep(8 * time.Second)
				return Read, context.DeadlineExceeded
			})
		all := measured.All()
		if all.Count() != 100 || all.Failed != 100 {
			t.Errorf("%d were due and %d failed, want 100 and all", all.Count(), all.Failed)
		}
		if measured.Failures["timeout"] != 4 || measured.Failures[Unsent] != 96 {
			t.Errorf("failures are %v, want 4 that timed out and 96 that were never sent", measured.Failures)
		}
		if measured.Took > 20*time.Second {
			t.Errorf("the run took %s", measured.Took)
		}
	})
}

// TestAStoppedRunSaysSo: what was cut off is nobody's failure, and what was not
// sent is missing.
func TestAStoppedRunSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second+time.Millisecond)
		defer stop()
		measured := Run(ctx, Plan{Rate: 10, Duration: 10 * time.Second, Workers: 4},
			func(ctx context.Context, _ int) (string, error) {
				select {
				case <-ctx.Done():
					return Read, ctx.Err()
				case <-time.After(10 * time.Millisecond):
					return Read, nil
				}
			})
		if all := measured.All(); all.Count() != 50 || all.Failed != 0 || measured.Due != 100 {
			t.Errorf("%d of %d were sent and %d failed, want 50 of 100 and none", all.Count(), measured.Due, all.Failed)
		}
	})
}

func TestItSaysHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counts []int
		Run(t.Context(), Plan{
			Rate: 10, Duration: 10 * time.Second, Workers: 1, Every: 3*time.Second + 40*time.Millisecond,
			Watch: func(_ time.Duration, so *Measured) {
				all := so.All()
				counts = append(counts, all.Count())
			},
		}, func(context.Context, int) (string, error) { return Read, nil })
		if len(counts) != 3 || counts[0] != 31 || counts[1] != 61 || counts[2] != 92 {
			t.Errorf("it was told of %v requests, want 31, 61 and 92", counts)
		}
	})
}

func TestFailuresAreSorted(t *testing.T) {
	for want, err := range map[string]error{
		"503": &StatusError{Read, 503}, "timeout": context.DeadlineExceeded, "connection": errors.New("refused"),
		Unsent: errUnsent, "answer": errAnswer,
	} {
		if got := Kind(err); got != want {
			t.Errorf("%v is a failure of kind %q, want %q", err, got, want)
		}
	}
}

func TestLimitsAreHeld(t *testing.T) {
	plan := Plan{Rate: 10, Duration: time.Second}
	run := func(due int, latency time.Duration, failed int) *Measured {
		m := newMeasured()
		m.Due = due
		for n := range 10 {
			var err error
			if n < failed {
				err = &StatusError{Read, 500}
			}
			m.add(Read, latency, err)
		}
		return m
	}
	limits := Limits{P99Milliseconds: 100, Failures: 1}
	for name, test := range map[string]struct {
		measured *Measured
		broken   []string
	}{
		"kept":            {run(10, 99*time.Millisecond, 1), nil},
		"too slow":        {run(10, 200*time.Millisecond, 0), []string{"p99 is 200.0 ms, above 100 ms"}},
		"too many failed": {run(10, time.Millisecond, 2), []string{"2 requests failed, 1 may"}},
		"stopped":         {run(20, time.Millisecond, 0), []string{"it was stopped: 10 of 20 requests were sent"}},
		"both": {run(10, time.Second, 3), []string{
			"p99 is 1000.0 ms, above 100 ms", "3 requests failed, 1 may",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			result := Judge(plan, Reads, test.measured, 0, limits)
			if len(result.Broken) != len(test.broken) {
				t.Fatalf("broken are %q, want %q", result.Broken, test.broken)
			}
			for i, broken := range result.Broken {
				if broken != test.broken[i] {
					t.Errorf("broken is %q, want %q", broken, test.broken[i])
				}
			}
			if passed := result.Message == Passed && result.Level == "info"; passed != (len(test.broken) == 0) {
				t.Errorf("it says %q at level %s", result.Message, result.Level)
			}
		})
	}
}
