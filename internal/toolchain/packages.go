package toolchain

import (
	"context"
	"io"
)

// Packages installs the named Debian packages that are missing. A package whose
// programs are there by other means counts as present, so that a machine of
// another distribution needs nothing but the programs.
//
// No service is started or left enabled, nothing is upgraded that need not be,
// nothing is removed and no running service is touched. The errors ErrNotRoot
// and ErrNotDebian say what a person has to do instead.
func (c *Chain) Packages(ctx context.Context, log io.Writer, names ...string) error {
	return c.apt.install(ctx, log, names)
}

// MissingPackages returns which of the named Debian packages Packages would
// install.
func (c *Chain) MissingPackages(ctx context.Context, names ...string) []string {
	return c.apt.missing(ctx, names)
}
