package platform

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/paths"
)

// script is a pulumi that is one, with $CALLS as its memory.
type script string

func (s script) Path(string) (string, error)       { return string(s), nil }
func (s script) Pulumi() (string, []string, error) { return string(s), nil, nil }

// Pulumi refuses both of two that begin at one moment, so one must begin again.
// It must not when the other one went on, or when something else is wrong.
func TestARefusalByALockIsNotTheEnd(t *testing.T) {
	const refuse = "echo 'error: the stack is currently locked by 1 lock(s).' >&2; exit 255\n"
	for name, tc := range map[string]struct {
		first string
		calls int
		want  error
		says  string
	}{
		"both gave way":      {refuse, 2, nil, ""},
		"the other went on":  {`echo '{"version":3}' >"$STATE/.pulumi/stacks/slipway/local.json"; ` + refuse, 1, ErrMoved, ""},
		"the other is at it": {`echo '{"pid":1,"hostname":"there","timestamp":"2026-01-02T03:04:05Z"}' >"$STATE/.pulumi/locks/organization/slipway/local/x.json"; ` + refuse, 1, lock.ErrHeld, ""},
		"another fault":      {"echo 'error: no such luck' >&2; exit 255\n", 1, nil, "exit status 255"},
	} {
		t.Run(name, func(t *testing.T) {
			stack := checkout(t, "config: {}\n")
			for _, dir := range []string{".pulumi/stacks/slipway", ".pulumi/locks/organization/slipway/local"} {
				require.NoError(t, os.MkdirAll(filepath.Join(paths.Pulumi(), dir), 0o700))
			}
			calls := filepath.Join(t.TempDir(), "calls")
			t.Setenv("CALLS", calls)
			t.Setenv("STATE", paths.Pulumi())
			program := filepath.Join(t.TempDir(), "pulumi")
			require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho call >>\"$CALLS\"\n[ \"$(wc -l <\"$CALLS\")\" -gt 1 ] && exit 0\n"+tc.first), 0o700))
			stack.tools = script(program)
			var said bytes.Buffer
			err := stack.writing(t.Context(), &said, "up", "up")
			switch {
			case tc.want != nil:
				require.ErrorIs(t, err, tc.want)
			case tc.says != "":
				require.ErrorContains(t, err, tc.says)
			default:
				require.NoError(t, err)
				require.Contains(t, said.String(), "gave way as well")
			}
			raw, err := os.ReadFile(calls)
			require.NoError(t, err)
			require.Equal(t, tc.calls, strings.Count(string(raw), "call"))
		})
	}
}
