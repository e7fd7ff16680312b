package check

import (
	"context"
	"errors"
	"fmt"
	"io"

	"slipway.dev/slipway/internal/vulnerability"
)

// Vulnerabilities holds what the checkout compiles against the database at an
// address, as it is now. Without an answer it fails.
func Vulnerabilities(ctx context.Context, out io.Writer, checkout, address string, tools Tools) error {
	database, err := vulnerability.Ask(ctx, address)
	if err != nil {
		return err
	}
	if err := tools.Ensure(ctx, "govulncheck"); err != nil {
		return err
	}
	return scan(ctx, out, checkout, database, tools, false)
}

// pinnedVulnerabilities does so with the database that the checkout pins. Where
// that cannot be fetched it returns why: what was looked for before a change is
// looked for again in CI.
func (c checker) pinnedVulnerabilities(ctx context.Context, log io.Writer) (skipped string, err error) {
	database, err := vulnerability.Pinned(ctx, c.checkout)
	if errors.Is(err, vulnerability.ErrNoDatabase) {
		fmt.Fprintln(log, err)
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	return "", scan(ctx, log, c.checkout, database, c.tools, true)
}

func scan(ctx context.Context, log io.Writer, checkout string, database vulnerability.Database, tools Tools, lenient bool) error {
	program, err := tools.Path("govulncheck")
	if err != nil {
		return err
	}
	return vulnerability.Scan{Checkout: checkout, Program: program, Database: database, Lenient: lenient}.Run(ctx, log)
}
