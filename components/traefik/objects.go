package traefik

import (
	"fmt"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

const (
	group      = "traefik.io"
	apiVersion = group + "/v1alpha1"
	// className is by which an Ingress chooses this Traefik.
	className = "traefik"
	// readyPath is the route that readiness is asked over.
	readyPath = "/ready"
	// tlsSecret holds the certificate for Hosts.
	tlsSecret = "default-certificate"
)

// Specifications of Traefik's objects, as far as they are used here.
type (
	middlewareSpec struct {
		Headers   *headers   `json:"headers,omitempty"`
		RateLimit *rateLimit `json:"rateLimit,omitempty"`
		Compress  *struct{}  `json:"compress,omitempty"`
		Retry     *retry     `json:"retry,omitempty"`
	}
	headers struct {
		ContentTypeNosniff    bool              `json:"contentTypeNosniff"`
		FrameDeny             bool              `json:"frameDeny"`
		ReferrerPolicy        string            `json:"referrerPolicy"`
		PermissionsPolicy     string            `json:"permissionsPolicy"`
		STSSeconds            int               `json:"stsSeconds,omitempty"`
		CustomResponseHeaders map[string]string `json:"customResponseHeaders"`
	}
	rateLimit struct {
		Average         int        `json:"average"`
		Burst           int        `json:"burst"`
		Period          string     `json:"period"`
		SourceCriterion *criterion `json:"sourceCriterion,omitempty"`
	}
	criterion struct {
		IPStrategy ipStrategy `json:"ipStrategy"`
	}
	ipStrategy struct {
		ExcludedIPs []string `json:"excludedIPs"`
	}
	retry struct {
		Attempts        int    `json:"attempts"`
		InitialInterval string `json:"initialInterval"`
	}
	tlsOptionSpec struct {
		MinVersion    string   `json:"minVersion"`
		CipherSuites  []string `json:"cipherSuites"`
		SNIStrict     bool     `json:"sniStrict"`
		ALPNProtocols []string `json:"alpnProtocols"`
	}
	tlsStoreSpec struct {
		Certificates []secretRef `json:"certificates"`
	}
	secretRef struct {
		SecretName string `json:"secretName"`
	}
	ingressRouteSpec struct {
		EntryPoints []string `json:"entryPoints"`
		Routes      []route  `json:"routes"`
	}
	route struct {
		Kind     string       `json:"kind"`
		Match    string       `json:"match"`
		Services []serviceRef `json:"services"`
	}
	serviceRef struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
)

// middleware is what stands behind a name of plan.middlewares.
func (p plan) middleware(named string) middlewareSpec {
	switch named {
	case headersName:
		return middlewareSpec{Headers: &headers{
			ContentTypeNosniff: true, FrameDeny: true,
			ReferrerPolicy:    "strict-origin-when-cross-origin",
			PermissionsPolicy: "camera=(), geolocation=(), microphone=()",
			STSSeconds:        max(p.HSTSSeconds, 0),
			// An empty value takes a backend's header away: which software
			// answers is nobody's business.
			CustomResponseHeaders: map[string]string{"Server": "", "X-Powered-By": ""},
		}}
	case limitName:
		limit := &rateLimit{Average: p.RateLimit.Average, Burst: p.RateLimit.Burst, Period: "1s"}
		if len(p.TrustedProxies) > 0 {
			limit.SourceCriterion = &criterion{IPStrategy: ipStrategy{ExcludedIPs: p.TrustedProxies}}
		}
		return middlewareSpec{RateLimit: limit}
	case compressName:
		return middlewareSpec{Compress: &struct{}{}}
	default:
		return middlewareSpec{Retry: &retry{Attempts: 4, InitialInterval: "50ms"}}
	}
}

// tlsOption holds for every connection. The suites are those of TLS 1.2 with
// forward secrecy and authenticated encryption; TLS 1.3 has no others.
func tlsOption() tlsOptionSpec {
	return tlsOptionSpec{
		MinVersion: "VersionTLS12",
		CipherSuites: []string{
			"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
			"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
			"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
		},
		SNIStrict:     true,
		ALPNProtocols: []string{"h2", "http/1.1"},
	}
}

// readiness is the route over which a pod is asked whether it has its routes.
func readiness() ingressRouteSpec {
	return ingressRouteSpec{
		EntryPoints: []string{internal},
		Routes: []route{{
			Kind: "Rule", Match: "Path(`" + readyPath + "`)",
			Services: []serviceRef{{Kind: "TraefikService", Name: "ping@internal"}},
		}},
	}
}

// objects declares what Traefik reads from the cluster for itself, once its
// definitions are served, and returns it.
func (t *Traefik) objects(ctx *pulumi.Context, p parts, definitions []pulumi.Resource) ([]pulumi.Resource, error) {
	var made []pulumi.Resource
	declare := func(role, kind, named string, spec any) error {
		object, err := component.Object{APIVersion: apiVersion, Kind: kind, Metadata: p.metadata(named), Spec: spec}.
			Declare(ctx, p.name+"-"+role, component.Under(t, pulumi.DependsOn(definitions))...)
		if err != nil {
			return err
		}
		made = append(made, object)
		return nil
	}
	for _, named := range p.middlewares() {
		if err := declare(named, "Middleware", named, p.middleware(named)); err != nil {
			return nil, err
		}
	}
	// By this name, and only one, it is the option of every route that names none.
	if err := declare("tls-option", "TLSOption", "default", tlsOption()); err != nil {
		return nil, err
	}
	if err := declare("readiness", "IngressRoute", "readiness", readiness()); err != nil {
		return nil, err
	}
	if len(p.Hosts) > 0 {
		if err := t.hosts(ctx, p, definitions); err != nil {
			return nil, err
		}
	}
	if _, err := networkingv1.NewIngressClass(ctx, p.name+"-class", &networkingv1.IngressClassArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String(className), Labels: component.StringMap(p.labels())},
		Spec:     networkingv1.IngressClassSpecArgs{Controller: pulumi.String("traefik.io/ingress-controller")},
	}, component.Under(t)...); err != nil {
		return nil, fmt.Errorf("creating ingress class %s: %w", className, err)
	}
	return made, nil
}

