// Package bucket makes S3 buckets that keep what they are given.
//
// Every bucket is encrypted with a key of ours, versioned, closed to the
// public, owned by the account whoever writes, and reachable over TLS only.
// What happens to old content is decided by days, never left open: a bucket
// without an end grows for ever. Parts of one may end sooner than the rest.
// Unfinished uploads go after a week.
//
// A lock keeps objects from being deleted by anyone with ordinary rights for
// some days, which is what a backup needs against a stolen credential. It can
// only be switched on when the bucket is created.
//
// A bucket is guarded, and never emptied by a destroy.
package bucket
