package network_test

import (
	"fmt"
	"net/netip"

	"slipway.dev/slipway/components/network"
)

// A range is divided the same way on every machine, before anything exists.
func ExampleDivide() {
	zones, err := network.Divide(netip.MustParsePrefix("10.30.0.0/16"), 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, zone := range zones {
		fmt.Println(zone.Private, zone.Public, zone.Intra)
	}
	// Output:
	// 10.30.0.0/18 10.30.192.0/22 10.30.224.0/22
	// 10.30.64.0/18 10.30.196.0/22 10.30.228.0/22
	// 10.30.128.0/18 10.30.200.0/22 10.30.232.0/22
}
