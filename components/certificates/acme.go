package certificates

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// ACME describes a public authority that is shown in DNS that names are ours.
type ACME struct {
	// Email is told when a certificate is about to expire unrenewed. Required.
	Email string
	// Zone is the public zone that names lie in, and ZoneID is what Route 53 calls
	// it. Required.
	Zone   string
	ZoneID pulumi.StringInput
	// Region is any region of the account; Route 53 has none. Required.
	Region string
	// Role is the ARN of a role that may write records below _acme-challenge in
	// the zone, and RoleAnnotation says so on the controller's service account.
	// Required.
	Role           pulumi.StringInput
	RoleAnnotation string
	// Staging takes certificates from the staging issuer, which browsers refuse
	// and which forgives mistakes; the production one allows few failures an
	// hour. Default: production.
	Staging bool
	// Resolvers are public name servers that are asked whether a proof has
	// spread, as address:port. Default: DefaultResolvers.
	Resolvers []string
	// Inside are networks, in CIDR notation, in which services of the cloud answer
	// at private addresses. Default: none do.
	Inside []string
}

// DefaultResolvers are two public resolvers of different operators.
var DefaultResolvers = []string{"1.1.1.1:53", "8.8.8.8:53"}

// Names of the public issuers.
const (
	stagingIssuer    = "letsencrypt-staging"
	productionIssuer = "letsencrypt-production"
)

// issuer is the name of the one that signs.
func (a ACME) issuer() string {
	if a.Staging {
		return stagingIssuer
	}
	return productionIssuer
}

var email = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)

// resolve fills in what was left out, on a copy.
func (a ACME) resolve() (ACME, []error) {
	a.Resolvers, a.Inside = slices.Clone(a.Resolvers), slices.Clone(a.Inside)
	if len(a.Resolvers) == 0 {
		a.Resolvers = slices.Clone(DefaultResolvers)
	}
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("acme.%s: %s", path, fmt.Sprintf(format, values...)))
	}
	if !email.MatchString(a.Email) {
		fault("email", "%q is not an address for mail", a.Email)
	}
	for _, required := range []struct {
		path string
		set  bool
	}{
		{"zone", a.Zone != ""}, {"zoneId", a.ZoneID != nil}, {"region", a.Region != ""},
		{"role", a.Role != nil}, {"roleAnnotation", a.RoleAnnotation != ""},
	} {
		if !required.set {
			fault(required.path, "is not set")
		}
	}
	for i, resolver := range a.Resolvers {
		if _, err := netip.ParseAddrPort(resolver); err != nil {
			fault("resolvers["+strconv.Itoa(i)+"]", "%q is not address:port, such as 1.1.1.1:53", resolver)
		}
	}
	return a, faults
}

// Parts of an issuer that speaks ACME.
type (
	acmeSpec struct {
		Email      string    `json:"email"`
		Server     string    `json:"server"`
		PrivateKey keyRef    `json:"privateKeySecretRef"`
		Solvers    []solving `json:"solvers"`
	}
	keyRef struct {
		Name string `json:"name"`
	}
	solving struct {
		Selector zoneSelector `json:"selector"`
		DNS01    dns01        `json:"dns01"`
	}
	zoneSelector struct {
		DNSZones []string `json:"dnsZones"`
	}
	dns01 struct {
		Route53 route53 `json:"route53"`
	}
	route53 struct {
		HostedZoneID string `json:"hostedZoneID"`
		Region       string `json:"region"`
	}
)

// acme declares the public issuers once objects of cert-manager are accepted.
func (c *Certificates) acme(ctx *pulumi.Context, p parts, after []pulumi.Resource) error {
	a := *p.ACME
	chosen := a.issuer()
	for _, issuer := range []struct{ name, role, server string }{
		{stagingIssuer, "acme-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"},
		{productionIssuer, "acme-production", "https://acme-v02.api.letsencrypt.org/directory"},
	} {
		spec := a.ZoneID.ToStringOutput().ApplyT(func(zone string) (issuerSpec, error) {
			return issuerSpec{ACME: &acmeSpec{
				Email: a.Email, Server: issuer.server, PrivateKey: keyRef{issuer.name + "-account"},
				Solvers: []solving{{
					Selector: zoneSelector{[]string{a.Zone}},
					DNS01:    dns01{route53{HostedZoneID: zone, Region: a.Region}},
				}},
			}}, nil
		})
		metadata := p.object(issuer.name, "acme", true)
		metadata.Annotations = pulumi.StringMap{waitFor: pulumi.String(ready)}
		made, err := component.Object{APIVersion: apiVersion, Kind: issuerKind, Metadata: metadata, Spec: spec}.
			Declare(ctx, p.name+"-"+issuer.role, component.Under(c, pulumi.DependsOn(after))...)
		if err != nil {
			return err
		}
		if issuer.name == chosen {
			c.PublicIssuerName = made.URN().ApplyT(func(pulumi.URN) string { return chosen }).(pulumi.StringOutput)
		}
	}
	return nil
}

// controllers are the parts of the controller in use.
func (p plan) controllers() []string {
	if p.ACME == nil {
		return controllers
	}
	return append(slices.Clone(controllers), "orders", "challenges", "certificaterequests-issuer-acme")
}

// selfCheck are the arguments by which proofs are looked for in public.
func (p plan) selfCheck() []string {
	if p.ACME == nil {
		return nil
	}
	return []string{
		"--dns01-recursive-nameservers-only=true",
		"--dns01-recursive-nameservers=" + strings.Join(p.ACME.Resolvers, ","),
	}
}

// outside is what the controller talks to for ACME: the authority and the
// cloud, whose addresses change but are public unless Inside, and the
// resolvers.
func (p plan) outside() []networkingv1.NetworkPolicyEgressRuleArgs {
	if p.ACME == nil {
		return nil
	}
	rules := workload.ToCloud(p.ACME.Inside)
	for _, resolver := range p.ACME.Resolvers {
		at := netip.MustParseAddrPort(resolver)
		network := netip.PrefixFrom(at.Addr(), at.Addr().BitLen()).String()
		port := int(at.Port())
		rules = append(rules, workload.To([]string{network},
			workload.Port{Number: port, Protocol: "UDP"}, workload.Port{Number: port, Protocol: "TCP"}))
	}
	return rules
}

// proofs are the rights that proving names takes: on orders and challenges. The
// controller watches what solvers over HTTP would be made of, so it may read
// that, and make none.
var proofs = []rule{
	{group: "acme.cert-manager.io", resources: []string{"orders", "challenges"}, verbs: read},
	{group: "acme.cert-manager.io", resources: []string{"orders", "orders/status", "challenges", "challenges/status"}, verbs: patch},
	{group: "acme.cert-manager.io", resources: []string{"orders", "challenges"}, verbs: []string{"create", "delete"}},
	{group: "acme.cert-manager.io", resources: []string{"orders/finalizers", "challenges/finalizers"}, verbs: []string{"update"}},
	{group: "", resources: []string{"pods", "services"}, verbs: read},
	{group: "networking.k8s.io", resources: []string{"ingresses"}, verbs: read},
}

// rules are a program's rights on the whole cluster.
func (p plan) rules(role string) []rule {
	if role != controller || p.ACME == nil {
		return everywhere[role]
	}
	return slices.Concat(everywhere[role], proofs)
}
