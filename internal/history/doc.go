// Package history reads what Pulumi's own backends remember of a stack: one
// entry and one checkpoint for every update, refresh and destroy, failed ones
// included. It numbers the entries, finds the one a person means, decides
// which may go, and checks that those that stay can be restored.
//
// # Numbers
//
// Pulumi leaves the version of an entry at zero and knows it by the
// nanosecond in its file's name. Here the oldest entry is number 1. Entries
// that Prune deletes leave a tombstone, so that a number means the same entry
// for ever.
//
// # The commit
//
// Pulumi records the commit of the checkout, and whether it was dirty. It
// fails to in a linked worktree, in which rollbacks run. Slipway therefore
// also says so itself, in the field that names the program which drives
// Pulumi; see Agent.
package history
