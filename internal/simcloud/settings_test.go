package simcloud

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestSettings(t *testing.T) {
	s, err := FromEnvironment(environment(map[string]string{
		"SLIPWAY_SIMULATION_DIR": "/x", "SLIPWAY_SIMULATION_ACCOUNT": "999999999999", "SLIPWAY_SIMULATION_SCALE": "0.01",
		"SLIPWAY_SIMULATION_FAIL_AT": "17+", "SLIPWAY_SIMULATION_FAIL_RESOURCE": "cluster", "SLIPWAY_SIMULATION_FAIL_MODE": "halfway",
		"SLIPWAY_SIMULATION_QUOTAS":   "vpcs=1,addresses=2",
		"SLIPWAY_SIMULATION_THROTTLE": "7", "SLIPWAY_SIMULATION_CREDENTIALS": "denied",
	}))
	require.NoError(t, err)
	assert.Equal(t, Settings{
		Dir: "/x", Account: "999999999999", Identity: "arn:aws:iam::999999999999:user/simulated", Credentials: "denied", Scale: 0.01, Throttle: 7, FailAt: 17, FailOn: true, FailResource: "cluster", FailHalfway: true,
		Quotas: map[string]int{"vpcs": 1, "addresses": 2},
	}, s)
}

func TestSettingsReportEveryFault(t *testing.T) {
	t.Setenv("SLIPWAY_SIMULATION_SPEED", "fast")
	_, err := FromEnvironment(environment(map[string]string{
		"SLIPWAY_SIMULATION_ACCOUNT": "12", "SLIPWAY_SIMULATION_IDENTITY": "me", "SLIPWAY_SIMULATION_CREDENTIALS": "old", "SLIPWAY_SIMULATION_SCALE": "3", "SLIPWAY_SIMULATION_THROTTLE": "-1",
		"SLIPWAY_SIMULATION_FAIL_AT": "x", "SLIPWAY_SIMULATION_FAIL_MODE": "never", "SLIPWAY_SIMULATION_QUOTAS": "clouds=1",
	}))
	for _, want := range []string{
		"SLIPWAY_SIMULATION_DIR is not set", "ACCOUNT=12: want the 12 digits", "IDENTITY=me: want an ARN", "CREDENTIALS=old: want valid", "SCALE=3: want a number from 0", "THROTTLE=-1",
		"FAIL_AT=x", "FAIL_MODE=never: want before", `QUOTAS=clouds=1: there is no quota "clouds"`, "SLIPWAY_SIMULATION_SPEED is not a setting",
	} {
		assert.ErrorContains(t, err, want)
	}
}
