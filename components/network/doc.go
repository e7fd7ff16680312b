// Package network makes a VPC for one cluster.
//
// # Subnets
//
// Every zone has three: public for load balancers and NAT gateways, private for
// nodes and pods, and intra, without any way out, for the network interfaces
// of the Kubernetes API. Divide computes them from the VPC's range alone, so
// that a preview shows them and a test can prove them apart. A zone has the same
// subnets whatever zones come after it: adding a third zone moves nothing.
//
// # Ways out and in
//
// Nodes reach the internet through NAT: one gateway, which is cheap and lost
// with its zone, or one in every zone. AWS's own services are reached through
// endpoints where those are asked for. S3's costs nothing and is always there,
// since images and backups take that way.
//
// The default security group, which AWS gives every VPC and which would let its
// members talk to each other, is emptied. What the network carries is recorded
// in flow logs, without payload.
package network
