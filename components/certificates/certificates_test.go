package certificates

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/certificates/certificatestest"
	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

// definitions writes minimal definitions of cert-manager's kinds.
func definitions(t *testing.T, kinds ...string) string {
	t.Helper()
	dir := t.TempDir()
	if kinds == nil {
		kinds = []string{"certificaterequests", "certificates", "clusterissuers", "issuers"}
	}
	for _, kind := range kinds {
		content := fmt.Sprintf("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"+
			"metadata: {name: %s.cert-manager.io}\nspec: {group: cert-manager.io}\n", kind)
		if err := os.WriteFile(filepath.Join(dir, kind+".yaml"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		made, err := New(ctx, "certificates", args, providers)
		if err != nil {
			return err
		}
		ctx.Export("issuer", made.IssuerName)
		ctx.Export("ca", made.CACertificate)
		return nil
	}
}

func both(t *testing.T, args Args, check func(t *testing.T, g *componenttest.Graph)) {
	for name, fresh := range map[string]bool{"update": false, "first preview": true} {
		t.Run(name, func(t *testing.T) {
			g := &componenttest.Graph{Fresh: fresh, Computed: certificatestest.Computed}
			g.Run(t, declare(args))
			check(t, g)
		})
	}
}

func TestNew(t *testing.T) {
	both(t, Args{Version: "v1.11.5", CRDFile: definitions(t)}, func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "certificates")
		g.RequireSecrets(t)
		g.RequireStableSelectors(t)
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "default", got, *update)
	})
}

// The authority's key must never come near the state: no Secret is declared,
// and none is read.
func TestNoSecretIsDeclaredOrRead(t *testing.T) {
	both(t, Args{Version: "v1.11.5", CRDFile: definitions(t)}, func(t *testing.T, g *componenttest.Graph) {
		if found := g.Of("kubernetes:core/v1:Secret"); len(found) > 0 {
			t.Errorf("%d Secrets are in the state", len(found))
		}
	})
}

func TestEveryObjectComesAfterWhatItNeeds(t *testing.T) {
	g := &componenttest.Graph{Computed: certificatestest.Computed}
	g.Run(t, declare(Args{Version: "v1.11.5", CRDFile: definitions(t)}))
	for _, test := range []struct{ token, name, after string }{
		{"kubernetes:apps/v1:Deployment", "certificates-controller", "certificates-crd-certificates.cert-manager.io"},
		{"kubernetes:apps/v1:Deployment", "certificates-controller", "certificates-controller-cluster-binding"},
		{"kubernetes:apps/v1:Deployment", "certificates-webhook", "certificates-webhook-binding"},
		{"kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration", "certificates-webhook-mutating", "certificates-webhook"},
		{"kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration", "certificates-webhook-mutating", "certificates-cainjector"},
		{"kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration", "certificates-webhook-validating", "certificates-webhook-service"},
		{"kubernetes:cert-manager.io/v1:ClusterIssuer", "certificates-root-issuer", "certificates-webhook-mutating"},
		{"kubernetes:cert-manager.io/v1:ClusterIssuer", "certificates-root-issuer", "certificates-webhook-validating"},
		{"kubernetes:cert-manager.io/v1:ClusterIssuer", "certificates-root-issuer", "certificates-controller"},
		{"kubernetes:cert-manager.io/v1:Certificate", "certificates-authority", "certificates-root-issuer"},
		{"kubernetes:cert-manager.io/v1:ClusterIssuer", "certificates-issuer", "certificates-authority"},
		{"kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration", "certificates-authority-certificate", "certificates-authority"},
	} {
		dependencies := g.One(t, test.token, test.name).RegisterRPC.GetDependencies()
		if !slices.ContainsFunc(dependencies, func(urn string) bool { return strings.HasSuffix(urn, "::"+test.after) }) {
			t.Errorf("%s does not depend on %s, but on %v", test.name, test.after, dependencies)
		}
	}
}

// A webhook configuration without a rule is never called. With one, it would
// have the API server ask for a path that does not exist.
func TestTheBoardHasNoRules(t *testing.T) {
	g := &componenttest.Graph{Computed: certificatestest.Computed}
	g.Run(t, declare(Args{Version: "v1.11.5", CRDFile: definitions(t)}))
	board := g.One(t, "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration", "certificates-authority-certificate")
	if _, found := board.Path("webhooks[0].rules"); found {
		t.Error("it has rules")
	}
	if got := board.Text(`metadata.annotations["cert-manager.io/inject-ca-from"]`); got != "cert-manager/slipway-lab-ca" {
		t.Errorf("it shows the authority of %q", got)
	}
}

// An update that finds the board empty must say so, rather than hand out an
// empty certificate that clients then do not verify against.
func TestAnEmptyBoardIsAnErrorOfAnUpdate(t *testing.T) {
	g := &componenttest.Graph{}
	if err := g.Try(t, declare(Args{Version: "v1.11.5", CRDFile: definitions(t)})); !errors.Is(err, ErrUnpublished) {
		t.Errorf("got %v", err)
	}
}

