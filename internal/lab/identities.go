package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// adminGroup is bound to cluster-admin by an add-on. system:masters, which no
// binding can take away, stays with the lab itself.
const adminGroup = "slipway:admins"

// identities lists every certificate of a lab, without those of its nodes.
func identities() []identity {
	return []identity{
		{Name: "etcd", Authority: etcdAuthority, User: "etcd", Hosts: []string{"127.0.0.1", "localhost"}, Server: true, Client: true},
		{Name: "apiserver-etcd", Authority: etcdAuthority, User: "kube-apiserver", Client: true},
		{Name: "apiserver", Authority: clusterAuthority, User: "kube-apiserver", Server: true, Hosts: []string{
			"localhost", "127.0.0.1", ControlAddress, APIServiceIP,
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + ClusterDomain,
		}},
		{Name: "apiserver-kubelet", Authority: clusterAuthority, User: "slipway:apiserver-kubelet-client",
			Groups: []string{"slipway:kubelet-clients"}, Client: true},
		{Name: "front-proxy", Authority: frontAuthority, User: "front-proxy-client", Client: true},
		{Name: "controller-manager", Authority: clusterAuthority, User: "system:kube-controller-manager",
			Hosts: []string{"127.0.0.1", "localhost"}, Client: true, Server: true},
		{Name: "scheduler", Authority: clusterAuthority, User: "system:kube-scheduler",
			Hosts: []string{"127.0.0.1", "localhost"}, Client: true, Server: true},
		{Name: "lab", Authority: clusterAuthority, User: "slipway:lab", Groups: []string{"system:masters"}, Client: true},
		{Name: "admin", Authority: clusterAuthority, User: "slipway-admin", Groups: []string{adminGroup}, Client: true},
		{Name: "metrics-server", Authority: clusterAuthority, User: "metrics-server", Server: true,
			Hosts: []string{"metrics-server.kube-system.svc", "metrics-server.kube-system.svc." + ClusterDomain}},
	}
}

// nodeIdentities lists the certificates of one node. The proxy and the policy
// firewall have one per node so that a log tells which node asked.
func nodeIdentities(p Placement) []identity {
	return []identity{
		{Name: p.Name + "/kubelet", Authority: clusterAuthority, User: "system:node:" + p.Name, Groups: []string{"system:nodes"}, Client: true},
		{Name: p.Name + "/kubelet-serving", Authority: clusterAuthority, User: "system:node:" + p.Name, Groups: []string{"system:nodes"},
			Hosts: []string{p.Name, p.Address.String()}, Server: true},
		{Name: p.Name + "/kube-proxy", Authority: clusterAuthority, User: "system:kube-proxy", Groups: []string{"slipway:" + p.Name}, Client: true},
		{Name: p.Name + "/kube-router", Authority: clusterAuthority, User: "slipway:kube-router", Groups: []string{"slipway:" + p.Name}, Client: true},
	}
}

// certify makes or renews every certificate and key that a lab with these
// nodes needs.
func (l *Lab) certify(nodes []Placement, at time.Time) error {
	dir := l.pki("")
	signers := map[string]*authority{}
	for _, name := range authorities {
		signer, err := ensureAuthority(dir, name, at)
		if err != nil {
			return err
		}
		signers[name] = signer
	}
	wanted := identities()
	for _, node := range nodes {
		wanted = append(wanted, nodeIdentities(node)...)
	}
	for _, id := range wanted {
		if _, err := signers[id.Authority].ensure(dir, id, at); err != nil {
			return err
		}
	}
	if err := ensureSigningKey(l.key("service-accounts.key"), l.key("service-accounts.pub")); err != nil {
		return err
	}
	return ensureEncryption(l.key("encryption.yaml"))
}

// ensureSigningKey makes the key that signs service account tokens. It is
// never replaced: every pod's token hangs on it.
func ensureSigningKey(private, public string) error {
	signer, err := loadKey(private)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("generating the service account key: %w", err)
		}
		if err := storeKey(private, key); err != nil {
			return err
		}
		signer = key
	} else if err != nil {
		return fmt.Errorf("loading the service account key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return fmt.Errorf("encoding the service account key: %w", err)
	}
	return writeFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}
