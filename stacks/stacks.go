package stacks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Run is the whole program: read, check, declare, publish.
func Run(ctx *pulumi.Context) error {
	settings, err := Load(ctx)
	if err != nil {
		return fmt.Errorf("the settings of stack %s are not usable; mend Pulumi.%s.yaml:\n%w", ctx.Stack(), ctx.Stack(), err)
	}
	checkout, err := findCheckout(ctx.RootDirectory())
	if err != nil {
		return err
	}
	versions, err := ReadVersions(checkout)
	if err != nil {
		return fmt.Errorf("finding out what checkout %s runs: %w", checkout, err)
	}
	declared, err := Declare(ctx, settings, versions)
	if err != nil {
		return fmt.Errorf("declaring stack %s: %w", ctx.Stack(), err)
	}
	declared.Export(ctx)
	return nil
}

// Declared is what a stack declares.
type Declared interface {
	// Export publishes its outputs.
	Export(ctx *pulumi.Context)
}

// Declare lays the foundation and puts the platform on it. An account carries
// no platform, only what its environments need beforehand.
func Declare(ctx *pulumi.Context, settings Settings, versions Versions) (Declared, error) {
	if settings.Foundation == OfAccount {
		return bootstrap(ctx, settings)
	}
	foundation, err := Lay(ctx, settings, versions)
	if err != nil {
		return nil, fmt.Errorf("laying the foundation: %w", err)
	}
	return build(ctx, settings, versions, foundation)
}

// errNoCheckout is returned when the program runs outside a checkout.
var errNoCheckout = errors.New("no Pulumi.yaml")

// findCheckout is the directory of Pulumi.yaml: the one the engine names, or
// one above the working directory.
func findCheckout(root string) (string, error) {
	if root != "" {
		return root, nil
	}
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "Pulumi.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("finding the checkout: %w in %s or above it", errNoCheckout, start)
		}
	}
}