func TestPublished(t *testing.T) {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x")}))
	for name, test := range map[string]struct {
		bundle, want, fault string
	}{
		"a certificate":  {base(certificatestest.Authority), certificatestest.Authority, ""},
		"two":            {base(certificatestest.Authority + "text\n" + certificatestest.Authority), certificatestest.Authority + certificatestest.Authority, ""},
		"with a key":     {base(certificatestest.Authority + key), "", "it comes with a EC PRIVATE KEY"},
		"no certificate": {base("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "", "reading the certificate authority's certificate: x509"},
		"no PEM":         {base("text"), "", ErrUnpublished.Error()},
		"no base64":      {"%", "", "illegal base64"},
		"nothing":        {"", "", ErrUnpublished.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := published(&test.bundle)
			if got != test.want {
				t.Errorf("got %q", got)
			}
			if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got error %v, want %q", err, test.fault)
			}
		})
	}
}

func base(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestAuthorityKeepsItsKeyAndRenewsInTime(t *testing.T) {
	for days, want := range map[int][2]string{3650: {"87600h0m0s", "8760h0m0s"}, 1: {"24h0m0s", "2h24m0s"}} {
		spec := plan{Args: Args{Days: days, Issuer: "ca"}}.authorityCertificate("root")
		if spec.Duration != want[0] || spec.RenewBefore != want[1] {
			t.Errorf("%d days: valid %s, renewed %s before", days, spec.Duration, spec.RenewBefore)
		}
		if spec.PrivateKey.RotationPolicy != "Never" {
			t.Errorf("the key is rotated: %s", spec.PrivateKey.RotationPolicy)
		}
	}
}

// No program may do more than it needs: a wildcard, or a Secret of the whole
// cluster for anyone but the controller, is a finding.
func TestRightsAreNarrow(t *testing.T) {
	for scope, roles := range map[string]map[string][]rule{"everywhere": everywhere, "inside": inside} {
		for role, rules := range roles {
			for _, r := range rules {
				text, err := json.Marshal([]any{r.group, r.resources, r.verbs})
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(text), `"*"`) {
					t.Errorf("%s %s has a wildcard: %s", role, scope, text)
				}
				if scope == "everywhere" && role != controller && slices.Contains(r.resources, "secrets") {
					t.Errorf("the %s may touch every Secret: %s", role, text)
				}
			}
		}
	}
}

func TestReplicasAndMonitoring(t *testing.T) {
	args := Args{Version: "v1.11.5", CRDFile: definitions(t), WebhookReplicas: 1, ControllerReplicas: 2, MonitoringNamespace: "watch"}
	g := &componenttest.Graph{Computed: certificatestest.Computed}
	g.Run(t, declare(args))
	if g.Has("kubernetes:policy/v1:PodDisruptionBudget", "certificates-webhook-budget") {
		t.Error("a budget over one webhook blocks every drain")
	}
	g.One(t, "kubernetes:policy/v1:PodDisruptionBudget", "certificates-controller-budget")
	policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "certificates-controller-flows")
	if got := policy.Text(`spec.ingress[0].from[0].namespaceSelector.matchLabels["kubernetes.io/metadata.name"]`); got != "watch" {
		t.Errorf("metrics are open to %q", got)
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given": {func(a *Args) { *a = Args{} }, []string{`version: "" is not a version`, "crdFile: is empty"}},
		"namespace":     {func(a *Args) { a.Namespace = "Cert.Manager" }, []string{`namespace: "Cert.Manager"`}},
		"version":       {func(a *Args) { a.Version = "1.11" }, []string{`version: "1.11" is not a version`}},
		"replicas":      {func(a *Args) { a.WebhookReplicas, a.ControllerReplicas = -1, -2 }, []string{"webhookReplicas: is -1", "controllerReplicas: is -2"}},
		"issuer":        {func(a *Args) { a.Issuer = "a_b" }, []string{`issuer: "a_b"`}},
		"common name":   {func(a *Args) { a.CommonName = strings.Repeat("a", 65) }, []string{"commonName: has 65 characters"}},
		"days":          {func(a *Args) { a.Days = -1 }, []string{"days: is -1"}},
		"API server":    {func(a *Args) { a.APIServer = []string{"10.89.0.1"} }, []string{`apiServer[0]: "10.89.0.1" is not a network`}},
		"no such file":  {func(a *Args) { a.CRDFile = filepath.Join(a.CRDFile, "absent") }, []string{"crdFile: reading custom resource definitions: stat "}},
		"other kinds":   {func(a *Args) { a.CRDFile = definitions(t, "certificates") }, []string{"does not define [certificaterequests.cert-manager.io clusterissuers.cert-manager.io issuers.cert-manager.io]"}},
		"all at once":   {func(a *Args) { a.Version, a.Days = "x", -1 }, []string{"version: ", "days: "}},
	} {
		t.Run(name, func(t *testing.T) {
			args := Args{Version: "v1.11.5", CRDFile: definitions(t)}
			test.change(&args)
			g := &componenttest.Graph{}
			err := g.Try(t, declare(args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(slices.Clone(test.want), `certificates "certificates": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "certificates") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:certificates:Certificates" {
		t.Errorf("type token %q: everything under it would be replaced, the authority included", TypeToken)
	}
}
