// Command slipway declares one environment of the platform. Which one is
// decided by the selected stack and its Pulumi.<stack>.yaml.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/stacks"
)

func main() { pulumi.Run(stacks.Run) }
