//go:build tools

// Package versitygw names the S3 server of the tests, so that `go mod tidy`
// keeps it. It has a module of its own because it needs other versions of what
// the tools share, and only tests run it.
package versitygw

import _ "github.com/versity/versitygw/cmd/versitygw"
