package logging

import (
	"fmt"

	"slipway.dev/slipway/components/component"
)

// load is that of the collectors, one on each node.
var load = component.Load{
	EachNode: true, CPU: "10m", Memory: fmt.Sprintf("%dMi", memoryRequest), MemoryLimit: fmt.Sprintf("%dMi", memoryLimit),
}
