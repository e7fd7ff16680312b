package lab

import (
	"fmt"
	"net/netip"
)

// Limits and default of the number of nodes.
const (
	MinNodes     = 1
	MaxNodes     = 5
	DefaultNodes = 3
)

// Addresses of the lab. They are fixed so that certificates, manifests and
// the stack's settings can name them; Up refuses to start where something
// else uses them.
const (
	BridgeName = "slipway0"
	// ControlAddress is the machine's own address on the bridge, where the API
	// server listens.
	ControlAddress = "10.89.0.1"
	// APIPort is the API server's port on ControlAddress.
	APIPort       = 6443
	NodeRange     = "10.89.0.0/24"
	PodRange      = "10.244.0.0/16"
	ServiceRange  = "10.96.0.0/16"
	APIServiceIP  = "10.96.0.1"
	ClusterDNS    = "10.96.0.10"
	PlatformDNS   = "10.96.0.53"
	ClusterDomain = "cluster.local"
	// PlatformDomain is the zone that the cluster DNS forwards to PlatformDNS.
	PlatformDomain = "slipway.test"
	Region         = "lab"
)

// zones are handed to nodes in turn.
var zones = []string{"zone-a", "zone-b", "zone-c"}

// Placement is everything about a node that follows from its number.
type Placement struct {
	Name      string
	Index     int // from 1
	Address   netip.Addr
	PodRange  netip.Prefix
	Zone      string
	Namespace string // network namespace, below /run/netns
	Link      string // the machine's end of the node's cable
}

// place computes the node with the given number, from 1 to MaxNodes.
func place(index int) Placement {
	return Placement{
		Name:      fmt.Sprintf("node-%d", index),
		Index:     index,
		Address:   netip.AddrFrom4([4]byte{10, 89, 0, byte(10 + index)}),                   //nolint:gosec // three nodes
		PodRange:  netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(index), 0}), 24), //nolint:gosec // three nodes
		Zone:      zones[(index-1)%len(zones)],
		Namespace: fmt.Sprintf("slipway-node-%d", index),
		Link:      fmt.Sprintf("slipway-n%d", index),
	}
}

// Placements lists the nodes of a lab of the given size.
func Placements(nodes int) ([]Placement, error) {
	if nodes < MinNodes || nodes > MaxNodes {
		return nil, fmt.Errorf("a lab of %d nodes: the number must be from %d to %d", nodes, MinNodes, MaxNodes)
	}
	placed := make([]Placement, 0, nodes)
	for i := 1; i <= nodes; i++ {
		placed = append(placed, place(i))
	}
	return placed, nil
}

// placementOf finds a node by name among all that could exist.
func placementOf(name string) (Placement, error) {
	for i := MinNodes; i <= MaxNodes; i++ {
		if p := place(i); p.Name == name {
			return p, nil
		}
	}
	return Placement{}, fmt.Errorf("no node is called %q: names are node-1 to node-%d", name, MaxNodes)
}
