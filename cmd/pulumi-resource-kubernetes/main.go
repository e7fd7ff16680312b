// Command pulumi-resource-kubernetes simulates, for rehearsals, the Kubernetes
// of a cluster that only the simulated AWS has. It is put on the search path for
// a rehearsal and nowhere else: a real cluster takes the official plugin.
package main

import (
	"fmt"
	"os"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"slipway.dev/slipway/internal/simcloud"
	"slipway.dev/slipway/internal/simcluster"
	"slipway.dev/slipway/internal/simplugin"
)

func main() {
	err := simplugin.Serve("kubernetes", simcluster.Version, func(settings simcloud.Settings, engine simcloud.Engine) (pulumirpc.ResourceProviderServer, error) {
		return simcluster.New(settings, engine)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-kubernetes:", err)
		os.Exit(1)
	}
}
