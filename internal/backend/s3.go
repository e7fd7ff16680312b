//go:build full

package backend

// The driver brings two generations of AWS's SDK, and a stack whose state is in
// a directory never uses it. So only programs built with this tag have it.
import _ "gocloud.dev/blob/s3blob"
