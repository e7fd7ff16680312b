package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/erasure"
)

// rows is a place with rows of the subject, in a database that keeps some.
type rows struct{ found, kept int }

func (*rows) Name() string { return "database" }

func (r *rows) Run(_ context.Context, subject string, search bool) (map[string]erasure.Count, error) {
	count := erasure.Count{}
	if subject == "jane-4711" {
		count.Found = r.found
		if !search {
			count.Erased = r.found - r.kept
			r.found = r.kept
		}
	}
	return map[string]erasure.Count{"items": count}, nil
}

func eraseFrom(t *testing.T, e erasing, place *rows, subject, answer string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := &cobra.Command{}
	var out, log bytes.Buffer
	cmd.SetContext(t.Context())
	cmd.SetIn(strings.NewReader(answer))
	cmd.SetOut(&out)
	cmd.SetErr(&log)
	e.stack = "local"
	err = e.erase(cmd, []erasure.Place{place}, []erasure.Left{{What: "Backups", Kept: "7 days"}}, subject)
	require.NotContains(t, out.String()+log.String(), subject)
	return out.String(), log.String(), err
}

func TestEraseAsksBeforeItErases(t *testing.T) {
	place := &rows{found: 2}
	_, log, err := eraseFrom(t, erasing{}, place, "jane-4711", "no\n")
	require.ErrorIs(t, err, errNotAgreed)
	require.Equal(t, 2, place.found)
	require.Regexp(t, `database +items +2 `, log, "it asked without saying what would go")
	out, _, err := eraseFrom(t, erasing{}, place, "jane-4711", "local\n")
	require.NoError(t, err)
	require.Zero(t, place.found)
	require.Contains(t, out, "found nothing afterwards")
	require.Contains(t, out, "kept: 7 days")
}

func TestErasePrintsOneObject(t *testing.T) {
	place := &rows{found: 2}
	out, _, err := eraseFrom(t, erasing{yes: true, asJSON: true}, place, "jane-4711", "")
	require.NoError(t, err)
	require.JSONEq(t, `{"stack":"local","results":[{"place":"database","kind":"items","before":2,"erased":2,"after":0}],
	 "left":[{"what":"Backups","where":"","kept":"7 days","why":""}],"done":true}`, out)
}

func TestEraseOnlyLooks(t *testing.T) {
	place := &rows{found: 2}
	out, _, err := eraseFrom(t, erasing{dry: true}, place, "jane-4711", "")
	require.NoError(t, err)
	require.Equal(t, 2, place.found)
	require.Regexp(t, `database +items +2 +0 +-`, out)
}

func TestEraseOfAnUnknownSubjectChangesNothing(t *testing.T) {
	place := &rows{found: 2}
	out, _, err := eraseFrom(t, erasing{yes: true}, place, "nobody-1", "")
	require.NoError(t, err)
	require.Equal(t, 2, place.found)
	require.Contains(t, out, "nothing that can be searched holds the subject")
}

func TestEraseFailsWhenSomethingIsLeft(t *testing.T) {
	_, _, err := eraseFrom(t, erasing{yes: true}, &rows{found: 2, kept: 1}, "jane-4711", "")
	require.ErrorIs(t, err, erasure.ErrLeft)
}

func TestEraseRefusesBeforeItLooks(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"too short":        {[]string{"abc"}, "fewer than 4 characters"},
		"two subjects":     {[]string{"jane-4711", "john-4711"}, "takes one subject"},
		"nobody to ask":    {[]string{}, "add --yes"},
		"nobody to ask, -": {[]string{"-"}, "add --yes"},
		"like a flag":      {[]string{"-jane-4711"}, "a flag is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := eraseCommand()
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(c.args)
			err := cmd.ExecuteContext(t.Context())
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "4711")
		})
	}
}
