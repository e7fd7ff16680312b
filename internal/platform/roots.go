package platform

import (
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"

	"slipway.dev/slipway/stacks/trust"
)

// stagingRoots are "(STAGING) Pretend Pear X1" and "(STAGING) Bogus Broccoli X2",
// as Let's Encrypt publishes them. Nothing else is verified by them: who trusts
// them in a browser trusts anybody who asked the staging authority.
//
//go:embed letsencrypt-staging.pem
var stagingRoots []byte

// verifying is what a certificate of the API is verified against.
type verifying struct {
	// name is what a person calls it.
	name string
	// system takes the roots of the system; otherwise pem are the roots, and file
	// is where they lie for curl.
	system bool
	pem    []byte
	file   string
}

// pool is nil for the roots of the system.
func (v verifying) pool() (*x509.CertPool, error) {
	if v.system {
		return nil, nil // which is what crypto/tls calls them
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(v.pem) {
		return nil, errors.New(v.name + " is not PEM")
	}
	return roots, nil
}

// stagingFile is where the staging roots lie for curl.
func (s *Stack) stagingFile() string { return filepath.Join(s.scratch(), "letsencrypt-staging.crt") }

// roots says, from a stack's outputs, what its API is verified against. Stacks
// that were last updated before the output apiTrust have their own authority.
func (s *Stack) roots(outputs map[string]any) (verifying, error) {
	switch kind, _ := outputs[trust.Output].(string); kind {
	case trust.Public:
		return verifying{name: "the system's roots", system: true}, nil
	case trust.Staging:
		return verifying{
			name: "the roots of Let's Encrypt's staging authority, which browsers refuse", pem: stagingRoots, file: s.stagingFile(),
		}, nil
	case trust.Own, "":
		own, _ := outputs[trust.Own].(string)
		if own == "" {
			return verifying{}, fmt.Errorf("stack %s has no output %s: update it first", s.Name, trust.Own)
		}
		return verifying{name: "the platform's own authority", pem: []byte(own), file: s.CAFile()}, nil
	default:
		return verifying{}, fmt.Errorf("stack %s has %q in its output %s, which this slipway does not know how to verify: use the one of its checkout",
			s.Name, kind, trust.Output)
	}
}
