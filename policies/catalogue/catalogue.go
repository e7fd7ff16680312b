// Package catalogue is the list of all rules.
package catalogue

import (
	"slices"
	"strings"
	"sync"

	"slipway.dev/slipway/policies/availability"
	"slipway.dev/slipway/policies/cloud"
	"slipway.dev/slipway/policies/cost"
	"slipway.dev/slipway/policies/data"
	"slipway.dev/slipway/policies/identity"
	"slipway.dev/slipway/policies/ingress"
	"slipway.dev/slipway/policies/network"
	"slipway.dev/slipway/policies/privacy"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/supply"
	"slipway.dev/slipway/policies/workload"
)

// Rules are all rules, sorted by ID. They are shared: nobody may change one.
var Rules = sync.OnceValue(func() []*rule.Rule {
	shaped := rule.Shaped()
	slices.Sort(shaped)
	readable := rule.ReadableRule(shaped)
	readable.Example = rule.Example{Resource: "Deployment/shop/web", Set: map[string]any{"spec.revisionHistoryLimit": "three"}}
	all := slices.Concat(
		rule.Group("workload", readable), workload.Rules(), availability.Rules(), network.Rules(), identity.Rules(), supply.Rules(),
		ingress.Rules(), data.Rules(), privacy.Rules(), cost.Rules(), cloud.Rules(),
	)
	slices.SortFunc(all, func(a, b *rule.Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
})

// Find is the rule with an ID, or nil.
func Find(id string) *rule.Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return r
		}
	}
	return nil
}
