// Command pulumi-resource-random is the offline random plugin. Where the
// official plugin is installed, this one steps aside for it.
package main

import (
	"fmt"
	"os"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"slipway.dev/slipway/internal/official"
	"slipway.dev/slipway/internal/plugin"
	"slipway.dev/slipway/internal/randomprovider"
)

func main() {
	// Nothing is logged and nothing asked of the engine.
	err := plugin.Serve(randomprovider.Version, func(string) (pulumirpc.ResourceProviderServer, error) {
		return &randomprovider.Provider{}, official.StepAside("random", randomprovider.Version)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-random:", err)
		os.Exit(1)
	}
}
