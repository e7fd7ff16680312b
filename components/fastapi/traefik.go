package fastapi

// Traefik's custom resources, as far as they are used here.

const traefikVersion = "traefik.io/v1alpha1"

type ingressRoute struct {
	EntryPoints []string `json:"entryPoints"`
	Routes      []route  `json:"routes"`
	TLS         routeTLS `json:"tls"`
}

type route struct {
	Kind     string        `json:"kind"`
	Match    string        `json:"match"`
	Services []destination `json:"services"`
}

type routeTLS struct {
	SecretName string `json:"secretName"`
}

// destination is a Service, or a TraefikService that weighs several.
type destination struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Port and ServersTransport belong to a Service.
	Port             string `json:"port,omitempty"`
	ServersTransport string `json:"serversTransport,omitempty"`
	// Weight is the share of requests; a pointer, because none and zero differ.
	Weight *int `json:"weight,omitempty"`
}

type traefikService struct {
	Weighted weighted `json:"weighted"`
}

type weighted struct {
	Services []destination `json:"services"`
}

type serversTransport struct {
	ForwardingTimeouts forwardingTimeouts `json:"forwardingTimeouts"`
}

type forwardingTimeouts struct {
	DialTimeout           string `json:"dialTimeout"`
	ResponseHeaderTimeout string `json:"responseHeaderTimeout"`
	IdleConnTimeout       string `json:"idleConnTimeout"`
}

// cert-manager's certificate, as far as it is used here.

const certificateVersion = "cert-manager.io/v1"

type certificate struct {
	DNSNames    []string   `json:"dnsNames"`
	SecretName  string     `json:"secretName"`
	Duration    string     `json:"duration"`
	RenewBefore string     `json:"renewBefore"`
	IssuerRef   issuerRef  `json:"issuerRef"`
	PrivateKey  privateKey `json:"privateKey"`
	Usages      []string   `json:"usages"`
}

type issuerRef struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

type privateKey struct {
	Algorithm      string `json:"algorithm"`
	Size           int    `json:"size"`
	RotationPolicy string `json:"rotationPolicy"`
}
