package fastapi

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// The route brings a transport of its own, so that how long connections are
// kept is decided beside how long pods keep them.
const (
	// dialSeconds is how long Traefik waits for a pod to accept before it tries
	// another: longer than a pod that is alive ever takes.
	dialSeconds = 2
	// answerSeconds is how long a pod may take to begin its answer; then the
	// client gets a 504. The service itself gives up earlier.
	answerSeconds = 60
)

// route declares how requests come in, once what they reach is ready.
func (b *builder) route(ready []pulumi.Resource) error {
	secret, err := b.certify()
	if err != nil {
		return err
	}
	proxy := b.plan.Ingress.Ready
	if _, err := (component.Object{
		APIVersion: traefikVersion, Kind: "ServersTransport",
		Metadata: b.meta(b.name, b.name, "routing"),
		Spec: serversTransport{ForwardingTimeouts: forwardingTimeouts{
			DialTimeout:           seconds(dialSeconds),
			ResponseHeaderTimeout: seconds(answerSeconds),
			IdleConnTimeout:       seconds(b.plan.Drain.ProxyIdleSeconds),
		}},
	}).Declare(b.ctx, b.name+"-transport", b.under(pulumi.DependsOn(proxy))...); err != nil {
		return err
	}
	target := b.destination(b.plan.releases[0])
	after := append(append([]pulumi.Resource(nil), ready...), proxy...)
	if b.plan.blueGreen() {
		weights, err := component.Object{
			APIVersion: traefikVersion, Kind: "TraefikService",
			Metadata: b.meta(b.name, b.name, "routing"),
			Spec:     b.weights(),
		}.Declare(b.ctx, b.name+"-weights", b.under(pulumi.DependsOn(after))...)
		if err != nil {
			return err
		}
		target = destination{Name: b.name, Kind: "TraefikService"}
		after = append(after, weights)
	}
	_, err = component.Object{
		APIVersion: traefikVersion, Kind: "IngressRoute",
		Metadata: b.meta(b.name, b.name, "routing"),
		Spec: ingressRoute{
			EntryPoints: []string{b.plan.Ingress.EntryPoint},
			Routes: []route{{
				Kind: "Rule", Match: match(b.plan.Host, b.plan.Paths),
				Services: []destination{target},
			}},
			TLS: routeTLS{SecretName: secret},
		},
	}.Declare(b.ctx, b.name+"-route", b.under(pulumi.DependsOn(after))...)
	return err
}

// certify asks for the host's certificate and returns the name of the Secret
// that will hold it. The update waits until it is issued.
func (b *builder) certify() (string, error) {
	c := b.plan.Certificate
	secret := b.name + "-tls"
	meta := b.meta(b.name, b.name, "certificate")
	meta.Annotations = pulumi.StringMap{"pulumi.com/waitFor": pulumi.String("condition=Ready")}
	spec := pulumi.All(c.IssuerName, c.IssuerKind).ApplyT(func(issuer []any) (certificate, error) {
		name, _ := issuer[0].(string)
		kind, _ := issuer[1].(string)
		if name == "" || kind == "" {
			return certificate{}, fmt.Errorf("the issuer of %s has no name or kind", b.plan.Host)
		}
		return certificate{
			DNSNames:    []string{b.plan.Host},
			SecretName:  secret,
			Duration:    hours(c.ValidHours),
			RenewBefore: hours(c.RenewHours),
			IssuerRef:   issuerRef{Group: "cert-manager.io", Kind: kind, Name: name},
			// A new key with every renewal bounds what a stolen one is worth.
			PrivateKey: privateKey{Algorithm: "ECDSA", Size: 256, RotationPolicy: "Always"},
			Usages:     []string{"digital signature", "server auth"},
		}, nil
	})
	_, err := component.Object{
		APIVersion: certificateVersion, Kind: "Certificate", Metadata: meta, Spec: spec,
	}.Declare(b.ctx, b.name+"-certificate", b.under()...)
	return secret, err
}

// destination is one release's Service.
func (b *builder) destination(r release) destination {
	return destination{Name: r.name, Kind: "Service", Port: portName, ServersTransport: b.name}
}

// weights gives each release its share; they add up to 100.
func (b *builder) weights() traefikService {
	var services []destination
	for _, r := range b.plan.releases {
		service := b.destination(r)
		service.Weight = &r.weight
		services = append(services, service)
	}
	return traefikService{Weighted: weighted{Services: services}}
}

// match is the Traefik rule for a host and the prefixes it offers.
func match(host string, paths []string) string {
	prefixes := make([]string, 0, len(paths))
	for _, path := range paths {
		prefixes = append(prefixes, fmt.Sprintf("PathPrefix(`%s`)", path))
	}
	return fmt.Sprintf("Host(`%s`) && (%s)", host, strings.Join(prefixes, " || "))
}

func seconds(n int) string { return fmt.Sprintf("%ds", n) }

// hours is the notation that the API server stores, so that nothing seems to
// have drifted.
func hours(n int) string { return fmt.Sprintf("%dh0m0s", n) }
