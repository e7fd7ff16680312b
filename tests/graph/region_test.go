package graph

import (
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/components/component/componenttest"
)

// The rule region-allowed lets a provider be in a global region and cannot see
// what it makes there: only what Route 53 keeps nowhere else.
func TestOnlyRoute53sBelongingsLieElsewhere(t *testing.T) {
	allowed := []string{
		"aws:kms/key:Key", "aws:kms/alias:Alias", "aws:cloudwatch/logGroup:LogGroup", "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
	}
	both(t, func(t *testing.T, g *componenttest.Graph) {
		for _, node := range g.Nodes() {
			if strings.Contains(node.RegisterRPC.GetProvider(), "::aws-virginia::") && !slices.Contains(allowed, node.TypeToken) {
				t.Errorf("%s %s is made in another region", node.TypeToken, node.Name)
			}
		}
	})
}
