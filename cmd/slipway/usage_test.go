package main

import (
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsageIsAskedForWithSense(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"the costs as declared":     {nil, ""},
		"usage":                     {[]string{"--usage"}, ""},
		"a fortnight":               {[]string{"--usage", "--window=14d", "--at-least=48h"}, ""},
		"a window without usage":    {[]string{"--window=7d"}, "--window has no effect without --usage"},
		"an address without usage":  {[]string{"--prometheus=http://x"}, "--prometheus has no effect without --usage"},
		"prices of usage":           {[]string{"--usage", "--prices=x"}, "--prices has no effect with --usage"},
		"no window":                 {[]string{"--usage", "--window=week"}, `--window "week": must be 1h to 90d`},
		"a window of minutes":       {[]string{"--usage", "--window=10m"}, "must be 1h to 90d"},
		"a window of years":         {[]string{"--usage", "--window=900d"}, "must be 1h to 90d"},
		"a window before the start": {[]string{"--usage", "--window=-7d"}, "must be 1h to 90d"},
		"more than the window":      {[]string{"--usage", "--window=12h"}, `--at-least "24h": must be 1h to the window, 12h`},
		"next to nothing":           {[]string{"--usage", "--at-least=0h"}, "--at-least"},
	} {
		t.Run(name, func(t *testing.T) {
			u := usage{}
			cmd := &cobra.Command{}
			u.flags(cmd)
			cmd.Flags().String("prices", "", "")
			require.NoError(t, cmd.ParseFlags(c.args))
			err := u.check(cmd)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
	long, err := days("14d")
	require.NoError(t, err)
	assert.Equal(t, 14*24*time.Hour, long)
}
