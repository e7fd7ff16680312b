package certificates

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	admissionv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/admissionregistration/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// Specifications of cert-manager's objects, as far as they are used here.
type (
	issuerSpec struct {
		SelfSigned *struct{}  `json:"selfSigned,omitempty"`
		CA         *secretRef `json:"ca,omitempty"`
		ACME       *acmeSpec  `json:"acme,omitempty"`
	}
	secretRef struct {
		SecretName string `json:"secretName"`
	}
	certificateSpec struct {
		IsCA        bool       `json:"isCA"`
		CommonName  string     `json:"commonName"`
		Subject     subject    `json:"subject"`
		SecretName  string     `json:"secretName"`
		Duration    string     `json:"duration"`
		RenewBefore string     `json:"renewBefore"`
		PrivateKey  privateKey `json:"privateKey"`
		Usages      []string   `json:"usages"`
		IssuerRef   issuerRef  `json:"issuerRef"`
	}
	subject struct {
		Organizations []string `json:"organizations"`
	}
	privateKey struct {
		Algorithm      string `json:"algorithm"`
		Size           int    `json:"size"`
		RotationPolicy string `json:"rotationPolicy"`
	}
	issuerRef struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
		Name  string `json:"name"`
	}
)

const (
	apiVersion = "cert-manager.io/v1"
	issuerKind = "ClusterIssuer"
	group      = "cert-manager.io"
	// ready is what an object of cert-manager is when it did what it is for.
	ready = "condition=Ready"
)

// authorityCertificate is the request for the authority's own certificate. Its
// key stays when the certificate is renewed: certificates signed before go on
// being valid under the new one.
func (p plan) authorityCertificate(signer string) certificateSpec {
	return certificateSpec{
		IsCA: true, CommonName: p.CommonName, SecretName: p.Issuer,
		Subject:     subject{Organizations: []string{"Slipway"}},
		Duration:    fmt.Sprintf("%dh0m0s", 24*p.Days),
		RenewBefore: fmt.Sprintf("%dh%dm0s", 24*p.Days/10, 24*p.Days%10*6),
		PrivateKey:  privateKey{Algorithm: "ECDSA", Size: 256, RotationPolicy: "Never"},
		Usages:      []string{"cert sign", "crl sign", "digital signature"},
		IssuerRef:   issuerRef{Group: group, Kind: issuerKind, Name: signer},
	}
}

// authority declares the authority and its issuer once objects of cert-manager
// are accepted, which the resources in after stand for.
func (c *Certificates) authority(ctx *pulumi.Context, p parts, after []pulumi.Resource) error {
	declare := func(role, kind, named string, cluster bool, spec any, after ...pulumi.Resource) (pulumi.Resource, error) {
		metadata := p.object(named, "authority", cluster)
		metadata.Annotations = pulumi.StringMap{waitFor: pulumi.String(ready)}
		return component.Object{APIVersion: apiVersion, Kind: kind, Metadata: metadata, Spec: spec}.
			Declare(ctx, p.name+"-"+role, component.Under(c, pulumi.DependsOn(after))...)
	}
	signer := p.Issuer + "-root"
	root, err := declare("root-issuer", issuerKind, signer, true, issuerSpec{SelfSigned: &struct{}{}}, after...)
	if err != nil {
		return err
	}
	certificate, err := declare("authority", "Certificate", p.Issuer, false, p.authorityCertificate(signer), root)
	if err != nil {
		return err
	}
	issuer, err := declare("issuer", issuerKind, p.Issuer, true, issuerSpec{CA: &secretRef{SecretName: p.Issuer}}, certificate)
	if err != nil {
		return err
	}
	// The name is handed out together with the URN, so that whoever uses it
	// comes after the issuer.
	c.IssuerName = issuer.URN().ApplyT(func(pulumi.URN) string { return p.Issuer }).(pulumi.StringOutput)
	c.IssuerKind = pulumi.String(issuerKind).ToStringOutput()
	return c.publish(ctx, p, certificate)
}

// publish pins the authority's certificate to a webhook configuration that has
// no rules, and so is never called, and reads it from there.
func (c *Certificates) publish(ctx *pulumi.Context, p parts, certificate pulumi.Resource) error {
	metadata := p.object(p.Issuer+"-certificate", "authority", true)
	metadata.Annotations = pulumi.StringMap{
		injectFromCertificate: pulumi.String(p.Namespace + "/" + p.Issuer),
		waitFor:               pulumi.String(injected),
	}
	board, err := admissionv1.NewValidatingWebhookConfiguration(ctx, p.name+"-authority-certificate",
		&admissionv1.ValidatingWebhookConfigurationArgs{
			Metadata: metadata,
			Webhooks: admissionv1.ValidatingWebhookArray{admissionv1.ValidatingWebhookArgs{
				Name:                    pulumi.String("never-called.slipway.dev"),
				ClientConfig:            p.endpoint("/never-called"),
				AdmissionReviewVersions: pulumi.ToStringArray([]string{"v1"}),
				FailurePolicy:           pulumi.String("Ignore"),
				SideEffects:             pulumi.String("None"),
			}},
		}, component.Under(c, pulumi.DependsOn([]pulumi.Resource{certificate}))...)
	if err != nil {
		return fmt.Errorf("publishing the authority's certificate: %w", err)
	}
	bundle := board.Webhooks.Index(pulumi.Int(0)).ClientConfig().CaBundle()
	c.CACertificate = bundle.ApplyT(func(bundle *string) (pulumi.StringOutput, error) {
		certificate, err := published(bundle)
		if errors.Is(err, ErrUnpublished) && ctx.DryRun() {
			// A preview shows the board as it would be put up: still empty.
			return unknown(), nil
		}
		return pulumi.String(certificate).ToStringOutput(), err
	}).(pulumi.StringOutput)
	return nil
}

// unknown is a text that a preview does not know.
func unknown() pulumi.StringOutput {
	return pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
}

// ErrUnpublished is returned when the cluster has no certificate to show for
// the authority.
var ErrUnpublished = errors.New(
	"the certificate authority's certificate is not published yet; look at the cert-manager-cainjector pods and update again")

// published turns an injected bundle into PEM, and makes sure that it holds
// certificates and nothing else.
func published(bundle *string) (string, error) {
	if bundle == nil || *bundle == "" {
		return "", ErrUnpublished
	}
	content, err := base64.StdEncoding.DecodeString(*bundle)
	if err != nil {
		return "", fmt.Errorf("reading the certificate authority's certificate: %w", err)
	}
	var out []byte
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return "", fmt.Errorf("reading the certificate authority's certificate: it comes with a %s", block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", fmt.Errorf("reading the certificate authority's certificate: %w", err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
	}
	if len(out) == 0 {
		return "", ErrUnpublished
	}
	return string(out), nil
}
