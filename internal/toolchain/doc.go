// Package toolchain finds or builds the programs Slipway runs: the Pulumi CLI
// and its plugins, the cluster binaries, the linters.
//
// An installed program that is new enough always wins. The others are built
// from the Go modules pinned below tools/, and Slipway's own plugins from this
// module, into
//
//	<cache>/tools/<name>-<key>/bin/<name>
//
// where the key is a hash of everything that decides the result: go.mod,
// go.sum, the main package, the flags and the Go release. So a changed pin is a
// new directory, going back to an old commit finds the old one, and nothing has
// to be invalidated. A directory appears by one rename after a complete build:
// what is there is whole, whenever the build was killed. Two processes that
// want the same program wait for each other instead of building it twice.
package toolchain
