// Package balancer makes the network load balancer before a cluster's ingress.
//
// The balancer belongs to the program, not to a controller in the cluster. Its
// name is known to DNS in the same update; it is gone before the subnets it
// stands in when a stack is destroyed, which a controller that was deleted first
// can no longer see to; and nothing in the cluster holds the wide rights that
// making balancers takes.
//
// # How a request gets to a proxy
//
// Targets are nodes: the groups of machines are attached, so that a node is a
// target from the moment it exists and leaves in good order. The balancer sends
// to a fixed port of a node that has a proxy of its own, which it learns from
// the port where the node answers for that. Packets keep the client's address,
// so proxies need no proxy protocol and believe no header.
//
// # Nothing dropped
//
// A proxy that goes says so through its node at once and serves on. The balancer
// looks away after HealthSeconds times UnhealthyCount; it leaves the
// connections that exist alone, instead of cutting them, which is what it does
// unless told otherwise; and keeps a node that leaves for as long as its proxies
// take to finish.
package balancer
