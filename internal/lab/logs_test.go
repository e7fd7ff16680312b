package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeLog(t *testing.T, l *Lab, component, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.log(component)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.log(component), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLogsOfOneOfANodeAndOfAll(t *testing.T) {
	l := testLab(t)
	writeLog(t, l, "apiserver", "a\nb\nc\n")
	writeLog(t, l, "node-1/kubelet", "k\n")
	writeLog(t, l, "node-1/kube-proxy", "p\n")
	for _, test := range []struct {
		name  string
		lines int
		want  string
	}{
		{"apiserver", 2, "b\nc\n"},
		{"node-1/kubelet", 9, "k\n"},
		{"node-1", 9, "node-1/kube-proxy: p\nnode-1/kubelet: k\n"},
		{"", 1, "apiserver: c\nnode-1/kube-proxy: p\nnode-1/kubelet: k\n"},
	} {
		var out bytes.Buffer
		if err := l.Logs(t.Context(), test.name, test.lines, false, &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != test.want {
			t.Errorf("%q: got %q, want %q", test.name, out.String(), test.want)
		}
	}
	err := l.Logs(t.Context(), "kubelet", 1, false, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "node-1/kubelet") {
		t.Errorf("an unknown component: %v; the error should list those there are", err)
	}
}

func TestLogsWithoutALab(t *testing.T) {
	if err := testLab(t).Logs(t.Context(), "", 1, false, &bytes.Buffer{}); !errors.Is(err, ErrNoLab) {
		t.Errorf("got %v, want %v", err, ErrNoLab)
	}
}

func TestLogsFollowThroughRotation(t *testing.T) {
	l := testLab(t)
	writeLog(t, l, "etcd", "old\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const want = "old\nhalf a line\nnew\n"
	out := &watched{seen: map[string]func(){
		"old\n": func() {
			appendTo(l.log("etcd"), "half ")
			time.Sleep(400 * time.Millisecond)
			appendTo(l.log("etcd"), "a line\n")
		},
		"old\nhalf a line\n": func() { _ = os.WriteFile(l.log("etcd"), []byte("new\n"), 0o600) },
		want:                 cancel,
	}}
	if err := l.Logs(ctx, "etcd", 5, true, out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// watched goes on with the test as soon as something has arrived.
type watched struct {
	bytes.Buffer
	seen map[string]func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if next := w.seen[w.String()]; next != nil {
		go next()
	}
	return n, err
}

func appendTo(path, text string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(text)
	_ = file.Close()
}

func TestBigLogIsShrunkSmallOneIsNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("12345")
	if err := shrink(path, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".1"); err == nil {
		t.Error("a log of the allowed size was moved aside")
	}
	write("123456")
	if err := shrink(path, 5); err != nil {
		t.Fatal(err)
	}
	now, _ := os.ReadFile(path)
	before, _ := os.ReadFile(path + ".1")
	if len(now) != 0 || string(before) != "123456" {
		t.Errorf("after: %q, aside: %q", now, before)
	}
}

func TestLogIsRotatedAtEachStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "x.log")
	for i := range keptLogs + 3 {
		file, err := openLog(path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = file.WriteString(string(rune('a' + i)))
		_ = file.Close()
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) != keptLogs+1 {
		t.Errorf("%d files are kept, want %d", len(files), keptLogs+1)
	}
	last, _ := os.ReadFile(path + ".1")
	if string(last) != "e" {
		t.Errorf("the log before this one says %q, want e", last)
	}
}
