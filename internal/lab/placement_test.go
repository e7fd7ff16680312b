package lab

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlacementsAreFixedByNumber(t *testing.T) {
	placed, err := Placements(4)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range placed {
		got = append(got, p.Name+" "+p.Address.String()+" "+p.PodRange.String()+" "+p.Zone+" "+p.Namespace+" "+p.Link)
	}
	want := []string{
		"node-1 10.89.0.11 10.244.1.0/24 zone-a slipway-node-1 slipway-n1",
		"node-2 10.89.0.12 10.244.2.0/24 zone-b slipway-node-2 slipway-n2",
		"node-3 10.89.0.13 10.244.3.0/24 zone-c slipway-node-3 slipway-n3",
		"node-4 10.89.0.14 10.244.4.0/24 zone-a slipway-node-4 slipway-n4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("nodes are placed elsewhere (-want +got):\n%s", diff)
	}
}

func TestPlacementsKeepToTheirRanges(t *testing.T) {
	for i := MinNodes; i <= MaxNodes; i++ {
		p := place(i)
		if !netip.MustParsePrefix(NodeRange).Contains(p.Address) {
			t.Errorf("%s: address %s is outside %s", p.Name, p.Address, NodeRange)
		}
		if pods := netip.MustParsePrefix(PodRange); !pods.Contains(p.PodRange.Addr()) || pods.Bits() > p.PodRange.Bits() {
			t.Errorf("%s: pod range %s is outside %s", p.Name, p.PodRange, PodRange)
		}
		// The kernel's limit for the name of a link.
		if len(p.Link) > 15 {
			t.Errorf("%s: link name %s has %d characters, the kernel takes 15", p.Name, p.Link, len(p.Link))
		}
	}
}

func TestNodeNumbersOutOfRange(t *testing.T) {
	for _, nodes := range []int{-1, 0, 6} {
		if _, err := Placements(nodes); err == nil {
			t.Errorf("a lab of %d nodes was accepted", nodes)
		}
	}
	for _, name := range []string{"", "node-0", "node-6", "node-01", "master"} {
		if _, err := placementOf(name); err == nil {
			t.Errorf("node name %q was accepted", name)
		}
	}
}

func TestForeignRoutesThatCollide(t *testing.T) {
	ours := netip.MustParsePrefix(NodeRange)
	for route, want := range map[string]bool{
		"10.89.0.0/24":   true,  // podman's second network
		"10.89.0.128/25": true,  // part of ours
		"10.89.0.11/32":  true,  // one node
		"10.0.0.0/8":     false, // a VPN: ours is more specific
		"0.0.0.0/0":      false,
		"10.88.0.0/16":   false,
		"10.89.1.0/24":   false,
	} {
		if got := collides(netip.MustParsePrefix(route), ours); got != want {
			t.Errorf("a foreign route to %s collides: %v, want %v", route, got, want)
		}
	}
}
