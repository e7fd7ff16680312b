package network

import (
	"errors"
	"fmt"
	"net/netip"
)

// Zones is how many zones a range is divided for, used or not.
const Zones = 3

// Bounds of a VPC's prefix length: AWS allows no larger range than /16, and
// below /22 the small subnets would have no room for a load balancer.
const (
	Widest    = 16
	Narrowest = 22
)

// Subnets are the ranges of one zone.
type Subnets struct {
	// Public is for load balancers and NAT gateways, Private for nodes and pods,
	// Intra for the Kubernetes API.
	Public, Private, Intra netip.Prefix
}

// ErrRange is returned for a range that cannot be a VPC's.
var ErrRange = errors.New("not a usable VPC range")

// Divide gives each of the first count zones its subnets. Three quarters of the
// range are private, one each; the last quarter holds the small subnets, a
// sixty-fourth of the range each, the public ones in its first half and the
// intra ones in its second. Pods take most addresses, so private is large.
func Divide(vpc netip.Prefix, count int) ([]Subnets, error) {
	if err := checkRange(vpc); err != nil {
		return nil, err
	}
	if count < 1 || count > Zones {
		return nil, fmt.Errorf("%d zones: there may be 1 to %d", count, Zones)
	}
	const quarters, small = 2, 6 // bits
	zones := make([]Subnets, 0, count)
	for i := range count {
		zones = append(zones, Subnets{
			Private: part(vpc, quarters, i),
			Public:  part(vpc, small, 48+i),
			Intra:   part(vpc, small, 56+i),
		})
	}
	return zones, nil
}

func checkRange(vpc netip.Prefix) error {
	switch {
	case !vpc.IsValid() || !vpc.Addr().Is4():
		return fmt.Errorf("%w: %s is not an IPv4 range such as 10.20.0.0/16", ErrRange, vpc)
	case vpc.Masked() != vpc:
		return fmt.Errorf("%w: %s has host bits set, write %s", ErrRange, vpc, vpc.Masked())
	case vpc.Bits() < Widest || vpc.Bits() > Narrowest:
		return fmt.Errorf("%w: %s must be /%d to /%d", ErrRange, vpc, Widest, Narrowest)
	case !unowned(vpc):
		return fmt.Errorf("%w: %s is not private (RFC 1918): use a range inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
			ErrRange, vpc)
	}
	return nil
}

// unowned reports whether the whole range is one that nobody owns.
func unowned(prefix netip.Prefix) bool {
	for _, text := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} {
		if block := netip.MustParsePrefix(text); block.Bits() <= prefix.Bits() && block.Contains(prefix.Addr()) {
			return true
		}
	}
	return false
}

// part is the index-th of the 2^bits equal parts of a range.
func part(of netip.Prefix, bits, index int) netip.Prefix {
	size := of.Bits() + bits
	raw := of.Addr().As4()
	value := uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
	value += uint32(index) << (32 - size) //nolint:gosec // a prefix has at most 32 bits
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{
		byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value), //nolint:gosec // the last byte of it is meant
	}), size)
}
