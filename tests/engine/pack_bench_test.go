package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/policies/example"
)

// BenchmarkPack is an update of some fifty objects that changes nothing, with
// the policy pack and without. The pack is compiled before.
func BenchmarkPack(b *testing.B) {
	platform, err := example.Platform()
	require.NoError(b, err)
	s := objects(b, platform)
	s.up("--policy-pack", pack())
	for title, args := range map[string][]string{"without": nil, "with": {"--policy-pack", pack()}} {
		b.Run(title, func(b *testing.B) {
			for b.Loop() {
				s.up(args...)
			}
		})
	}
}
