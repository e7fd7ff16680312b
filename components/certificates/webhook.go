package certificates

import (
	"fmt"

	admissionv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/admissionregistration/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

const (
	waitFor = "pulumi.com/waitFor"
	// injected is there once the CA injector has written an authority.
	injected = "jsonpath={.webhooks[0].clientConfig.caBundle}"
	// injectFromSecret and injectFromCertificate tell it which.
	injectFromSecret      = "cert-manager.io/inject-ca-from-secret"
	injectFromCertificate = "cert-manager.io/inject-ca-from"
)

// admission has the API server ask the webhook about every object of
// cert-manager. What it returns exists once such objects are accepted.
func (c *Certificates) admission(ctx *pulumi.Context, p parts, servers ...pulumi.Resource) ([]pulumi.Resource, error) {
	metadata := p.object("cert-manager-webhook", webhook, false)
	// The provider would watch its endpoints for ten seconds to see them settle.
	// The pods behind it are waited for by themselves, and for long enough.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
	service, err := corev1.NewService(ctx, p.name+"-webhook-service", &corev1.ServiceArgs{
		Metadata: metadata,
		Spec: corev1.ServiceSpecArgs{
			Selector: component.StringMap(component.Selector(product, p.name, webhook)),
			Ports: corev1.ServicePortArray{corev1.ServicePortArgs{
				Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.String("https"),
			}},
		},
	}, component.Under(c)...)
	if err != nil {
		return nil, fmt.Errorf("creating the webhook's service: %w", err)
	}
	after := component.Under(c, pulumi.DependsOn(append([]pulumi.Resource{service}, servers...)))
	metadata = p.object("cert-manager-webhook", webhook, true)
	metadata.Annotations = pulumi.StringMap{
		injectFromSecret: pulumi.String(p.Namespace + "/" + webhookSecret),
		waitFor:          pulumi.String(injected),
	}
	rules := admissionv1.RuleWithOperationsArray{admissionv1.RuleWithOperationsArgs{
		ApiGroups:   pulumi.ToStringArray([]string{"cert-manager.io", "acme.cert-manager.io"}),
		ApiVersions: pulumi.ToStringArray([]string{"v1"}),
		Operations:  pulumi.ToStringArray([]string{"CREATE", "UPDATE"}),
		Resources:   pulumi.ToStringArray([]string{"*/*"}),
	}}
	mutating, err := admissionv1.NewMutatingWebhookConfiguration(ctx, p.name+"-webhook-mutating",
		&admissionv1.MutatingWebhookConfigurationArgs{
			Metadata: metadata,
			Webhooks: admissionv1.MutatingWebhookArray{admissionv1.MutatingWebhookArgs{
				Name:                    pulumi.String("webhook.cert-manager.io"),
				Rules:                   rules,
				ClientConfig:            p.endpoint("/mutate"),
				AdmissionReviewVersions: pulumi.ToStringArray([]string{"v1"}),
				MatchPolicy:             pulumi.String("Equivalent"),
				FailurePolicy:           pulumi.String("Fail"),
				SideEffects:             pulumi.String("None"),
				TimeoutSeconds:          pulumi.Int(10),
			}},
		}, after...)
	if err != nil {
		return nil, fmt.Errorf("registering the webhook: %w", err)
	}
	validating, err := admissionv1.NewValidatingWebhookConfiguration(ctx, p.name+"-webhook-validating",
		&admissionv1.ValidatingWebhookConfigurationArgs{
			Metadata: metadata,
			Webhooks: admissionv1.ValidatingWebhookArray{admissionv1.ValidatingWebhookArgs{
				Name:                    pulumi.String("webhook.cert-manager.io"),
				Rules:                   rules,
				ClientConfig:            p.endpoint("/validate"),
				AdmissionReviewVersions: pulumi.ToStringArray([]string{"v1"}),
				MatchPolicy:             pulumi.String("Equivalent"),
				FailurePolicy:           pulumi.String("Fail"),
				SideEffects:             pulumi.String("None"),
				TimeoutSeconds:          pulumi.Int(10),
			}},
		}, after...)
	if err != nil {
		return nil, fmt.Errorf("registering the webhook: %w", err)
	}
	return []pulumi.Resource{mutating, validating}, nil
}

// endpoint is where the API server calls the webhook.
func (p parts) endpoint(path string) admissionv1.WebhookClientConfigArgs {
	return admissionv1.WebhookClientConfigArgs{Service: admissionv1.ServiceReferenceArgs{
		Name: pulumi.String("cert-manager-webhook"), Namespace: p.namespace.Elem(), Path: pulumi.String(path),
	}}
}
