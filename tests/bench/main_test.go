package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPartsAreChosenByName(t *testing.T) {
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(parts))
	two, err := choose("policies,cloud")
	require.NoError(t, err)
	require.Equal(t, []string{"policies", "cloud"}, []string{two[0].name, two[1].name})
	_, err = choose("policies,speed")
	require.ErrorContains(t, err, `there is no part "speed"; there are: commands, rest, requests`)
}
