package archive

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// record is a line of an archive.
func record(text string) string { return fmt.Sprintf(`{"Body":%q}`, text) }

// erased runs an erasure of user-17.
func erased(t *testing.T, dir string, search bool) map[string]Count {
	t.Helper()
	counts, err := Erase(dir, subject(t, "user-17"), search)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

// filled is a store with a compressed segment, one that has ended, and an open
// one. Each has a record of user-17.
func filled(t *testing.T) *store {
	t.Helper()
	s, at, _ := made(t, t.TempDir())
	put(t, s, record("one"), record("user-17 a"))
	at.at = at.at.Add(2 * time.Hour)
	swept(t, s)
	put(t, s, record("two of user-170"), record("%55ser-17 b"))
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	at.at = at.at.Add(time.Second)
	s.segment = 1 << 20
	put(t, s, record("three"), record("USER-17 c"), record("four"))
	return s
}

func TestEraseTakesTheSubjectsRecordsAndNoOther(t *testing.T) {
	s := filled(t)
	other, _, _ := made(t, s.dir)
	other.class, other.file = "system", nil
	put(t, other, record("nobody"))
	// Without erasing, the search finds them, again and again.
	for range 2 {
		if got := erased(t, s.dir, true); got["access"] != (Count{Found: 3}) || got["system"] != (Count{}) {
			t.Fatalf("the search found %v", got)
		}
	}
	if got := content(t, s); strings.Count(strings.ToLower(got), "ser-17 ") != 3 {
		t.Fatalf("the search changed it to %s", got)
	}
	if got := erased(t, s.dir, false); got["access"] != (Count{Found: 3, Erased: 3}) || got["system"] != (Count{}) {
		t.Errorf("it erased %v", got)
	}
	want := strings.Join([]string{record("one"), record("two of user-170"), record("three"), record("four"), ""}, "\n")
	if got := content(t, s); got != want {
		t.Errorf("there is\n%s", got)
	}
	if got := content(t, other); got != record("nobody")+"\n" {
		t.Errorf("of the other class there is %s", got)
	}
	if got := erased(t, s.dir, false); got["access"] != (Count{}) {
		t.Errorf("the second time it found %v", got)
	}
	names, _ := filepath.Glob(filepath.Join(s.dir, "*"+temporary))
	if len(names) > 0 {
		t.Errorf("it left %v", names)
	}
	info, err := os.Stat(s.file.Name())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// The collector goes on writing to the segment that was replaced.
func TestTheWriterTakesUpWhatTookItsPlace(t *testing.T) {
	s := filled(t)
	path := s.file.Name()
	erased(t, s.dir, false)
	put(t, s, record("five"))
	if s.file.Name() != path {
		t.Errorf("it went on in %s", s.file.Name())
	}
	if got := content(t, s); !strings.HasSuffix(got, record("four")+"\n"+record("five")+"\n") || int64(len(mustRead(t, path))) != s.size {
		t.Errorf("there is %s, and the writer counts %d bytes", got, s.size)
	}
	// Its whole content may go, and the file, too.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	put(t, s, record("six"))
	if got := content(t, s); !strings.HasSuffix(got, record("six")+"\n") || s.file.Name() == path {
		t.Errorf("after the segment was removed there is %s", got)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A collector writes and sweeps while others erase: no other record is lost or
// repeated, and none of the subject's outlives the last erasure.
func TestErasingWhileTheCollectorWrites(t *testing.T) {
	s, _, _ := made(t, t.TempDir())
	s.now, s.segment = time.Now, 4000
	var working sync.WaitGroup
	fault := make(chan error, 8)
	const lines = 3000
	done := make(chan struct{})
	working.Go(func() {
		defer close(done)
		for i := range lines {
			text := record(fmt.Sprintf("line %d", i))
			if i%3 == 0 {
				text = record(fmt.Sprintf("line %d of user-17", i))
			}
			if err := s.write([]byte(text + "\n")); err != nil {
				fault <- err
				return
			}
		}
	})
	busy := func(work func() error) {
		working.Go(func() {
			for {
				if err := work(); err != nil {
					fault <- err
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	busy(s.sweep)
	sought := subject(t, "user-17")
	for range 2 {
		busy(func() error { _, err := Erase(s.dir, sought, false); return err })
	}
	working.Wait()
	close(fault)
	for err := range fault {
		t.Fatal(err)
	}
	erased(t, s.dir, false)
	if got := erased(t, s.dir, true); got["access"] != (Count{}) {
		t.Errorf("left over: %v", got)
	}
	var want []string
	for i := range lines {
		if i%3 != 0 {
			want = append(want, record(fmt.Sprintf("line %d", i)))
		}
	}
	if got := strings.Split(strings.TrimSpace(content(t, s)), "\n"); !slices.Equal(got, want) {
		t.Errorf("%d records are left of %d", len(got), len(want))
	}
}

// Killed at any step, an erasure leaves one whole form of a segment; the next one
// and the next collector go on from there.
func TestAnInterruptedErasureGoesOn(t *testing.T) {
	s := filled(t)
	names, err := s.names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(s.dir, name+temporary), []byte("half of user-17"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	erased(t, s.dir, false)
	left, _ := filepath.Glob(filepath.Join(s.dir, "*"+temporary))
	if got := content(t, s); len(left) > 0 || strings.Contains(strings.ToLower(got), "ser-17 ") || strings.Count(got, "\n") != 4 {
		t.Errorf("%v, %s", left, got)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(s.dir, name+temporary), []byte("half of user-18"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next, _, _ := made(t, s.dir)
	left, _ = filepath.Glob(filepath.Join(s.dir, "*"+temporary))
	if got := content(t, next); len(left) > 0 || strings.Count(got, "\n") != 4 || next.file == nil {
		t.Errorf("%v, %s", left, got)
	}
}

// A compression that was killed before it removed the original left both forms.
func TestBothFormsOfASegmentAreErased(t *testing.T) {
	s := filled(t)
	names, _ := s.names()
	stem := strings.TrimSuffix(names[0], compressed)
	if stem == names[0] {
		t.Fatalf("%s is not compressed", names[0])
	}
	if err := os.WriteFile(filepath.Join(s.dir, stem+plain), []byte(record("one")+"\n"+record("user-17 a")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	erased(t, s.dir, false)
	if got := erased(t, s.dir, true); got["access"] != (Count{}) {
		t.Errorf("left over: %v", got)
	}
}

func TestAnUnreadableSegmentDoesNotKeepTheOthers(t *testing.T) {
	s := filled(t)
	bad := filepath.Join(s.dir, "access-20260101T000000.000000000Z.jsonl.gz")
	if err := os.WriteFile(bad, []byte("no gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	counts, err := Erase(s.dir, subject(t, "user-17"), false)
	if err == nil || !strings.Contains(err.Error(), bad) || counts["access"] != (Count{Found: 3, Erased: 3}) {
		t.Errorf("%v, %v", counts, err)
	}
	if string(mustRead(t, bad)) != "no gzip" {
		t.Error("what could not be read was changed")
	}
}

func TestTheCommandReadsTheSubjectFromStandardInput(t *testing.T) {
	s := filled(t)
	run := func(stdin string, args ...string) (string, error) {
		var out bytes.Buffer
		cmd := NewEraseCommand()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetIn(strings.NewReader(stdin))
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append(args, "--directory", s.dir))
		err := cmd.Execute()
		return out.String(), err
	}
	if out, err := run("user-17\n", "--search"); err != nil || out != `{"access":{"found":3,"erased":0}}`+"\n" {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := run("nobody-1", "user-17"); err == nil || strings.Contains(out+err.Error(), "user-17") {
		t.Errorf("a subject on the command line: %s, %v", out, err)
	}
	if _, err := run("x1"); err == nil {
		t.Error("a short subject was taken")
	}
	if out, err := run("user-17\n"); err != nil || out != `{"access":{"found":3,"erased":3}}`+"\n" {
		t.Errorf("%s, %v", out, err)
	}
}

// While an erasure has the open segment, a writer waits, so that nothing is
// written to the file that is being replaced.
func TestAWriterWaitsForTheErasureOfItsSegment(t *testing.T) {
	s := filled(t)
	path := s.file.Name()
	eraser, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := flock(eraser, syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- s.write([]byte(record("five") + "\n")) }()
	select {
	case err := <-written:
		t.Errorf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond): // for a writer that does not wait to be done
	}
	if err := os.WriteFile(path+temporary, []byte(record("three")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+temporary, path); err != nil {
		t.Fatal(err)
	}
	if err := eraser.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if got := string(mustRead(t, path)); got != record("three")+"\n"+record("five")+"\n" {
		t.Errorf("the segment holds %s", got)
	}
}
