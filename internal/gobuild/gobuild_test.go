package gobuild

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnvironmentLeavesTheUsersChoice(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want string
	}{
		{nil, "400 2GiB -trimpath -ldflags=-w\n"},
		{[]string{"GOGC=50"}, "50 2GiB -trimpath -ldflags=-w\n"},
		{[]string{"GOGC=off", "GOMEMLIMIT=1GiB"}, "off 1GiB -trimpath -ldflags=-w\n"},
		{[]string{"GOFLAGS=-mod=mod"}, "400 2GiB -mod=mod\n"},
	} {
		cmd := exec.Command("/bin/sh", "-c", "echo $GOGC $GOMEMLIMIT $GOFLAGS")
		cmd.Env = Environment(test.env)
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, test.want, string(out))
	}
}
