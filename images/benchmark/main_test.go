package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway.dev/slipway/images/benchmark/load"
)

// outcome is what a run of the program came to.
type outcome struct {
	code     int
	out, log string
	result   load.Result
	report   string
}

// authority is a file with the service's own certificate.
func authority(t *testing.T, s *service) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// benchmark runs the program against the service under another name than its
// address's, as in a cluster, and without the parts that only take time.
func benchmark(ctx context.Context, t *testing.T, s *service, args ...string) outcome {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report")
	args = append([]string{
		"-url", "https://example.com:8443", "-address", s.Listener.Addr().String(), "-authority", authority(t, s),
		"-report", report, "-rate", "50", "-duration", "1s", "-max-p99", "60000",
	}, args...)
	var out, log bytes.Buffer
	asked, err := parse(args, &log)
	if err != nil {
		t.Fatal(err)
	}
	asked.answering, asked.warming = 4*time.Second, 100*time.Millisecond
	o := outcome{code: perform(ctx, asked, &out, &log), out: out.String(), log: log.String()}
	raw, err := os.ReadFile(report)
	if err == nil {
		o.report = string(raw)
	}
	if o.out != "" {
		if err := json.Unmarshal([]byte(o.out), &o.result); err != nil {
			t.Fatalf("the result is no JSON: %v\n%s", err, o.out)
		}
	}
	return o
}

func TestARunThatKeepsItsLimits(t *testing.T) {
	s := serve(t)
	o := benchmark(t.Context(), t, s, "-mix", "mixed")
	if o.code != 0 || o.result.Message != load.Passed || len(o.result.Broken) != 0 {
		t.Fatalf("exit code %d, %q, broken %q\n%s", o.code, o.result.Message, o.result.Broken, o.log)
	}
	if strings.Count(o.out, "\n") != 1 || o.report+"\n" != o.out {
		t.Errorf("the result is not one line, the same in both places:\n%s%s", o.out, o.report)
	}
	// Of a pod's status only so much is kept.
	if len(o.report) > 4096 {
		t.Errorf("the result is %d bytes long", len(o.report))
	}
	want := map[string]int{load.Read: 35, load.Write: 10, load.List: 5}
	for name, count := range want {
		if got := o.result.Operations[name].Requests; got != count {
			t.Errorf("%d requests of operation %s, want %d", got, name, count)
		}
	}
	if o.result.All.Requests != 50 || o.result.All.Failed != 0 {
		t.Errorf("%d requests, %d failed", o.result.All.Requests, o.result.All.Failed)
	}
}

// TestItLeavesNothingBehind: neither rows, nor keys that the service would
// remember for a day, and it never holds more rows than it should.
func TestItLeavesNothingBehind(t *testing.T) {
	for _, mix := range load.Mixes() {
		t.Run(string(mix), func(t *testing.T) {
			s := serve(t)
			o := benchmark(t.Context(), t, s, "-mix", string(mix), "-rate", "200")
			if o.code != 0 {
				t.Fatalf("exit code %d\n%s", o.code, o.log)
			}
			if s.left() > 0 || o.result.RowsLeft > 0 {
				t.Errorf("%d rows are left, and it says %d", s.left(), o.result.RowsLeft)
			}
			if len(s.keys) > 0 {
				t.Errorf("idempotency keys were sent: %q", s.keys)
			}
			if most := 100 + 20 + connections; s.made < 100 || s.most > most {
				t.Errorf("%d rows were stored and %d at once, want 100 or more and at most %d", s.made, s.most, most)
			}
			if writes := mix == load.Writes || mix == load.Mixed; writes != (s.requests[http.MethodPut] > 0) {
				t.Errorf("%d rows were replaced", s.requests[http.MethodPut])
			}
			if mix == load.Streaming && s.pages < 200 {
				t.Errorf("%d pages were fetched", s.pages)
			}
		})
	}
}

