// Package workload holds what the platform's own servers (DNS, certificates,
// ingress) have in common as pods: who they run as, how they spread, what they
// may use, and the network flows they are allowed.
//
// A pod made of these parts meets the restricted pod security standard. It is
// kept apart from the component package because workloads that are products
// rather than platform choose these things for themselves.
package workload
