package platform

import (
	"cmp"
	"os"
	"os/user"

	"slipway.dev/slipway/internal/history"
)

// ranBy is who runs this: in continuous integration the person it works for, as
// person@service, and else user@host. A commit's author is somebody else as soon
// as one person updates what another wrote. Pulumi records the author alone.
func ranBy(variable func(string) string) string {
	if actor := variable("GITHUB_ACTOR"); actor != "" {
		return actor + "@github"
	}
	// Who became root by sudo is still that person.
	name := cmp.Or(variable("SUDO_USER"), variable("USER"))
	if account, err := user.Current(); name == "" && err == nil {
		name = account.Username
	}
	host, err := os.Hostname()
	if err != nil || name == "" {
		return name
	}
	return name + "@" + host
}

// signed are the flags of an operation that leaves an entry in the history, with
// who runs it.
func (s *Stack) signed(args ...string) []string {
	return s.configured(append(args, "--exec-agent", history.Agent{By: ranBy(os.Getenv)}.String())...)
}
