package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 5280 key identifiers, not a signature
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 365 * 24 * time.Hour
	// renewBefore is how long before its end a certificate is replaced by Up.
	renewBefore = 30 * 24 * time.Hour
	// clockSkew is how far a certificate starts in the past.
	clockSkew = 5 * time.Minute
)

// identity is one certificate the lab hands out. Its file name is Name.crt
// and Name.key below the pki directory.
type identity struct {
	Name      string // e.g. "apiserver" or "node-1/kubelet"
	Authority string // one of the authorities
	User      string // certificate CN; the Kubernetes user name of a client
	Groups    []string
	Hosts     []string // DNS names and addresses of a server
	Client    bool
	Server    bool
}

// authorities of the lab. They are separate because each opens a different
// door: the cluster's people and machines, the API server's claims about a
// request it passes on, and the database of everything.
const (
	clusterAuthority = "ca"
	frontAuthority   = "front-proxy-ca"
	etcdAuthority    = "etcd-ca"
)

var authorities = []string{clusterAuthority, frontAuthority, etcdAuthority}

// authority signs leaf certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ensureAuthority loads the authority stored as <dir>/<name>.{crt,key} or
// makes it. One that exists but cannot be read is an error: replacing it would
// lock everything out that trusts it.
func ensureAuthority(dir, name string, at time.Time) (*authority, error) {
	certFile, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	cert, key, err := loadPair(certFile, keyFile)
	if err == nil {
		if at.After(cert.NotAfter.Add(-renewBefore)) {
			return nil, fmt.Errorf("the lab's authority %s ends %s: run `slipway lab down --purge` and start anew",
				certFile, cert.NotAfter.Format(time.DateOnly))
		}
		return &authority{cert, key}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("loading authority %s: %w", name, err)
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating the key of %s: %w", name, err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "slipway-lab-" + name},
		NotBefore:             at.Add(-clockSkew),
		NotAfter:              at.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	made, err := issue(template, template, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("signing authority %s: %w", name, err)
	}
	if err := storePair(certFile, keyFile, made, signer); err != nil {
		return nil, err
	}
	return &authority{made, signer}, nil
}

// ensure makes sure the identity has a certificate that says what it should
// and is good for renewBefore longer. It reports whether it wrote one.
func (a *authority) ensure(dir string, id identity, at time.Time) (bool, error) {
	certFile, keyFile := filepath.Join(dir, id.Name+".crt"), filepath.Join(dir, id.Name+".key")
	if cert, _, err := loadPair(certFile, keyFile); err == nil && a.matches(cert, id, at) {
		return false, nil
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false, fmt.Errorf("generating the key of %s: %w", id.Name, err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: id.User, Organization: id.Groups},
		NotBefore: at.Add(-clockSkew),
		NotAfter:  at.Add(leafLife),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
	if id.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if id.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	template.DNSNames, template.IPAddresses = splitHosts(id.Hosts)
	cert, err := issue(template, a.cert, signer.Public(), a.key)
	if err != nil {
		return false, fmt.Errorf("signing the certificate of %s: %w", id.Name, err)
	}
	return true, storePair(certFile, keyFile, cert, signer)
}

// matches reports whether cert is what ensure would issue, and still is in
// renewBefore.
func (a *authority) matches(cert *x509.Certificate, id identity, at time.Time) bool {
	names, addresses := splitHosts(id.Hosts)
	sameAddresses := slices.EqualFunc(cert.IPAddresses, addresses, func(x, y net.IP) bool { return x.Equal(y) })
	return cert.CheckSignatureFrom(a.cert) == nil &&
		cert.Subject.CommonName == id.User &&
		slices.Equal(cert.Subject.Organization, id.Groups) &&
		slices.Equal(cert.DNSNames, names) && sameAddresses &&
		slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) == id.Client &&
		slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) == id.Server &&
		at.After(cert.NotBefore) && at.Before(cert.NotAfter.Add(-renewBefore))
}

func issue(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	encoded, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(encoded) //nolint:gosec // identifies a key, protects nothing
	template.SubjectKeyId = sum[:]
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// splitHosts tells names from addresses, both sorted so that they compare.
func splitHosts(hosts []string) (names []string, addresses []net.IP) {
	for _, host := range slices.Sorted(slices.Values(hosts)) {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	return names, addresses
}

func loadPair(certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	certBlock, err := readPEM(certFile, "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certBlock)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing %s: %w", certFile, err)
	}
	key, err := loadKey(keyFile)
	if err != nil {
		return nil, nil, err
	}
	if !key.Public().(*ecdsa.PublicKey).Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("%s does not belong to %s", keyFile, certFile)
	}
	return cert, key, nil
}

func loadKey(file string) (crypto.Signer, error) {
	block, err := readPEM(file, "EC PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(block)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", file, err)
	}
	return key, nil
}

func readPEM(file, kind string) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s holds no %s", file, kind)
	}
	return block.Bytes, nil
}

// storePair writes the key first: a certificate without its key would look
// complete to a reader that only checks the certificate.
func storePair(certFile, keyFile string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	if err := storeKey(keyFile, key); err != nil {
		return err
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	return writeFile(certFile, encoded, 0o600)
}

func storeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
