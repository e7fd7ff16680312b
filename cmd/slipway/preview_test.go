package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/slipway/internal/comment"
	"slipway.dev/slipway/internal/gate"
	"slipway.dev/slipway/internal/guard"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
)

// script is a program in place of every tool.
type script string

func (s script) Path(string) (string, error)       { return string(s), nil }
func (s script) Pulumi() (string, []string, error) { return string(s), nil, nil }

// engine is a pulumi that writes these events where it is told to, says which
// commands it was given, and changes nothing.
func engine(t *testing.T, events string) (tools script, asked func() string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "pulumi")
	text := `#!/bin/sh
echo "$1" >>"$0.asked"
while [ $# -gt 0 ]; do
  [ "$1" != --event-log ] || cp "$0.events" "$2"
  [ "$1" != --save-plan ] || echo '{}' >"$2"
  shift
done
`
	for path, text := range map[string]string{program: text, program + ".events": events} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return script(program), func() string {
		raw, err := os.ReadFile(program + ".asked")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(raw)), " ")
	}
}

// deleted are the events of a preview that would delete a bucket.
const deleted = `{"resourcePreEvent":{"metadata":{"op":"delete","urn":"urn:pulumi:prod::slipway::aws:s3/bucketV2:BucketV2::backups","type":"aws:s3/bucketV2:BucketV2",` +
	`"old":{"urn":"urn:pulumi:prod::slipway::aws:s3/bucketV2:BucketV2::backups","type":"aws:s3/bucketV2:BucketV2","inputs":{}}}}}
{"summaryEvent":{"resourceChanges":{"delete":1}}}
`

// TestNoWayToAnUpdateIsPastTheGate: previewing, updating and updating as planned
// each refuse to delete a bucket, and neither of the latter comes to the update.
func TestNoWayToAnUpdateIsPastTheGate(t *testing.T) {
	for name, run := range map[string]func(s *platform.Stack) error{
		"preview":    func(s *platform.Stack) error { return s.Preview(t.Context(), io.Discard) },
		"update":     func(s *platform.Stack) error { return s.Update(t.Context(), io.Discard) },
		"as planned": func(s *platform.Stack) error { return updateAsPlanned(t.Context(), io.Discard, s, "some hash") },
	} {
		t.Run(name, func(t *testing.T) {
			checkout := t.TempDir()
			t.Setenv(paths.StateEnv, filepath.Join(checkout, "state"))
			if err := os.WriteFile(filepath.Join(checkout, "Pulumi.prod.yaml"), []byte("config: {}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			tools, asked := engine(t, deleted)
			stack, err := platform.OpenStack(checkout, "prod", tools)
			if err != nil {
				t.Fatal(err)
			}
			err = run(stack)
			if !errors.Is(err, gate.ErrRefused) || !strings.Contains(err.Error(), "this update would delete it") {
				t.Errorf("it is not refused: %v", err)
			}
			if got := asked(); strings.Contains(got, "up") {
				t.Errorf("pulumi was asked to update: %s", got)
			}
		})
	}
}

// TestACommentIsWrittenAndThenRefused: both commands that write one end so.
func TestACommentIsWrittenAndThenRefused(t *testing.T) {
	p, err := proposal.Read(strings.NewReader(deleted))
	if err != nil {
		t.Fatal(err)
	}
	section := comment.Stack{Name: "prod", Proposal: p, Guard: guard.New(nil)}
	var out bytes.Buffer
	if err := conclude(&out, []comment.Stack{section}, ""); err != nil || !strings.Contains(out.String(), "prod") {
		t.Errorf("without a finding: %v\n%s", err, out.String())
	}
	p.Findings = []proposal.Finding{{Policy: gate.Rule, Level: "mandatory", Message: "backups: this update would delete it"}}
	out.Reset()
	var failure *exitError
	if err := conclude(&out, []comment.Stack{section}, ""); !errors.As(err, &failure) || !errors.Is(err, gate.ErrRefused) || out.Len() == 0 {
		t.Errorf("with a finding of the gate: %v\n%s", err, out.String())
	}
}
