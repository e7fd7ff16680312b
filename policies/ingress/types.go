// Package ingress holds the rules about how requests come in: Traefik's routes,
// weights, middlewares and TLS options, Ingresses, certificates and DNS names.
package ingress

import (
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// Type tokens of Traefik's and cert-manager's objects.
var (
	RouteType       = rule.Shape[Route]("kubernetes:traefik.io/v1alpha1:IngressRoute")
	WeightedType    = rule.Shape[Weighted]("kubernetes:traefik.io/v1alpha1:TraefikService")
	TransportType   = rule.Shape[Transport]("kubernetes:traefik.io/v1alpha1:ServersTransport")
	TLSOptionType   = rule.Shape[TLSOption]("kubernetes:traefik.io/v1alpha1:TLSOption")
	CertificateType = rule.Shape[Certificate]("kubernetes:cert-manager.io/v1:Certificate")
	RecordType      = rule.Shape[Record]("aws:route53/record:Record")
	ZoneType        = rule.Shape[Zone]("aws:route53/zone:Zone")
)

// Record is a record of Route 53, and Zone a zone.
type (
	Record struct {
		Name    string   `json:"name"`
		Records []string `json:"records,omitempty"`
	}
	Zone struct {
		Name string `json:"name"`
	}
)

// Named is the part of metadata that rules ask for.
type Named struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// Destination is where a route or a weight leads.
type Destination struct {
	Kind      string `json:"kind,omitempty"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Weight    *int   `json:"weight,omitempty"`
}

// Route is an IngressRoute.
type Route struct {
	Spec struct {
		EntryPoints []string `json:"entryPoints,omitempty"`
		Routes      []struct {
			Match       string        `json:"match"`
			Middlewares []Named       `json:"middlewares,omitempty"`
			Services    []Destination `json:"services,omitempty"`
		} `json:"routes"`
		TLS *struct {
			SecretName string `json:"secretName,omitempty"`
			Options    *Named `json:"options,omitempty"`
		} `json:"tls,omitempty"`
	} `json:"spec"`
}

// Weighted is a TraefikService that weighs.
type Weighted struct {
	Spec struct {
		Weighted *struct {
			Services []Destination `json:"services,omitempty"`
		} `json:"weighted,omitempty"`
	} `json:"spec"`
}

// Transport is a ServersTransport.
type Transport struct {
	Spec struct {
		InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
		ForwardingTimeouts struct {
			IdleConnTimeout string `json:"idleConnTimeout,omitempty"`
		} `json:"forwardingTimeouts,omitempty"`
	} `json:"spec"`
}

// TLSOption is Traefik's choice of protocol versions and ciphers.
type TLSOption struct {
	Spec struct {
		MinVersion   string   `json:"minVersion,omitempty"`
		CipherSuites []string `json:"cipherSuites,omitempty"`
	} `json:"spec"`
}

// Certificate is a cert-manager Certificate.
type Certificate struct {
	Spec struct {
		DNSNames    []string `json:"dnsNames,omitempty"`
		SecretName  string   `json:"secretName"`
		Duration    string   `json:"duration,omitempty"`
		RenewBefore string   `json:"renewBefore,omitempty"`
		IsCA        bool     `json:"isCA,omitempty"`
		IssuerRef   struct {
			Name string `json:"name"`
			Kind string `json:"kind,omitempty"`
		} `json:"issuerRef"`
	} `json:"spec"`
}

// Routed tells whether a route leads to a Service, directly or by weight.
func Routed(s *rule.Stack, namespace, service string) bool {
	for _, r := range s.In(namespace, RouteType) {
		route := rule.As[Route](r)
		if route == nil {
			continue
		}
		for _, one := range route.Spec.Routes {
			for _, to := range one.Services {
				if to.Kind != "TraefikService" && to.Name == service || to.Kind == "TraefikService" && weighs(s, namespace, to.Name, service) {
					return true
				}
			}
		}
	}
	return false
}

func weighs(s *rule.Stack, namespace, name, service string) bool {
	weighted := rule.As[Weighted](s.Named(WeightedType, namespace, name))
	if weighted == nil || weighted.Spec.Weighted == nil {
		return false
	}
	for _, to := range weighted.Spec.Weighted.Services {
		if to.Name == service {
			return true
		}
	}
	return false
}

// hosts are the host names in a route's match.
func hosts(match string) []string {
	var found []string
	for rest := match; ; {
		_, after, ok := strings.Cut(rest, "Host(")
		if !ok {
			return found
		}
		inside, tail, _ := strings.Cut(after, ")")
		for _, quoted := range strings.Split(inside, ",") {
			found = append(found, strings.Trim(strings.TrimSpace(quoted), "`\"'"))
		}
		rest = tail
	}
}
