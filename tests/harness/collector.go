package harness

import (
	"context"
	"os"
	"os/exec"

	"slipway.dev/slipway/components/logging"
)

// Collector runs a log collector outside of any cluster, as its pods run it, with
// a configuration file. It is not started yet.
func Collector(ctx context.Context, program, config string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, "--config="+config, "--feature-gates="+logging.Gates)
	cmd.Env = append(os.Environ(), "NODE_NAME=node-1", "GOMEMLIMIT=64MiB")
	return cmd
}
