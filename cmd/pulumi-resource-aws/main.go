// Command pulumi-resource-aws simulates AWS for rehearsals. The engine starts
// it, reads the port from its standard output, and calls it over gRPC.
package main

import (
	"fmt"
	"os"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"slipway.dev/slipway/internal/simcloud"
	"slipway.dev/slipway/internal/simplugin"
)

func main() {
	err := simplugin.Serve("aws", simcloud.Version, func(settings simcloud.Settings, engine simcloud.Engine) (pulumirpc.ResourceProviderServer, error) {
		return simcloud.New(settings, engine)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-aws:", err)
		os.Exit(1)
	}
}