func TestALimitThatIsBrokenFails(t *testing.T) {
	slow := func(*http.Request) int { time.Sleep(5 * time.Millisecond); return 0 }
	refusing := func(r *http.Request) int {
		if r.Method == http.MethodGet && r.URL.Path != "/v1/items" {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	for name, test := range map[string]struct {
		before func(*http.Request) int
		args   []string
		broken string
	}{
		"slow":       {slow, []string{"-max-p99", "4"}, "p99 is"},
		"refusing":   {refusing, []string{"-mix", "read"}, "50 requests failed, 0 may"},
		"not enough": {refusing, []string{"-mix", "read", "-max-failures", "49"}, "50 requests failed, 49 may"},
		// Thirty requests are due while nothing is answered.
		"stalled": {stall(120, 600*time.Millisecond), []string{"-mix", "read", "-max-p99", "300"}, "p99 is"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.before = test.before
			o := benchmark(t.Context(), t, s, test.args...)
			if o.code != 1 || o.result.Message != load.Failed || len(o.result.Broken) != 1 || !strings.HasPrefix(o.result.Broken[0], test.broken) {
				t.Errorf("exit code %d, %q, broken %q", o.code, o.result.Message, o.result.Broken)
			}
			if !strings.Contains(o.log, "broken: "+test.broken) {
				t.Errorf("it does not say what was broken:\n%s", o.log)
			}
			if s.left() > 0 {
				t.Errorf("%d rows are left", s.left())
			}
		})
	}
}

func TestFailuresThatMayBePass(t *testing.T) {
	s := serve(t)
	s.before = func(r *http.Request) int {
		if r.Method == http.MethodGet && r.URL.Path != "/v1/items" {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	o := benchmark(t.Context(), t, s, "-mix", "read", "-max-failures", "50")
	if o.code != 0 || o.result.Failures["503"] != 50 {
		t.Errorf("exit code %d, failures %v", o.code, o.result.Failures)
	}
}

// TestAStoppedRunCleansUp: Kubernetes tells a pod that it has to go, and waits.
func TestAStoppedRunCleansUp(t *testing.T) {
	s := serve(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s.before = func(r *http.Request) int {
		if r.Method == http.MethodPut { // the run is under way
			stop()
		}
		return 0
	}
	o := benchmark(ctx, t, s, "-mix", "write", "-duration", "1m")
	if o.code != 1 || len(o.result.Broken) == 0 || !strings.HasPrefix(o.result.Broken[0], "it was stopped") {
		t.Errorf("exit code %d, broken %q", o.code, o.result.Broken)
	}
	// What was under way may have been stored, and it says so.
	if s.left() > o.result.RowsLeft {
		t.Errorf("%d rows are left, and it says %d", s.left(), o.result.RowsLeft)
	}
}

func TestRowsThatCannotBeDeletedAreNamed(t *testing.T) {
	s := serve(t)
	s.before = func(r *http.Request) int {
		if r.Method == http.MethodDelete {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	o := benchmark(t.Context(), t, s, "-mix", "read")
	if o.result.RowsLeft != 100 || !strings.Contains(o.log, "slipway erase slipway-benchmark") {
		t.Errorf("it says that %d rows are left, want 100:\n%s", o.result.RowsLeft, o.log)
	}
}

func TestAServiceThatIsNotTrustedIsNotMeasured(t *testing.T) {
	s := serve(t)
	other := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(other, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := benchmark(t.Context(), t, s, "-authority", other); o.code != 2 || !strings.Contains(o.log, "no certificate in PEM") {
		t.Errorf("exit code %d with an authority that is none:\n%s", o.code, o.log)
	}
	if o := benchmark(t.Context(), t, s, "-authority", ""); o.code != 1 || !strings.Contains(o.log, "certificate") {
		t.Errorf("exit code %d for a certificate that nobody vouches for:\n%s", o.code, o.log)
	}
	if o := benchmark(t.Context(), t, s, "-url", "https://other.test"); o.code != 1 || !strings.Contains(o.log, "certificate") {
		t.Errorf("exit code %d for the certificate of another name:\n%s", o.code, o.log)
	}
	if s.made > 0 {
		t.Errorf("%d rows were stored", s.made)
	}
}

func TestFaultsOfTheCommandLineAreAllNamed(t *testing.T) {
	var out, log bytes.Buffer
	code := command(t.Context(), []string{"-url", "example.org", "-rate", "0", "-duration", "1ms", "-mix", "some", "-max-p99", "0", "-max-failures", "-1", "more"}, &out, &log)
	if code != 2 || out.Len() > 0 {
		t.Errorf("exit code %d, output %q", code, out.String())
	}
	for _, name := range []string{"-url", "-rate", "-duration", "-mix", "-max-p99", "-max-failures", "-more"} {
		if !strings.Contains(log.String(), name+": ") {
			t.Errorf("%s is not named:\n%s", name, log.String())
		}
	}
}
