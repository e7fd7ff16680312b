package simcluster

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/simcloud"
)

const (
	validating = "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration"
	issuers    = "kubernetes:cert-manager.io/v1:ClusterIssuer"
)

// awaited is the object with the condition that it is waited for by.
func awaited(in map[string]any, condition string, further ...string) map[string]any {
	annotations := map[string]any{waitFor: condition}
	for i := 0; i+1 < len(further); i += 2 {
		annotations[further[i]] = further[i+1]
	}
	simcloud.Props(in).Set("metadata.annotations", annotations)
	return in
}

// program is a deployment that runs an image.
func program(name string, args ...any) map[string]any {
	spec := workload(map[string]any{})
	pod := simcloud.Props(spec).Object("template.spec")
	pod["containers"] = []any{map[string]any{"name": "c", "image": "registry.example/" + name + ":v1", "args": args}}
	return object("apps/v1", "Deployment", name, "", spec)
}

// managed is a yard with cert-manager's definitions and the given programs.
func managed(t *testing.T, programs ...map[string]any) *yard {
	t.Helper()
	Patience = 200 * time.Millisecond
	y := newYard(t)
	for kind, plural := range map[string]string{"Certificate": "certificates", "ClusterIssuer": "clusterissuers"} {
		scope := map[bool]string{true: "Namespaced", false: "Cluster"}[kind == "Certificate"]
		_, err := y.make(crds, plural, awaited(object("apiextensions.k8s.io/v1", "CustomResourceDefinition", plural+".cert-manager.io", "", map[string]any{
			"group": "cert-manager.io", "scope": scope, "names": map[string]any{"kind": kind, "plural": plural},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "properties": map[string]any{"spec": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}}}},
		}), "condition=Established"))
		require.NoError(t, err)
	}
	for _, p := range programs {
		_, err := y.make(deployment, simcloud.Props(p).Text("metadata.name"), p)
		require.NoError(t, err)
	}
	return y
}

func board(further ...string) map[string]any {
	in := object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "board", "", nil)
	in["webhooks"] = []any{map[string]any{
		"name": "never.example.org", "admissionReviewVersions": []any{"v1"}, "sideEffects": "None",
		"clientConfig": map[string]any{"service": map[string]any{"name": "s", "namespace": "default"}},
	}}
	return awaited(in, "jsonpath={.webhooks[0].clientConfig.caBundle}", further...)
}

func issuer(name string, spec map[string]any) map[string]any {
	return awaited(object("cert-manager.io/v1", "ClusterIssuer", name, "", spec), "condition=Ready")
}

func signed(by string) map[string]any {
	return awaited(object("cert-manager.io/v1", "Certificate", "ca", "default", map[string]any{
		"secretName": "ca", "issuerRef": map[string]any{"kind": "ClusterIssuer", "name": by},
	}), "condition=Ready")
}

func TestCertificatesAreIssuedAndInjected(t *testing.T) {
	y := managed(t, program("cert-manager-controller"), program("cert-manager-cainjector"),
		program("cert-manager-webhook", "--dynamic-serving-ca-secret-namespace=default", "--dynamic-serving-ca-secret-name=webhook-ca"))
	_, err := y.make(issuers, "root", issuer("root", map[string]any{"selfSigned": map[string]any{}}))
	require.NoError(t, err)
	out, err := y.make(certificates, "ca", signed("root"))
	require.NoError(t, err)
	assert.Equal(t, "True", out.Objects("status.conditions")[0].Text("status"))
	_, err = y.make(issuers, "ca", issuer("ca", map[string]any{"ca": map[string]any{"secretName": "ca"}}))
	require.NoError(t, err)
	for _, from := range [][]string{{"cert-manager.io/inject-ca-from", "default/ca"}, {"cert-manager.io/inject-ca-from-secret", "default/webhook-ca"}} {
		in := board(from...)
		simcloud.Props(in).Set("metadata.name", "board-"+from[0][len(from[0])-2:])
		out, err = y.make(validating, "board", in)
		require.NoError(t, err)
		assert.Equal(t, base64.StdEncoding.EncodeToString(authority), out.Objects("webhooks")[0].Text("clientConfig.caBundle"))
		assert.Equal(t, "s", out.Objects("webhooks")[0].Text("clientConfig.service.name"))
	}
}

func TestWhatNothingBringsAboutIsNotNodded(t *testing.T) {
	all := []map[string]any{program("cert-manager-controller"), program("cert-manager-cainjector")}
	acme := func(zone string) map[string]any {
		return issuer("acme", map[string]any{"acme": map[string]any{"solvers": []any{
			map[string]any{"dns01": map[string]any{"route53": map[string]any{"hostedZoneID": zone}}},
		}}})
	}
	tests := []struct {
		title, token string
		in           map[string]any
		programs     []map[string]any
		want         string
	}{
		{"an issuer without a controller", issuers, issuer("root", map[string]any{"selfSigned": map[string]any{}}), all[1:], "nothing in the cluster runs cert-manager-controller"},
		{"an authority without its secret", issuers, issuer("ca", map[string]any{"ca": map[string]any{"secretName": "ghost"}}), all, `secret "ghost" not found`},
		{"a zone that is not there", issuers, acme("ZGHOST"), all, "no hosted zone found with ID ZGHOST"},
		{"a certificate of no issuer", certificates, signed("ghost"), all, `referenced ClusterIssuer "ghost" not found`},
		{"an authority that nobody injects", validating, board("cert-manager.io/inject-ca-from", "default/ca"), all[:1], "nothing in the cluster runs cert-manager-cainjector"},
		{"an authority of no certificate", validating, board("cert-manager.io/inject-ca-from", "default/ghost"), all, `certificate "default/ghost" to inject from not found`},
		{"an authority of no webhook", validating, board("cert-manager.io/inject-ca-from-secret", "default/ghost"), all, `secret "default/ghost" to inject from not found`},
		{"an authority of nowhere", validating, board(), all, "without cert-manager.io/inject-ca-from"},
		{"a condition of somebody else's", "kubernetes:core/v1:ConfigMap", awaited(object("v1", "ConfigMap", "c", "", nil), "condition=Synced"), all, `does not know when "condition=Synced" holds`},
	}
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			_, err := managed(t, test.programs...).make(test.token, "thing", test.in)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "SIMULATED kubernetes")
		})
	}
}
