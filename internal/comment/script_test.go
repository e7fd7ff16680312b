package comment

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/proposal"
)

// gh answers a listing with what the file found holds, and notes every call.
const gh = `#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in *--paginate*) cat "$FOUND" ;; esac
`

// The script that posts the comment updates the one that is there, and labels
// what deletes or replaces.
func TestCommentScript(t *testing.T) {
	script, err := filepath.Abs("../../scripts/comment")
	require.NoError(t, err)
	var many []*proposal.Step
	for range 3000 {
		many = append(many, step("update", deployment, "web"))
	}
	destructive := stack("prod", step("delete", deployment, "api"))
	for name, tc := range map[string]struct {
		text, found string
		want        []string
		fails       bool
	}{
		"first": {Write([]Stack{destructive}, ""), "", []string{
			"--method POST repos/o/r/issues/7/comments --field body=@", "--method POST repos/o/r/issues/7/labels --field labels[]=destructive"}, false},
		"again": {Write([]Stack{stack("prod", step("create", deployment, "api"))}, ""), "42\n", []string{
			"--method PATCH repos/o/r/issues/comments/42 --field body=@", "--method DELETE repos/o/r/issues/7/labels/destructive"}, false},
		// Of what was cut away the text has no row.
		"cut":       {Write([]Stack{stack("dev", many...), destructive}, ""), "", []string{"--field labels[]=destructive"}, false},
		"unknown":   {Write([]Stack{{Name: "prod", Failed: "no route"}}, ""), "", []string{"/comments --field body=@"}, false},
		"no marker": {"hello", "", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"gh": gh, "found": tc.found, "comment.md": tc.text} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700))
			}
			cmd := exec.Command(script, filepath.Join(dir, "comment.md"))
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CALLS="+filepath.Join(dir, "calls"), "FOUND="+filepath.Join(dir, "found"),
				"GITHUB_REPOSITORY=o/r", "PULL_REQUEST=7")
			out, err := cmd.CombinedOutput()
			require.Equal(t, tc.fails, err != nil, string(out))
			calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
			for _, want := range tc.want {
				require.Contains(t, string(calls), want)
			}
			if tc.fails {
				require.Empty(t, calls)
			}
			if name == "unknown" {
				require.NotContains(t, string(calls), "labels", "nobody knows, and somebody else's word goes")
			}
		})
	}
}
