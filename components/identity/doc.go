// Package identity gives one service account of a cluster a role of its own in
// AWS, so that no pod uses the rights of its node and no key is stored.
//
// There are two ways, and a role takes the one its pod understands. Pod
// Identity is the plain one: an agent on each node hands out credentials, and
// the role trusts the agent's service for exactly one cluster. Programs built
// before it existed do not look there; for them there is IRSA, where the pod
// carries a token of the cluster's own and the role trusts that token's issuer,
// for exactly one service account. Both are named in full in the trust policy:
// a wildcard there is how one pod becomes another.
package identity
