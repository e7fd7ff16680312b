package simcloud

import (
	"maps"
	"slices"
)

// kinds are the simulated resources by token.
var kinds = map[string]*kind{}

func init() {
	for _, service := range [][]*kind{
		networkKinds(), gatewayKinds(), firewallKinds(), computeKinds(), eksKinds(), nodeKinds(), iamKinds(), kmsKinds(),
		zoneKinds(), dnssecKinds(), bucketKinds(), bucketRuleKinds(), logKinds(), registryKinds(), costKinds(),
		balancerKinds(), autoscalingKinds(), messageKinds(),
	} {
		for _, k := range service {
			kinds[k.token] = k
		}
	}
}

// Tokens are the resources and the functions that are simulated, sorted.
func Tokens() (resources, invokes []string) {
	return slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(functions))
}
