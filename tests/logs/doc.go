// Package logs runs the log collector on this machine, with the configuration
// that the logging component gives it, over files as a kubelet writes them: what
// it stores, what it must never store, and what it must not lose.
package logs
