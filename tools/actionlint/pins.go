//go:build tools

// Package actionlint names the linter, so that `go mod tidy` keeps it. It has a
// module of its own because it needs other versions of what the tools share,
// and only `make check` builds it.
package actionlint

import _ "github.com/rhysd/actionlint/cmd/actionlint"
