// Package simplugin serves a simulating provider as a plugin of the engine.
package simplugin

import (
	"context"
	"fmt"
	"os"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"slipway.dev/slipway/internal/official"
	"slipway.dev/slipway/internal/plugin"
	"slipway.dev/slipway/internal/simcloud"
)

// Serve runs the plugin of that name and version until the engine is done with
// it. Where SLIPWAY_SIMULATION_DIR is not set nobody asked for a simulation: it
// becomes the official plugin if that is installed, and fails if not.
func Serve(name, version string, open func(settings simcloud.Settings, engine simcloud.Engine) (pulumirpc.ResourceProviderServer, error)) error {
	return plugin.Serve(version, func(address string) (pulumirpc.ResourceProviderServer, error) {
		if os.Getenv("SLIPWAY_SIMULATION_DIR") == "" {
			if err := official.StepAside(name, version); err != nil {
				return nil, err
			}
		}
		settings, err := simcloud.FromEnvironment(os.Getenv)
		if err != nil {
			return nil, fmt.Errorf("reading the settings of the simulation: %w", err)
		}
		simcloud.EngineProcess = os.Getppid()
		var said simcloud.Engine
		if address != "" {
			connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return nil, fmt.Errorf("reaching the engine at %s: %w", address, err)
			}
			said = engine{pulumirpc.NewEngineClient(connection)}
		}
		return open(settings, said)
	})
}

// engine shows messages through the engine that started the plugin.
type engine struct{ client pulumirpc.EngineClient }

func (e engine) Say(ctx context.Context, urn, message string) {
	// An engine that does not take a message is no reason to fail an update.
	_, _ = e.client.Log(ctx, &pulumirpc.LogRequest{Severity: pulumirpc.LogSeverity_WARNING, Urn: urn, Message: message})
}
