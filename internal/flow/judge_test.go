package flow

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// cluster is a shop and its database, each closed, a place without policies,
// and what lies outside.
func cluster(t testing.TB, policies string) Rules {
	t.Helper()
	rules := Rules{Namespaces: map[string]map[string]string{}}
	for _, name := range []string{"shop", "data", "open"} {
		rules.Namespaces[name] = labelled(name, map[string]string{"tier": name})
	}
	for _, text := range strings.Split(policies, "---\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		var policy networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(text), &policy); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		rules.Policies = append(rules.Policies, policy)
	}
	return rules
}

var (
	web = End{Name: "web", Namespace: "shop", Labels: map[string]string{"app": "web"}, Address: netip.MustParseAddr("10.244.0.7"),
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8000}}}
	job     = End{Name: "job", Namespace: "shop", Labels: map[string]string{"app": "job"}}
	store   = End{Name: "store", Namespace: "data", Labels: map[string]string{"app": "store"}}
	visitor = End{Name: "visitor", Namespace: "open", Labels: map[string]string{"app": "web"}}
	outside = End{Name: "outside", Address: netip.MustParseAddr("192.0.2.7")}
)

func tcp(n int32) Port { return Port{n, corev1.ProtocolTCP} }
func udp(n int32) Port { return Port{n, corev1.ProtocolUDP} }

const closed = `
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
metadata: {name: deny, namespace: data}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
`

const pair = closed + `
metadata: {name: out, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}}], ports: [{port: 5432}]}]
---
metadata: {name: in, namespace: data}
spec:
  podSelector: {matchLabels: {app: store}}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {tier: shop}}, podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]
`

func TestJudge(t *testing.T) {
	into := func(spec string) string {
		return "metadata: {name: one, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}}\n  policyTypes: [Ingress]\n  ingress: [" + spec + "]\n"
	}
	for name, test := range map[string]struct {
		policies string
		from, to End
		port     Port
		want     bool
	}{
		"no policy at all":                         {"", visitor, web, tcp(8000), true},
		"closed":                                   {closed, visitor, web, tcp(8000), false},
		"closed to its own namespace":              {closed, job, web, tcp(8000), false},
		"closed to the outside":                    {closed, outside, web, tcp(8000), false},
		"no way out":                               {closed, web, visitor, tcp(80), false},
		"no way out of the cluster":                {closed, web, outside, tcp(80), false},
		"out and in":                               {pair, web, store, tcp(5432), true},
		"another port":                             {pair, web, store, tcp(5433), false},
		"another protocol":                         {pair, web, store, udp(5432), false},
		"back":                                     {pair, store, web, tcp(5432), false},
		"in but not out":                           {pair, visitor, store, tcp(5432), false},
		"out but not in":                           {strings.Replace(pair, "ports: [{port: 5432}]}]\n---\nmetadata: {name: in", "ports: [{port: 1}]}]\n---\nmetadata: {name: in", 1), web, store, tcp(5432), false},
		"another pod of the namespace":             {pair, job, store, tcp(5432), false},
		"rules add up":                             {pair + "---\n" + into(`{from: [{podSelector: {}}]}`), job, store, tcp(5432), false},
		"namespace and pod must both match":        {into(`{from: [{namespaceSelector: {matchLabels: {tier: open}}, podSelector: {matchLabels: {app: job}}}]}`), visitor, web, tcp(1), false},
		"two peers are two chances":                {into(`{from: [{namespaceSelector: {matchLabels: {tier: open}}}, {podSelector: {matchLabels: {app: job}}}]}`), visitor, web, tcp(1), true},
		"a pod selector means the same namespace":  {into(`{from: [{podSelector: {matchLabels: {app: web}}}]}`), visitor, web, tcp(1), false},
		"an empty namespace selector is all":       {into(`{from: [{namespaceSelector: {}}]}`), visitor, web, tcp(1), true},
		"but nobody outside":                       {into(`{from: [{namespaceSelector: {}}]}`), outside, web, tcp(1), false},
		"no peers are everyone":                    {into(`{ports: [{port: 8000}]}`), outside, web, tcp(8000), true},
		"no rules are nobody":                      {into(``), visitor, web, tcp(8000), false},
		"a block":                                  {into(`{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}`), outside, web, tcp(8000), true},
		"another block":                            {into(`{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}`), outside, web, tcp(8000), false},
		"a hole in a block":                        {into(`{from: [{ipBlock: {cidr: 192.0.0.0/16, except: [192.0.2.0/25]}}]}`), outside, web, tcp(8000), false},
		"a block holds pods too":                   {into(`{from: [{ipBlock: {cidr: 10.244.0.0/16}}]}`), End{Namespace: "open", Address: netip.MustParseAddr("10.244.3.4")}, web, tcp(8000), true},
		"a block holds no pod without an address":  {into(`{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}`), visitor, web, tcp(8000), false},
		"an unreadable block is nobody":            {into(`{from: [{ipBlock: {cidr: everything}}]}`), outside, web, tcp(8000), false},
		"a range of ports":                         {into(`{ports: [{port: 8000, endPort: 8100}]}`), outside, web, tcp(8050), true},
		"beyond the range":                         {into(`{ports: [{port: 8000, endPort: 8100}]}`), outside, web, tcp(8101), false},
		"a protocol without a port":                {into(`{ports: [{protocol: UDP}]}`), outside, web, udp(99), true},
		"and not the other protocol":               {into(`{ports: [{protocol: UDP}]}`), outside, web, tcp(99), false},
		"a named port":                             {into(`{ports: [{port: http}]}`), outside, web, tcp(8000), true},
		"a named port is only that":                {into(`{ports: [{port: http}]}`), outside, web, tcp(8001), false},
		"a name nobody has":                        {into(`{ports: [{port: https}]}`), outside, web, tcp(8000), false},
		"expressions":                              {into(`{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [job]}]}}]}`), job, web, tcp(1), false},
		"no types: ingress is covered":             {"metadata: {name: one, namespace: shop}\nspec: {podSelector: {}}\n", visitor, web, tcp(1), false},
		"no types: egress is not":                  {"metadata: {name: one, namespace: shop}\nspec: {podSelector: {}}\n", web, visitor, tcp(1), true},
		"no types but rules for egress: covered":   {"metadata: {name: one, namespace: shop}\nspec: {podSelector: {}, egress: [{ports: [{port: 53}]}]}\n", web, visitor, tcp(1), false},
		"a policy is about its own namespace only": {"metadata: {name: one, namespace: data}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n", visitor, web, tcp(1), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cluster(t, test.policies).Judge(test.from, test.to, test.port); got.Allowed != test.want {
				t.Errorf("%s to %s at %s: %+v, want %t", test.from.Name, test.to.Name, test.port, got, test.want)
			}
		})
	}
}

func TestJudgeSaysByWhoseLeave(t *testing.T) {
	got := cluster(t, pair).Judge(web, store, tcp(5432))
	if !got.Allowed || !slices.Equal(got.Out, []string{"out"}) || !slices.Equal(got.In, []string{"in"}) {
		t.Errorf("%+v, want out by out and in by in", got)
	}
	if rules := cluster(t, pair); !rules.Closed(web, networkingv1.PolicyTypeEgress) || rules.Closed(visitor, networkingv1.PolicyTypeIngress) || rules.Closed(outside, networkingv1.PolicyTypeIngress) {
		t.Error("closed are those that policies are about")
	}
}
