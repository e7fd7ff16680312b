package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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

// A comment about what must not be done ends in a failure, whatever forbids it:
// whoever waits for a plan goes on after a success.
func TestARefusedPreviewFails(t *testing.T) {
	fine := comment.Stack{Name: "dev", Proposal: &proposal.Proposal{Findings: []proposal.Finding{{Policy: "two-replicas", Level: "advisory"}}}}
	found := func(policy string) comment.Stack {
		return comment.Stack{Name: "prod", Proposal: &proposal.Proposal{
			Findings: []proposal.Finding{{Policy: policy, Level: "mandatory", Message: "it is so"}},
			Problems: []proposal.Problem{{Message: "policy violated"}},
		}}
	}
	require.NoError(t, refused([]comment.Stack{fine}))
	for name, tc := range map[string]struct {
		stack comment.Stack
		code  int
		want  error
	}{
		"could not be asked": {comment.Stack{Name: "prod", Failed: "no route"}, 1, nil},
		"engine's errors":    {comment.Stack{Name: "prod", Proposal: &proposal.Proposal{Problems: []proposal.Problem{{Message: "no"}}}}, 1, nil},
		"mandatory rule":     {found("no-root"), violated, errBroken},
		"loses data":         {found(gate.Rule), violated, gate.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			err := refused([]comment.Stack{tc.stack, fine})
			require.ErrorContains(t, err, "stack prod")
			require.NotContains(t, err.Error(), "stack dev")
			code := 1
			if own := (*exitError)(nil); errors.As(err, &own) {
				code = own.code
			}
			require.Equal(t, tc.code, code)
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
			}
		})
	}
}

// An empty hash is what a failed preview leaves, and prod takes no update that
// nobody has read.
func TestAnUpdateIsHeld(t *testing.T) {
	for _, tc := range []struct {
		stack, expect string
		asked, fine   bool
	}{
		{"dev", "", false, true}, {"dev", "", true, false}, {"dev", "abc", true, true},
		{"prod", "", false, false}, {"prod", "", true, false}, {"prod", "abc", true, true},
	} {
		err := held(tc.stack, tc.expect, tc.asked)
		require.Equal(t, tc.fine, err == nil, "%+v: %v", tc, err)
	}
}
