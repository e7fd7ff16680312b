package lab

import (
	"crypto/ecdsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var server = identity{Name: "server", Authority: clusterAuthority, User: "server", Groups: []string{"a"},
	Hosts: []string{"z.example", "10.0.0.1", "a.example"}, Server: true}

func TestCertificateServesItsHostsAndNothingElse(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	ca, err := ensureAuthority(dir, clusterAuthority, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.ensure(dir, server, now); err != nil {
		t.Fatal(err)
	}
	cert, _, err := loadPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	verify := func(name string, usage x509.ExtKeyUsage) error {
		_, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}})
		return err
	}
	for _, name := range server.Hosts {
		if err := verify(name, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if verify("other.example", x509.ExtKeyUsageServerAuth) == nil {
		t.Error("it serves a host it was not issued for")
	}
	if verify("a.example", x509.ExtKeyUsageClientAuth) == nil {
		t.Error("a server's certificate can be used as a client's")
	}
	for _, file := range []string{"ca.key", "server.key"} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, others could read it", file, info.Mode().Perm())
		}
	}
}

func TestCertificateIsReissuedOnlyWhenItMustBe(t *testing.T) {
	now := time.Now()
	other := server
	other.Hosts = append([]string{"new.example"}, server.Hosts...)
	client := server
	client.Client = true
	renamed := server
	renamed.User = "another"
	for _, test := range []struct {
		name string
		id   identity
		at   time.Time
		want bool
	}{
		{"unchanged", server, now.Add(time.Hour), false},
		{"32 days before its end", server, now.Add(leafLife - 32*24*time.Hour), false},
		{"29 days before its end", server, now.Add(leafLife - 29*24*time.Hour), true},
		{"after its end", server, now.Add(leafLife + time.Hour), true},
		{"clock set back before its start", server, now.Add(-time.Hour), true},
		{"another host", other, now, true},
		{"another use", client, now, true},
		{"another name", renamed, now, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			ca, err := ensureAuthority(dir, clusterAuthority, now)
			if err != nil {
				t.Fatal(err)
			}
			if wrote, err := ca.ensure(dir, server, now); err != nil || !wrote {
				t.Fatalf("first: wrote %v, %v", wrote, err)
			}
			if wrote, err := ca.ensure(dir, test.id, test.at); err != nil || wrote != test.want {
				t.Errorf("wrote %v (%v), want %v", wrote, err, test.want)
			}
		})
	}
}

func TestDamagedCertificateIsReplacedButNotItsAuthority(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	ca, err := ensureAuthority(dir, clusterAuthority, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.ensure(dir, server, now); err != nil {
		t.Fatal(err)
	}
	damage := func(file string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage("server.crt")
	if wrote, err := ca.ensure(dir, server, now); err != nil || !wrote {
		t.Errorf("a damaged certificate: wrote %v, %v", wrote, err)
	}
	damage("ca.key")
	if _, err := ensureAuthority(dir, clusterAuthority, now); err == nil {
		t.Error("a damaged authority was replaced: everything that trusts it would be locked out")
	}
}

func TestAuthorityIsKept(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	first, err := ensureAuthority(dir, etcdAuthority, now)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ensureAuthority(dir, etcdAuthority, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !first.key.Public().(*ecdsa.PublicKey).Equal(second.key.Public()) {
		t.Error("the authority was made anew")
	}
	if _, err := ensureAuthority(dir, etcdAuthority, now.Add(authorityLife)); err == nil {
		t.Error("an authority at its end was accepted")
	}
}

func TestLabIsCertifiedOnce(t *testing.T) {
	l := testLab(t)
	nodes, _ := Placements(2)
	if err := l.certify(nodes, time.Now()); err != nil {
		t.Fatal(err)
	}
	before := contentsOf(t, l.state)
	if err := l.certify(nodes, time.Now()); err != nil {
		t.Fatal(err)
	}
	for file, content := range contentsOf(t, l.state) {
		if before[file] != content {
			t.Errorf("%s was written anew", file)
		}
	}
	for _, id := range append(identities(), nodeIdentities(nodes[1])...) {
		if _, ok := before[l.pki(id.Name+".crt")]; !ok {
			t.Errorf("%s has no certificate", id.Name)
		}
	}
}

// Only the lab itself is beyond the reach of RBAC; what is handed to people
// and machines is not.
func TestNobodyButTheLabIsMaster(t *testing.T) {
	ids := append(identities(), nodeIdentities(place(1))...)
	for _, id := range ids {
		for _, group := range id.Groups {
			if group == "system:masters" && id.Name != "lab" {
				t.Errorf("%s is in system:masters", id.Name)
			}
		}
		if id.Authority != clusterAuthority && id.Server && id.Client && id.Name != "etcd" {
			t.Errorf("%s is server and client", id.Name)
		}
	}
}
