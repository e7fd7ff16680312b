package platform

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRanBy(t *testing.T) {
	host, err := os.Hostname()
	require.NoError(t, err)
	for want, environment := range map[string]map[string]string{
		"octocat@github": {"GITHUB_ACTOR": "octocat", "USER": "runner"},
		"ada@" + host:    {"SUDO_USER": "ada", "USER": "root"},
		"bob@" + host:    {"USER": "bob"},
	} {
		require.Equal(t, want, ranBy(func(name string) string { return environment[name] }))
	}
	require.Regexp(t, ".+@"+host, ranBy(func(string) string { return "" }))
}
