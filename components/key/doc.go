// Package key makes KMS keys that are rotated, guarded, and used only for what
// they are for.
//
// There is one key for each kind of thing (the cluster's secrets, volumes,
// buckets and logs), because a key is the unit in which access to data can be
// taken away. A key costs a dollar a month, which is why there are not more.
//
// Keys are guarded by default: Pulumi refuses to delete or replace one until
// it is unprotected in a step of its own, and AWS then still waits 30 days.
package key
