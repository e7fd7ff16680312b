// Package flow says who may talk to whom: it judges connections by
// NetworkPolicies as Kubernetes defines them, and lists all that a stack
// allows.
//
// Policies only add up. A pod that no policy of a direction selects is open in
// it; one that some select may do what any of them allows. A connection passes
// when its sender may send it and its receiver may receive it. What answers a
// connection that passed is not asked again.
//
// Three things are outside of all policies, and outside of this package: a pod
// that talks to itself, a node that talks to its own pods, and pods on the
// network of their node.
package flow
