//go:build tools

// Package govulncheck names the scanner for known vulnerabilities, and a package
// of the module that its database comes with, so that `go mod tidy` keeps both. It
// has a module of its own because it needs other versions of what the tools share,
// and only `make check` and `make vulnerabilities` use it.
package govulncheck

import (
	_ "golang.org/x/vuln/cmd/govulncheck"
	_ "golang.org/x/vulndb/cmd/forks"
)
