package rollback

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/checkpoint"
)

func with(t *testing.T, cli, provider string) *checkpoint.State {
	t.Helper()
	s, err := checkpoint.Parse(fmt.Appendf(nil, `{"version":3,"checkpoint":{"latest":{"manifest":{"version":%q},"resources":[
 {"urn":"urn:pulumi:t::p::pulumi:providers:kubernetes::k","type":"pulumi:providers:kubernetes","inputs":{"version":%q}}]}}}`, cli, provider))
	require.NoError(t, err)
	return s
}

func TestAnotherMajorVersionIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		then, today *checkpoint.State
		want        string
	}{
		"same":           {with(t, "v3.230.0", "4.30.0"), with(t, "v3.230.0", "4.30.0"), ""},
		"minor":          {with(t, "v3.200.0", "4.1.0"), with(t, "v3.230.0", "4.30.0"), ""},
		"provider":       {with(t, "v3.230.0", "3.9.0"), with(t, "v3.230.0", "4.30.0"), "provider kubernetes was 3.9.0 and is 4.30.0"},
		"provider, back": {with(t, "v3.230.0", "5.0.0"), with(t, "v3.230.0", "4.30.0"), "provider kubernetes was 5.0.0 and is 4.30.0"},
		"engine":         {with(t, "v3.230.0", "4.30.0"), with(t, "v4.0.0", "4.30.0"), "pulumi was v3.230.0 and is v4.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			err := compatible(tc.then, tc.today)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrVersions)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "lock")
	unlock, err := exclusive(path)
	require.NoError(t, err)
	_, err = exclusive(path)
	require.ErrorIs(t, err, ErrBusy)
	unlock()
	unlock, err = exclusive(path)
	require.NoError(t, err)
	unlock()
}
