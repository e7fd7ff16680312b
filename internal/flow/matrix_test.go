package flow

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lines(m Matrix) []string {
	var all []string
	for _, f := range m.Flows {
		all = append(all, f.From+" > "+f.To+" "+strings.Join(f.Ports, ",")+" out:"+strings.Join(f.Out, ",")+" in:"+strings.Join(f.In, ","))
	}
	return all
}

func TestEveryFindsAllThatPasses(t *testing.T) {
	rules := cluster(t, pair+`---
metadata: {name: names, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
    ports: [{port: 53, protocol: UDP}]
---
metadata: {name: cloud, namespace: data}
spec:
  podSelector: {matchLabels: {app: store}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: 22}]}]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: [{port: 443}]}]
`)
	delete(rules.Namespaces, "open")
	m := Every(rules, []End{store, web})
	want := []string{
		"store > 198.51.100.0/24 443/TCP out:cloud in:",
		"store > any other address 443/TCP out:cloud in:",
		"web > store 5432/TCP out:out in:in",
		"web > kube-system/k8s-app=kube-dns 53/UDP out:names in:",
		"shop/other pods > kube-system/k8s-app=kube-dns 53/UDP out:names in:",
		"198.51.100.0/24 > store 22/TCP out: in:cloud",
	}
	got := lines(m)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the matrix differs:\n%s", diff)
	}
	if m.Open == 0 || m.Open >= m.Asked {
		t.Errorf("%d of %d are open", m.Open, m.Asked)
	}
}
