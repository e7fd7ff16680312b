package flow

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	ends := []End{{Name: "shop/web", Namespace: "shop"}, {Name: "shop/job", Namespace: "shop"}, {Name: "data/store", Namespace: "data"}, {Name: "192.0.2.0/25"}, {Name: "192.0.2.128/25"}}
	common := []Flow{
		{From: "shop/web", To: "data/store", Ports: []string{"5432/TCP"}, Out: []string{"out"}, In: []string{"in"}},
		{From: "shop/web", To: "names", Ports: []string{"53/UDP"}, Out: []string{"names"}},
		{From: "shop/job", To: "names", Ports: []string{"53/UDP"}, Out: []string{"names"}},
	}
	got := Table([]string{"local", "dev"}, map[string]Matrix{
		"local": {Ends: ends, Flows: common},
		"dev": {Ends: ends, Flows: append([]Flow{
			{From: "data/store", To: "192.0.2.0/25", Ports: []string{"443/TCP"}, Out: []string{"api"}},
			{From: "data/store", To: "192.0.2.128/25", Ports: []string{"443/TCP"}, Out: []string{"api"}},
		}, common...)},
	})
	want := `| from | to | ports | let out by | let in by | stacks |
|---|---|---|---|---|---|
| data/store | 192.0.2.0/25, 192.0.2.128/25 | 443/TCP | api | - | dev |
| shop/every pod | names | 53/UDP | names | - | all |
| shop/web | data/store | 5432/TCP | out | in | all |
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
