package stacks

import (
	"net/netip"
	"slices"

	"slipway.dev/slipway/components/network"
)

// apiNetworks are where the Kubernetes API answers: its interfaces in the intra
// subnets, and its service, which is the first address of the service range. A
// policy may be applied before or after one is replaced by the other.
func (a AWS) apiNetworks() []string {
	networks := a.subnetNetworks(func(zone network.Subnets) netip.Prefix { return zone.Intra })
	if services, err := netip.ParsePrefix(a.Cluster.ServiceCIDR); err == nil {
		networks = append(networks, netip.PrefixFrom(services.Addr().Next(), 32).String())
	}
	return slices.Clip(networks)
}

// subnetNetworks are the subnets of one kind, in the order of the zones.
func (a AWS) subnetNetworks(kind func(zone network.Subnets) netip.Prefix) []string {
	vpc, err := netip.ParsePrefix(a.Network.CIDR)
	if err != nil {
		return nil
	}
	subnets, err := network.Divide(vpc, len(a.Network.Zones))
	if err != nil {
		return nil
	}
	var networks []string
	for _, zone := range subnets {
		networks = append(networks, kind(zone).String())
	}
	return networks
}

// endpointNetworks are where services of AWS answer inside the VPC, if any do:
// their endpoints are in the private subnets.
func (a AWS) endpointNetworks() []string {
	if len(a.Network.Endpoints) == 0 {
		return nil
	}
	return a.nodeNetworks()
}

// nodeNetworks are the subnets that nodes are in.
func (a AWS) nodeNetworks() []string {
	return a.subnetNetworks(func(zone network.Subnets) netip.Prefix { return zone.Private })
}
