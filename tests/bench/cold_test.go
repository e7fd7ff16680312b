package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimelineOfMakeUp(t *testing.T) {
	const said = `bootstrap: compiling the slipway CLI, 10s
    0.0s  start  tool kube
   10.0s  ...    tool kube 10s; 25 more to start
   69.2s  done   tool kube (1m1s), 25 left
   80.0s  done   image docker.io/library/busybox (9.1s), 24 left
    0.0s  start  first answer over HTTPS
    3.5s  done   first answer over HTTPS (500ms), 0 left
`
	var seen timeline
	require.NoError(t, seen.read(time.Now().Add(-90*time.Second), strings.NewReader(said)))
	require.Equal(t, []step{
		{"tool kube", 61 * time.Second},
		{"image docker.io/library/busybox", 9100 * time.Millisecond},
		{firstAnswer, 500 * time.Millisecond},
	}, seen.steps)
	figures := seen.figures(10 * time.Minute)
	require.Equal(t, figure{"  processor time, user and system", "10 min 00 s", ""}, figures[2])
	require.Equal(t, figure{"  step beside others: tool kube", "1 min 01 s", ""}, figures[3])
	for _, cut := range []string{"first answer", "start  "} {
		var other timeline
		require.ErrorContains(t, other.read(time.Now(), strings.NewReader(strings.ReplaceAll(said, cut, "something"))), "tests/bench reads other lines")
	}
}

func TestFromNothingFindsNoToolsOfThisMachine(t *testing.T) {
	t.Setenv("PATH", "/home/ada/.cache/slipway/bin:/usr/bin:/home/ada/.cache/slipway/tools/pulumi/bin")
	environment := emptyCaches("/var/tmp/empty", "/home/ada/.cache/slipway")
	var search string
	for _, variable := range environment {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			search = value // the last one counts
		}
	}
	require.Equal(t, "/usr/bin", search)
}
