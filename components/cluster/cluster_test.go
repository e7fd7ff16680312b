package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/component/componenttest"
)

// pair is a self-signed certificate and its key, in PEM.
type pair struct{ certificate, key string }

func issue(t *testing.T, from, until time.Time) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, NotBefore: from, NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})),
	}
}

func base(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// config is a kubeconfig with two contexts of which "lab" is current.
func config(server, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: lab
clusters:
- {name: lab-cluster, cluster: {server: %q, tls-server-name: kept}}
- {name: other-cluster, cluster: {server: "https://other"}}
contexts:
- {name: lab, context: {cluster: lab-cluster, user: admin}}
- {name: other, context: {cluster: other-cluster, user: nobody}}
- {name: dangling, context: {cluster: gone, user: missing}}
users:
- {name: admin, user: {%s}}
- {name: nobody, user: {token: other-secret}}
`, server, user)
}

func jwt(expires time.Time) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, expires.Unix())) + ".c2ln"
}

func TestResolveReportsFaults(t *testing.T) {
	at := time.Now()
	good := issue(t, at.Add(-time.Hour), at.Add(time.Hour))
	other := issue(t, at.Add(-time.Hour), at.Add(time.Hour))
	expired := issue(t, at.Add(-2*time.Hour), at.Add(-time.Hour))
	early := issue(t, at.Add(time.Hour), at.Add(2*time.Hour))
	const server = "https://10.89.0.1:6443"
	client := func(p pair) string {
		return fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", base(p.certificate), base(p.key))
	}
	for name, test := range map[string]struct {
		content, context string
		want             []string
		is               error
	}{
		"not YAML":           {content: "a: [\n", want: []string{"kubeconfig /k: is not a kubeconfig: "}},
		"a list":             {content: "- a\n", want: []string{"kubeconfig /k: is not a kubeconfig: "}},
		"another object":     {content: "kind: Secret\n", want: []string{`kind: is "Secret", must be Config`}},
		"empty file":         {content: " \n", want: []string{"kubeconfig /k: the file is empty"}},
		"no contexts":        {content: "kind: Config\n", want: []string{"contexts: there is none"}},
		"unknown context":    {content: config(server, client(good)), context: "prod", want: []string{`there is no context "prod" (it has dangling, lab, other)`}},
		"no current context": {content: strings.Replace(config(server, client(good)), "current-context: lab", "", 1), want: []string{"current-context: is not set; choose a context (it has dangling, lab, other)"}},
		"dangling context": {content: config(server, client(good)), context: "dangling", want: []string{
			`contexts[dangling].cluster: there is no cluster "gone"`, `contexts[dangling].user: there is no user "missing"`,
		}},
		"no server":        {content: config("", client(good)), want: []string{"clusters[lab-cluster].server: is not set"}},
		"server no URL":    {content: config("10.89.0.1:6443", client(good)), want: []string{"clusters[lab-cluster].server: "}},
		"server not https": {content: config("http://10.89.0.1", client(good)), want: []string{"is not an https URL"}},
		"no credentials":   {content: config(server, ""), want: []string{"users[admin]: has no credentials"}},
		"expired":          {content: config(server, client(expired)), want: []string{"users[admin].client-certificate-data: the credentials have expired on "}, is: ErrExpired},
		"not yet valid":    {content: config(server, client(early)), want: []string{"check this machine's clock"}},
		"another key":      {content: config(server, client(pair{good.certificate, other.key})), want: []string{"users[admin].client-key-data: does not belong to the client certificate"}},
		"key only":         {content: config(server, "client-key-data: "+base(good.key)), want: []string{"client-certificate-data: is not set"}},
		"certificate only": {content: config(server, "client-certificate-data: "+base(good.certificate)), want: []string{"client-key-data: is not set"}},
		"not base64":       {content: config(server, `client-certificate-data: "%"`), want: []string{"client-certificate-data: is not base64"}},
		"not PEM":          {content: config(server, client(pair{"text", good.key})), want: []string{"client-certificate-data: holds no PEM certificate"}},
		"key for a cert":   {content: config(server, client(pair{good.key, good.key})), want: []string{`holds a PEM block of type "PRIVATE KEY"`}},
		"file gone":        {content: config(server, "client-certificate: gone.crt, client-key: gone.key"), want: []string{"users[admin].client-certificate: open ", "users[admin].client-key: open "}, is: os.ErrNotExist},
		"token file gone":  {content: config(server, "tokenFile: gone"), want: []string{"users[admin].tokenFile: open "}},
		"token expired":    {content: config(server, "token: "+jwt(at.Add(-time.Minute))), want: []string{"users[admin].token: the credentials have expired"}, is: ErrExpired},
		"plugin unnamed":   {content: config(server, "exec: {args: [a]}"), want: []string{"users[admin].exec.command: is not set"}},
		"every fault":      {content: config("", client(expired)), want: []string{"clusters[lab-cluster].server: is not set", "have expired"}},
		"CA is not a CA":   {content: strings.Replace(config(server, client(good)), "tls-server-name: kept", "certificate-authority-data: "+base("x"), 1), want: []string{"clusters[lab-cluster].certificate-authority-data: holds no PEM certificate"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "k")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := resolve(Args{Kubeconfig: path, Context: test.context}, at)
			if err == nil {
				t.Fatal("no fault was found")
			}
			message := strings.ReplaceAll(err.Error(), path, "/k")
			for _, want := range test.want {
				if !strings.Contains(message, want) {
					t.Errorf("%s\ndoes not contain %q", message, want)
				}
			}
			if !strings.HasPrefix(message, "kubeconfig /k: ") {
				t.Errorf("%q does not start with the file", message)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
		})
	}
	if _, err := resolve(Args{Kubeconfig: filepath.Join(t.TempDir(), "absent")}, at); !errors.Is(err, ErrMissing) {
		t.Errorf("a missing file gave %v", err)
	}
	if _, err := resolve(Args{}, at); err == nil || !strings.Contains(err.Error(), "kubeconfig: is empty") {
		t.Errorf("no kubeconfig gave %v", err)
	}
	relative := config(server, "tokenFile: here")
	if _, err := resolve(Args{Kubeconfig: relative}, at); err == nil || !strings.Contains(err.Error(), "means nothing in a kubeconfig given as content") {
		t.Errorf("a relative path in content gave %v", err)
	}
}

func TestResolveReducesToOneContextAndReadsFiles(t *testing.T) {
	at := time.Now()
	good := issue(t, at.Add(-time.Hour), at.Add(time.Hour))
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.crt": good.certificate, "a.key": good.key,
		"config": config("https://10.89.0.1:6443", "client-certificate: a.crt, client-key: a.key"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := resolve(Args{Kubeconfig: filepath.Join(dir, "config")}, at)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got.content, "other") {
		t.Errorf("another context's cluster or token is kept:\n%s", got.content)
	}
	var reduced kubeconfig
	if err := yaml.Unmarshal([]byte(got.content), &reduced); err != nil {
		t.Fatal(err)
	}
	if user := reduced.Users[0].User; user["client-key-data"] != base(good.key) || user["client-key"] != nil {
		t.Errorf("the key file was not read in: %v", user)
	}
	if reduced.Clusters[0].Cluster["tls-server-name"] != "kept" {
		t.Errorf("a field of the cluster was lost: %v", reduced.Clusters[0].Cluster)
	}
	if got.name != "lab-cluster" || got.identifier != "lab-cluster" || got.expires.IsZero() {
		t.Errorf("name %q, identifier %q, expires %v", got.name, got.identifier, got.expires)
	}
	again, err := resolve(Args{Kubeconfig: got.content, Identifier: "mine"}, at)
	if err != nil {
		t.Fatal(err)
	}
	if again.content != got.content || again.identifier != "mine" {
		t.Error("content given is not content taken")
	}
}

func TestAFaultRegistersNothing(t *testing.T) {
	g := &componenttest.Graph{}
	err := g.Try(t, func(ctx *pulumi.Context) error {
		_, err := New(ctx, "cluster", Args{Kubeconfig: filepath.Join(t.TempDir(), "absent")})
		return err
	})
	if !errors.Is(err, ErrMissing) || !strings.Contains(fmt.Sprint(err), `cluster "cluster": kubeconfig /`) {
		t.Errorf("got %v", err)
	}
	if nodes := g.List(); strings.Contains(nodes, "slipway:") || strings.Contains(nodes, "kubernetes") {
		t.Errorf("registered in spite of the fault:\n%s", nodes)
	}
}

func TestNewDeclaresOneProvider(t *testing.T) {
	at := time.Now()
	p := issue(t, at.Add(-time.Hour), at.Add(30*24*time.Hour))
	content := config("https://10.89.0.1:6443", fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", base(p.certificate), base(p.key)))
	componenttest.Both(t, func(ctx *pulumi.Context) error {
		cluster, err := New(ctx, "cluster", Args{Kubeconfig: content, Identifier: "slipway-lab"})
		if err != nil {
			return err
		}
		ctx.Export("name", cluster.Name)
		return nil
	}, func(t *testing.T, g *componenttest.Graph) {
		g.RequireSecrets(t)
		g.RequireNames(t, "cluster")
		provider := g.One(t, "pulumi:providers:kubernetes", "cluster-provider")
		if provider.Parent() != TypeToken {
			t.Errorf("the provider sits under %q", provider.Parent())
		}
		if got := provider.Text("clusterIdentifier"); got != "slipway-lab" {
			t.Errorf("the cluster identifier is %q", got)
		}
		if secret := provider.Inputs[resource.PropertyKey("kubeconfig")]; !secret.ContainsSecrets() {
			t.Error("the kubeconfig is sent in the clear")
		}
		if len(g.Of("kubernetes:")) > 0 {
			t.Errorf("something is declared in the cluster:\n%s", g.List())
		}
	})
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:cluster:Cluster" {
		t.Errorf("type token %q: the provider under it would be replaced, and with it every object", TypeToken)
	}
}
