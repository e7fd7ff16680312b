// Package engine holds tests that run the real Pulumi engine with this
// repository's language host and offline random plugin. They need the pulumi
// command, and no network.
package engine
