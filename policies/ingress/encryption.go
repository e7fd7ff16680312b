package ingress

import (
	"maps"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/policies/rule"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// weakCiphers are parts of names of cipher suites that are broken or that lack
// forward secrecy.
var weakCiphers = []string{"_CBC_", "_RC4_", "_3DES_", "TLS_RSA_"}

func encryption() []*rule.Rule {
	const certificate = "Certificate/shop/web"
	return []*rule.Rule{
		{
			ID: "tls-1-2", Title: "No TLS below version 1.2, and no cipher known to be weak",
			Why:        "Older versions can be downgraded and decrypted by whoever sits between.",
			Remedy:     "Set minVersion to VersionTLS12 or VersionTLS13, and list only ECDHE suites with GCM or ChaCha20.",
			References: []string{"RFC 8996", "BSI TR-02102-2"},
			Types:      []string{TLSOptionType}, Reads: []string{"spec.minVersion", "spec.cipherSuites"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, o *TLSOption, _ rule.Limits) []rule.Complaint {
				if o.Spec.MinVersion != "VersionTLS12" && o.Spec.MinVersion != "VersionTLS13" {
					return rule.Complain("spec.minVersion", "is %q", o.Spec.MinVersion)
				}
				for _, suite := range o.Spec.CipherSuites {
					if slices.ContainsFunc(weakCiphers, func(weak string) bool { return strings.Contains(suite, weak) }) {
						return rule.Complain("spec.cipherSuites", "has %s", suite)
					}
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `object.spec.?minVersion.orValue("") in ["VersionTLS12", "VersionTLS13"] &&
object.spec.?cipherSuites.orValue([]).all(s, !s.matches("_CBC_|_RC4_|_3DES_|TLS_RSA_"))`},
			Example: rule.Example{Resource: "TLSOption/slipway-ingress/default", Set: map[string]any{"spec.minVersion": "VersionTLS10"}},
		},
		{
			ID: "default-tls-option", Title: "Only the platform sets the TLS option that applies to everyone",
			Why:        "Traefik takes the option called default from any namespace, and with two of them uses neither.",
			Remedy:     "Give the option another name and refer to it from your route.",
			References: []string{"https://kyverno.io/policies/traefik/disallow-default-tlsoptions/disallow-default-tlsoptions/"},
			Types:      []string{TLSOptionType}, Reads: []string{"metadata.name", "metadata.namespace"},
			Check: func(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				if r.ObjectName() == "default" && !slices.Contains(limits.PlatformNamespaces, r.Namespace()) {
					return rule.Unless("metadata.namespace", rule.Complain("metadata.name", "is default in namespace %s", r.Namespace()))
				}
				return nil
			},
			Example: rule.Example{Resource: "TLSOption/shop/default", Unknown: "metadata.name", UnknownIn: "TLSOption/shop/strict",
				Add: "apiVersion: traefik.io/v1alpha1\nkind: TLSOption\nmetadata: {name: default, namespace: shop}\nspec: {minVersion: VersionTLS13}\n"},
		},
		{
			ID: "certificate-limits", Title: "Certificates come from a known issuer, for our names, for a bounded time, and are renewed in time",
			Why:        "A certificate for a stranger's name, or one that outlives the key's secrecy, is worth more to an intruder than to us.",
			Remedy:     "Name an issuer of issuers, names below certificateSuffixes, a duration up to maxCertificateHours, and renewBefore below it.",
			References: []string{"https://kyverno.io/policies/cert-manager/"},
			Types:      []string{CertificateType}, Reads: []string{"spec"},
			Check:   rule.On(certificateLimits),
			Example: rule.Example{Resource: certificate, Unknown: "spec.issuerRef.name", Set: map[string]any{"spec.issuerRef.name": "anyone"}},
		},
		{
			ID: "backend-tls-verified", Title: "Traefik checks the certificates of the servers it speaks to",
			Why:        "Encryption to whoever answers protects from nobody.",
			Remedy:     "Remove insecureSkipVerify and name the authority in rootCAs.",
			References: []string{traefikDocs + "serverstransport/"},
			Types:      []string{TransportType}, Reads: []string{"spec.insecureSkipVerify"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, t *Transport, _ rule.Limits) []rule.Complaint {
				if t.Spec.InsecureSkipVerify {
					return rule.Complain("spec.insecureSkipVerify", "is true")
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `object.spec.?insecureSkipVerify.orValue(false) == false`},
			Example:   rule.Example{Resource: "ServersTransport/shop/web", Set: map[string]any{"spec.insecureSkipVerify": true}},
		},
	}
}

func certificateLimits(_ *rule.Stack, _ *rule.Resource, c *Certificate, limits rule.Limits) []rule.Complaint {
	if !slices.Contains(limits.Issuers, c.Spec.IssuerRef.Name) {
		return rule.Complain("spec.issuerRef.name", "is %q, allowed are %s", c.Spec.IssuerRef.Name, strings.Join(limits.Issuers, ", "))
	}
	if c.Spec.IsCA {
		return nil // an authority lives longer than what it signs
	}
	life := 2160 * time.Hour // cert-manager's default
	if c.Spec.Duration != "" {
		parsed, err := time.ParseDuration(c.Spec.Duration)
		if err != nil {
			return rule.Complain("spec.duration", "is no duration")
		}
		life = parsed
	}
	if limits.MaxCertificateHours > 0 && life > time.Duration(limits.MaxCertificateHours)*time.Hour {
		return rule.Complain("spec.duration", "is %s, at most %d h are allowed", life, limits.MaxCertificateHours)
	}
	if before, err := time.ParseDuration(c.Spec.RenewBefore); c.Spec.RenewBefore != "" && (err != nil || before >= life) {
		return rule.Complain("spec.renewBefore", "is not shorter than the certificate's life of %s", life)
	}
	for _, name := range c.Spec.DNSNames {
		if !slices.ContainsFunc(limits.CertificateSuffixes, func(suffix string) bool {
			return strings.HasSuffix(name, suffix) || name == strings.TrimPrefix(suffix, ".")
		}) {
			return rule.Complain("spec.dnsNames", "%s is not one of ours", name)
		}
	}
	return nil
}
