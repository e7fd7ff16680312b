package stacks

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/stacks/trust"
)

// httpsDefault is the port a browser tries unless told otherwise.
const httpsDefault = 443

// url is where the API answers.
func (s Settings) url() string {
	if s.Ingress.HTTPSPort == httpsDefault {
		return "https://" + s.API.Host
	}
	return "https://" + net.JoinHostPort(s.API.Host, strconv.Itoa(s.Ingress.HTTPSPort))
}

// trust is what a client of the API has to trust.
func (f Foundation) trust() string {
	switch {
	case f.Public == nil:
		return trust.Own
	case f.Public.Staging:
		return trust.Staging
	default:
		return trust.Public
	}
}

// tryIt is a command that asks the platform for something.
func (p Platform) tryIt() string {
	s := p.Settings
	pin := p.Foundation.Way.Pin
	switch p.Foundation.trust() {
	case trust.Public:
		return fmt.Sprintf("curl %s/v1/items", s.url())
	case trust.Staging:
		return fmt.Sprintf("curl -s 'https://letsencrypt.org/certs/staging/letsencrypt-stg-root-x[1-2].pem' >staging.crt && curl --cacert staging.crt %s/v1/items",
			s.url())
	}
	return fmt.Sprintf("pulumi stack output caCertificate >ca.crt && curl --cacert ca.crt --resolve %s:%d:%s %s/v1/items",
		s.API.Host, s.Ingress.HTTPSPort, pin, s.url())
}

// Export publishes what a person or a script needs next.
func (p Platform) Export(ctx *pulumi.Context) {
	s := p.Settings
	ctx.Export("apiUrl", pulumi.String(s.url()))
	ctx.Export("docsUrl", pulumi.String(s.url()+"/docs"))
	ctx.Export(trust.Output, pulumi.String(p.Foundation.trust()))
	ctx.Export("caCertificate", p.Authority.CACertificate)
	ctx.Export("kubeconfig", p.Foundation.Kubeconfig)
	if p.Foundation.Serve == nil {
		ctx.Export("databaseHost", p.Database.PrimaryHost)
	} else {
		ctx.Export("databaseHost", pulumi.String(databaseLabel+"."+s.DNS.PrivateZone))
		ctx.Export("dnsServer", p.Nameserver.Address)
	}
	ctx.Export("databasePort", p.Database.Port)
	ctx.Export("databaseName", p.Database.Database)
	in := p.Foundation.Namespaces
	namespaces := []string{in.API, in.Certificates, in.Database, in.Ingress}
	if p.Foundation.Shared != nil {
		namespaces = []string{in.API, in.Database}
	}
	if s.Logging.Sink != SinkOff && p.Foundation.Shared == nil {
		namespaces = append(namespaces, loggingNamespace)
	}
	for _, namespace := range []string{s.scraper(), s.measured()} {
		if namespace != "" {
			namespaces = append(namespaces, namespace)
		}
	}
	if p.Nameserver.Namespace != "" {
		namespaces = append(namespaces, p.Nameserver.Namespace)
	}
	ctx.Export("namespaces", pulumi.ToStringArray(namespaces))
	ctx.Export("erasure", s.Erasure().output())
	ctx.Export("tryIt", pulumi.String(p.tryIt()))
	if s.Ingress.Guests != "" {
		ctx.Export("guests", p.ForGuests())
	}
	for _, name := range slices.Sorted(maps.Keys(p.Foundation.Outputs)) {
		ctx.Export(name, p.Foundation.Outputs[name])
	}
}
