package simcloud

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// regions are the regions that need no opting in, with the letters of their
// availability zones as a new account sees them.
var regions = map[string]string{
	"us-east-1": "abcdef", "us-east-2": "abc", "us-west-1": "ac", "us-west-2": "abcd",
	"ca-central-1": "abd", "sa-east-1": "abc",
	"eu-central-1": "abc", "eu-west-1": "abc", "eu-west-2": "abc", "eu-west-3": "abc", "eu-north-1": "abc",
	"ap-south-1": "abc", "ap-northeast-1": "acd", "ap-northeast-2": "abcd", "ap-northeast-3": "abc",
	"ap-southeast-1": "abc", "ap-southeast-2": "abc",
}

func zonesOf(region string) []string {
	var zones []string
	for _, letter := range regions[region] {
		zones = append(zones, region+string(letter))
	}
	return zones
}

// zoneID is the name of a zone that is the same in every account, such as
// euc1-az2 for eu-central-1b.
func zoneID(zone string) string {
	parts := strings.Split(zone, "-")
	if len(parts) != 3 {
		return ""
	}
	direction := map[string]string{
		"central": "c", "north": "n", "south": "s", "east": "e", "west": "w",
		"northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
	}[parts[1]]
	last := parts[2]
	region := zone[:len(zone)-1]
	number := slices.Index(zonesOf(region), zone) + 1
	return fmt.Sprintf("%s%s%s-az%d", parts[0], direction, last[:len(last)-1], number)
}

// network parses a CIDR block whose address is that of the network itself.
func network(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, fmt.Errorf("is %q, which is not a CIDR block", text)
	}
	if prefix.Masked() != prefix {
		return prefix, fmt.Errorf("is %q, which is not the address of a network; did you mean %s", text, prefix.Masked())
	}
	return prefix, nil
}

// checkCIDR reports what is wrong with the CIDR blocks at the path; low and
// high bound the number of bits of an IPv4 one.
func checkCIDR(path string, low, high int) func(in Props, report fault) {
	return func(in Props, report fault) {
		for _, f := range Walk(map[string]any(in), path) {
			text, ok := f.Value.(string)
			if !ok {
				continue
			}
			prefix, err := network(text)
			switch {
			case err != nil:
				report(f.Path, err.Error())
			case prefix.Addr().Is4() && (prefix.Bits() < low || prefix.Bits() > high):
				report(f.Path, fmt.Sprintf("is %s, must be from /%d to /%d", text, low, high))
			}
		}
	}
}

// all runs several checks in order.
func all(checks ...func(in Props, report fault)) func(in Props, report fault) {
	return func(in Props, report fault) {
		for _, check := range checks {
			check(in, report)
		}
	}
}

// exactly reports unless one of the properties is set, or at most one where
// none is allowed.
func exactly(none bool, names ...string) func(in Props, report fault) {
	return func(in Props, report fault) {
		var set []string
		for _, name := range names {
			if !empty(in.At(name)) && in.At(name) != "" {
				set = append(set, name)
			}
		}
		switch {
		case len(set) > 1:
			report(set[1], "is set beside "+set[0]+": give only one of "+strings.Join(names, ", "))
		case len(set) == 0 && !none:
			report(names[0], "is not set: give one of "+strings.Join(names, ", "))
		}
	}
}