// hosts has a certificate issued for Hosts and then tells Traefik of it, which
// takes it up without a restart: the pods need not wait for the issuer.
func (t *Traefik) hosts(ctx *pulumi.Context, p parts, definitions []pulumi.Resource) error {
	certificate, err := t.certificate(ctx, p)
	if err != nil {
		return err
	}
	_, err = component.Object{
		// By this name it is the store of every entry point.
		APIVersion: apiVersion, Kind: "TLSStore", Metadata: p.metadata("default"),
		Spec: tlsStoreSpec{Certificates: []secretRef{{SecretName: tlsSecret}}},
	}.Declare(ctx, p.name+"-tls-store",
		component.Under(t, pulumi.DependsOn(append([]pulumi.Resource{certificate}, definitions...)))...)
	return err
}

// certificate asks for the certificate of Hosts and waits until it is issued.
func (t *Traefik) certificate(ctx *pulumi.Context, p parts) (pulumi.Resource, error) {
	type (
		issuerRef struct {
			Group string `json:"group"`
			Kind  string `json:"kind"`
			Name  string `json:"name"`
		}
		privateKey struct {
			Algorithm      string `json:"algorithm"`
			Size           int    `json:"size"`
			RotationPolicy string `json:"rotationPolicy"`
		}
		certificateSpec struct {
			DNSNames    []string   `json:"dnsNames"`
			SecretName  string     `json:"secretName"`
			Duration    string     `json:"duration"`
			RenewBefore string     `json:"renewBefore"`
			PrivateKey  privateKey `json:"privateKey"`
			Usages      []string   `json:"usages"`
			IssuerRef   issuerRef  `json:"issuerRef"`
		}
	)
	metadata := p.metadata(tlsSecret)
	metadata.Annotations = pulumi.StringMap{"pulumi.com/waitFor": pulumi.String("condition=Ready")}
	spec := pulumi.All(p.Issuer.Name, p.Issuer.Kind).ApplyT(func(issuer []any) (certificateSpec, error) {
		named, _ := issuer[0].(string)
		kind, _ := issuer[1].(string)
		if named == "" || kind == "" {
			return certificateSpec{}, fmt.Errorf("issuer: has no name or kind, so no one signs for %v", p.Hosts)
		}
		return certificateSpec{
			DNSNames: p.Hosts, SecretName: tlsSecret,
			Duration: "2160h0m0s", RenewBefore: "720h0m0s",
			PrivateKey: privateKey{Algorithm: "ECDSA", Size: 256, RotationPolicy: "Always"},
			Usages:     []string{"digital signature", "server auth"},
			IssuerRef:  issuerRef{Group: "cert-manager.io", Kind: kind, Name: named},
		}, nil
	})
	return component.Object{
		APIVersion: "cert-manager.io/v1", Kind: "Certificate", Metadata: metadata, Spec: spec,
	}.Declare(ctx, p.name+"-certificate", component.Under(t)...)
}
