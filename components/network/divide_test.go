package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// ranges are VPC ranges of every allowed size, in every private block.
func ranges() []netip.Prefix {
	// The same ones on every run.
	draw := rand.New(rand.NewPCG(1, 2))
	var drawn []netip.Prefix
	for bits := Widest; bits <= Narrowest; bits++ {
		for range 50 {
			second, third := byte(draw.IntN(256)), byte(draw.IntN(256))
			for _, address := range []netip.Addr{
				netip.AddrFrom4([4]byte{10, second, third, 0}),
				netip.AddrFrom4([4]byte{172, 16 + second%16, third, 0}),
				netip.AddrFrom4([4]byte{192, 168, third, 0}),
			} {
				drawn = append(drawn, netip.PrefixFrom(address, bits).Masked())
			}
		}
	}
	return drawn
}

func TestDivideProperties(t *testing.T) {
	for _, vpc := range ranges() {
		for count := 1; count <= Zones; count++ {
			zones, err := Divide(vpc, count)
			if err != nil {
				t.Fatalf("%s: %v", vpc, err)
			}
			if len(zones) != count {
				t.Fatalf("%s: %d zones, want %d", vpc, len(zones), count)
			}
			var all []netip.Prefix
			for _, z := range zones {
				all = append(all, z.Public, z.Private, z.Intra)
			}
			for i, subnet := range all {
				if subnet.Masked() != subnet {
					t.Errorf("%s: %s is not aligned", vpc, subnet)
				}
				if subnet.Bits() > 28 {
					t.Errorf("%s: %s is smaller than AWS allows", vpc, subnet)
				}
				if subnet.Bits() <= vpc.Bits() || !vpc.Contains(subnet.Addr()) {
					t.Errorf("%s: %s lies outside", vpc, subnet)
				}
				for _, other := range all[:i] {
					if subnet.Overlaps(other) {
						t.Errorf("%s: %s overlaps %s", vpc, subnet, other)
					}
				}
			}
		}
	}
}

// A zone more must not move the subnets of those that exist: AWS replaces a
// subnet whose range changes, and everything in it.
func TestAZoneMoreMovesNothing(t *testing.T) {
	for _, vpc := range ranges() {
		full, err := Divide(vpc, Zones)
		if err != nil {
			t.Fatal(err)
		}
		for count := 1; count < Zones; count++ {
			fewer, err := Divide(vpc, count)
			if err != nil {
				t.Fatal(err)
			}
			for i := range fewer {
				if fewer[i] != full[i] {
					t.Errorf("%s: zone %d has %v of %d and %v of %d", vpc, i, fewer[i], count, full[i], Zones)
				}
			}
		}
	}
}

func TestDivideOfOneRange(t *testing.T) {
	zones, err := Divide(netip.MustParsePrefix("10.20.0.0/16"), 2)
	if err != nil {
		t.Fatal(err)
	}
	want := "[{10.20.192.0/22 10.20.0.0/18 10.20.224.0/22} {10.20.196.0/22 10.20.64.0/18 10.20.228.0/22}]"
	if got := fmt.Sprint(zones); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDivideRefuses(t *testing.T) {
	for _, text := range []string{"10.0.0.0/15", "10.0.0.0/23", "10.0.0.1/16", "8.8.0.0/16", "172.32.0.0/16", "fd00::/56"} {
		if zones, err := Divide(netip.MustParsePrefix(text), 3); !errors.Is(err, ErrRange) {
			t.Errorf("%s gave %v, %v", text, zones, err)
		}
	}
	if _, err := Divide(netip.Prefix{}, 3); !errors.Is(err, ErrRange) {
		t.Errorf("no range gave %v", err)
	}
	for _, count := range []int{0, 4} {
		if _, err := Divide(netip.MustParsePrefix("10.0.0.0/16"), count); err == nil {
			t.Errorf("%d zones were accepted", count)
		}
	}
}
