package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"slipway.dev/slipway/internal/toolchain"
)

// toolsEnv names a directory that has the pulumi command, instead of the one
// that this checkout pins.
const toolsEnv = "SLIPWAY_TOOLS_BIN"

// findPulumi returns the pulumi command to test with, building it if it is
// missing.
func findPulumi(checkout string) (string, error) { return findTool(checkout, "pulumi") }

// findTool is findPulumi for any of the tools that are built.
func findTool(checkout, name string) (string, error) {
	if dir := os.Getenv(toolsEnv); dir != "" {
		path, err := filepath.Abs(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("finding %s: %w", name, err)
		}
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s=%s: %w", toolsEnv, dir, err)
		}
		return path, nil
	}
	chain, err := toolchain.Open(checkout)
	if err != nil {
		return "", fmt.Errorf("opening the toolchain: %w", err)
	}
	path, err := chain.Path(name)
	if errors.Is(err, toolchain.ErrMissing) {
		if err := chain.Ensure(context.Background(), name); err != nil {
			return "", fmt.Errorf("building %s: %w", name, err)
		}
		path, err = chain.Path(name)
	}
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", name, err)
	}
	return path, nil
}
