package graph

import (
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// onlyInProd are the components that dev does without, with what belongs to them,
// each with its reason.
// Other differences of size, zones, redundancy and protection are inside
// components.
var onlyInProd = map[string]string{
	"slipway:key:Key key-signing": "dev's zone is not signed: a DS record in the parent would outlive every dev that is destroyed",

	"slipway:benchmark:Benchmark benchmark": "dev's certificates come from an authority for trying things, which changes and nobody verifies; what cannot be verified is not measured",
}

// TestDevAndProdHaveTheSameShape: what is tried in dev is what prod will run, so
// both have the same components, and the same objects in their clusters.
func TestDevAndProdHaveTheSameShape(t *testing.T) {
	dev, prod := declared(t, "dev", false), declared(t, "prod", false)
	for _, part := range []struct {
		prefix string
		least  int
	}{{"slipway:", 20}, {"kubernetes:", 200}} {
		var inDev, inProd []string
		for _, node := range dev.Of(part.prefix) {
			inDev = append(inDev, node.TypeToken+" "+node.Name)
		}
		for _, node := range prod.Of(part.prefix) {
			owner := resource.URN(node.RegisterRPC.GetParent())
			if owner != "" && onlyInProd[string(owner.Type())+" "+owner.Name()] != "" {
				continue
			}
			inProd = append(inProd, node.TypeToken+" "+node.Name)
		}
		if len(inProd) < part.least {
			t.Errorf("only %d of %s were compared", len(inProd), part.prefix)
		}
		for _, what := range inDev {
			if !slices.Contains(inProd, what) {
				t.Errorf("dev has %s and prod does not", what)
			}
		}
		for _, what := range inProd {
			if here := slices.Contains(inDev, what); here == (onlyInProd[what] != "") {
				t.Errorf("%s is in prod; in dev as well: %v; onlyInProd says %q", what, here, onlyInProd[what])
			}
		}
	}
	for what := range onlyInProd {
		found := false
		for _, node := range prod.Nodes() {
			found = found || node.TypeToken+" "+node.Name == what
		}
		if !found {
			t.Errorf("prod has no %s: take it out of onlyInProd", what)
		}
	}
}
