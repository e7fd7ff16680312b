//go:build tools

// Package golangcilint names the linter, so that `go mod tidy` keeps it. It has a
// module of its own because it needs other versions of what the tools share,
// and only `make check` builds it.
package golangcilint

import _ "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"
